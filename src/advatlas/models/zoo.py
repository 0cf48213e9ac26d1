"""Building, saving and loading the models of a study, each with its card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from advatlas.data.dataset import Dataset
from advatlas.data.imageset import ImageSet
from advatlas.data.views import NATIVE, View
from advatlas.defenses import DEFENSES
from advatlas.defenses.defense import TrainingWork
from advatlas.errors import AdvatlasError, DamagedFileError
from advatlas.models.building import build_library_network
from advatlas.models.classifier import Classifier
from advatlas.models.complexity import count_macs, count_parameters
from advatlas.models.finetuning import freeze, replace_head
from advatlas.models.folding import fold_batch_norm
from advatlas.models.initialise import GAUSSIAN_STD, initialise
from advatlas.models.pretrained import PretrainedRecipe, load_checked
from advatlas.models.small import ARCHITECTURES
from advatlas.models.training import Normalise, TrainingOptions, TrainingResult, evaluate, train
from advatlas.progress import Progress
from advatlas.seeds import derive_seed, generator
from advatlas.storage.atomic import atomic_path, write_text


@dataclass(frozen=True)
class ModelRecipe:
    """Everything a trained model follows from, besides its images.

    Attributes:
        name: the model's name in studies.
        architecture: a key of :data:`advatlas.models.small.ARCHITECTURES`.
        initialisation: ``gaussian``, ``msra`` or ``xavier``.
        width: multiplier of all hidden channel counts.
        gaussian_std: standard deviation of the ``gaussian`` initialisation.
        seed: the study's seed; what is drawn also depends on the name.
        pretrained: the network whose weights it starts from and whose last layer is replaced; then ``architecture`` is its
            name and ``initialisation`` is ``pretrained``.
        frozen: of a pretrained network so many of the first children are left as they are.
        normalise: whether images are brought to the data's (or the pretrained network's) mean and standard deviation;
            donoghue2020 left them in [0, 1].
    """

    name: str
    architecture: str
    initialisation: str
    width: float = 1.0
    gaussian_std: float = GAUSSIAN_STD
    seed: int = 0
    training: TrainingOptions = field(default_factory=TrainingOptions)
    pretrained: PretrainedRecipe | None = None
    frozen: int = 0
    normalise: bool = True


@dataclass(frozen=True)
class DefendedRecipe:
    """Everything a defended model follows from, besides the model it is made from and its images.

    Attributes:
        name: the model's name in studies.
        defense: a key of :data:`advatlas.defenses.DEFENSES`.
        of: the name of the model that is defended, which may be defended itself.
        parameters: of the defense.
        seed: the study's seed.
        training: how a training defense trains; None for one that wraps.
    """

    name: str
    defense: str
    of: str
    parameters: dict[str, Any]
    seed: int = 0
    training: TrainingOptions | None = None


def model_recipe(content: dict[str, Any]) -> ModelRecipe:
    """Return a recipe from what :func:`dataclasses.asdict` made of it."""
    pretrained = content["pretrained"]
    if pretrained is not None:
        pretrained = PretrainedRecipe(
            **{
                **pretrained,
                "view": View(**pretrained["view"]),
                "mean": tuple(pretrained["mean"]),
                "std": tuple(pretrained["std"]),
            }
        )
    return ModelRecipe(**{**content, "training": TrainingOptions(**content["training"]), "pretrained": pretrained})


def build_network(recipe: ModelRecipe, dataset: Dataset, weights_dir: Path | None = None) -> nn.Module:
    """Return the recipe's network with its first weights, on the CPU.

    Raises:
        AdvatlasError: pretrained weights cannot be had, or are not those of the network.
    """
    if recipe.pretrained is not None:
        network = load_checked(recipe.pretrained, weights_dir)
        replace_head(network, recipe.pretrained.outputs, dataset.num_classes, derive_seed(recipe.seed, recipe.name))
        freeze(network, recipe.frozen)
        return network
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own first
        network = ARCHITECTURES[recipe.architecture](dataset.channels, dataset.size, dataset.num_classes, recipe.width)
    initialise(
        network,
        recipe.initialisation,
        generator(recipe.seed, "initialise", recipe.name),
        recipe.gaussian_std,
    )
    return network


def train_model(
    recipe: ModelRecipe,
    dataset: Dataset,
    splits: dict[str, ImageSet],
    device: str = "cpu",
    progress: Progress | None = None,
    weights_dir: Path | None = None,
) -> tuple[nn.Module, TrainingResult, dict[str, Any]]:
    """Train a model and return its network, the history and its card.

    Args:
        splits: the sets ``train``, ``validation`` and ``test``.
        weights_dir: where weights of pretrained networks may lie.
    """
    network = build_network(recipe, dataset, weights_dir)
    parameters, macs = count_parameters(network), count_macs(network, dataset.input_size)
    mean, std = _normalisation(recipe, dataset)
    result = train(
        network,
        splits["train"],
        splits["validation"],
        mean,
        std,
        recipe.training,
        derive_seed(recipe.seed, "train", recipe.name),
        device,
        progress,
    )
    card = {
        "name": recipe.name,
        "architecture": recipe.architecture,
        "family": recipe.pretrained.family if recipe.pretrained else ARCHITECTURES[recipe.architecture].family,
        "initialisation": recipe.initialisation,
        "width": recipe.width,
        "dataset": dataset.name,
        "num_classes": dataset.num_classes,
        "class_names": list(dataset.class_names),
        "input_size": list(dataset.input_size),
        "mean": list(mean),
        "std": list(std),
        "parameters": parameters,
        "macs": macs,
        **_outcome(network, result, splits, mean, std, device),
        "recipe": dataclasses.asdict(recipe),
    }
    if recipe.pretrained is not None:
        card |= {"build": recipe.pretrained.build, "replaced_outputs": recipe.pretrained.outputs}
    return network, result, card


def _normalisation(recipe: ModelRecipe, dataset: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not recipe.normalise:
        return (0.0,) * dataset.channels, (1.0,) * dataset.channels
    known = recipe.pretrained or dataset
    return tuple(known.mean), tuple(known.std)


def _outcome(
    network: nn.Module,
    result: TrainingResult,
    splits: dict[str, ImageSet],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: str,
) -> dict[str, Any]:
    """Return what a card says of a training, and leave the network on the CPU."""
    network.to(device)
    normalise = Normalise(mean, std).to(device)
    accuracies = {f"{name}_accuracy": evaluate(network, splits[name], normalise)[1] for name in ("validation", "test")}
    network.to("cpu")
    return {
        "status": result.status,
        "reason": result.reason,
        "best_epoch": result.best_epoch,
        **accuracies,
        "test_images": len(splits["test"]),
    }


def train_defended(
    recipe: DefendedRecipe,
    weights: Path,
    base: dict[str, Any],
    dataset: Dataset,
    splits: dict[str, ImageSet],
    device: str = "cpu",
    progress: Progress | None = None,
    weights_dir: Path | None = None,
) -> tuple[nn.Module, TrainingResult, dict[str, Any]]:
    """Make a model's new weights by a training defense; return its network, the history and its card.

    Args:
        weights, base: the weights and the card of the model that is defended.
        weights_dir: where weights of pretrained networks may lie.
    """
    root = model_recipe(base["network"] if "network" in base else base["recipe"])
    assert recipe.training is not None
    work = TrainingWork(
        network=_with_weights(weights, base),
        fresh=lambda: build_network(dataclasses.replace(root, name=recipe.name), dataset, weights_dir),
        splits=splits,
        mean=tuple(base["mean"]),
        std=tuple(base["std"]),
        options=recipe.training,
        seed=derive_seed(recipe.seed, "defense", recipe.name),
        device=device,
        progress=progress,
    )
    if root.pretrained is not None:
        freeze(work.network, root.frozen)
    DEFENSES[recipe.defense].function(work, **recipe.parameters)
    card = {
        **base,
        **_outcome(work.network, work.result, splits, work.mean, work.std, device),
        **_described(recipe, base),
        "network": dataclasses.asdict(root),
    }
    if recipe.defense == "distillation":
        card["temperature"] = recipe.parameters["temperature"]
    else:
        card.pop("temperature", None)
    return work.network, work.result, card


def wrapped_card(recipe: DefendedRecipe, base: dict[str, Any]) -> dict[str, Any]:
    """Return the card of a model behind a wrapper; it has the weights of the model within."""
    measured = ("test_accuracy", "validation_accuracy", "test_images")
    card = {key: value for key, value in base.items() if key not in measured}
    wrapper = {"defense": recipe.defense, "parameters": recipe.parameters}
    return {**card, **_described(recipe, base), "wrappers": [*base.get("wrappers", []), wrapper]}


def _described(recipe: DefendedRecipe, base: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "defense": " + ".join(part for part in (base.get("defense", ""), recipe.defense) if part),
        "defense_of": recipe.of,
        "undefended": base.get("undefended", base["name"]),
        "attacked_as": base.get("attacked_as", base["name"]) if DEFENSES[recipe.defense].oblivious else recipe.name,
        "recipe": dataclasses.asdict(recipe),
    }


def is_excluded(card: dict[str, Any]) -> bool:
    """Say whether a model did not train and so takes no part in a study (an X of bendaya2020's Table 2)."""
    return card["status"] not in ("trained", "pretrained")


def save_model(network: torch.nn.Module, card: dict[str, Any], weights: Path, card_path: Path) -> None:
    """Write weights as safetensors and the card, which holds their checksum, as JSON."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    content = save(tensors)
    with atomic_path(weights) as temporary:
        temporary.write_bytes(content)
    write_card({**card, "weights_sha256": hashlib.sha256(content).hexdigest()}, card_path)


def write_card(card: dict[str, Any], path: Path) -> None:
    """Write a card, which holds the checksum of its weights, as JSON."""
    write_text(path, json.dumps(card, indent=2, sort_keys=True) + "\n")


def load_card(path: Path | str) -> dict[str, Any]:
    """Read a model's card.

    Raises:
        AdvatlasError: it is absent.
        DamagedFileError: it is damaged.
    """
    try:
        card: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        card["recipe"], card["weights_sha256"]
    except FileNotFoundError as error:
        raise AdvatlasError(f"{path}: no such model card; let the pipeline train the model") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(path, f"not a model card: {error}") from error
    return card


def load_classifier(weights: Path | str, card: dict[str, Any], device: str = "cpu") -> Classifier:
    """Load a trained model behind the classifier contract and check its weights against the card's checksum.

    Raises:
        AdvatlasError: the weights are absent, damaged or not those of the card.
    """
    network = _with_weights(Path(weights), card)
    if "build" in card:
        network = fold_batch_norm(network, tuple(card["input_size"]))
    classifier = Classifier(
        network,
        name=card["name"],
        family=card["family"],
        num_classes=card["num_classes"],
        input_size=tuple(card["input_size"]),
        mean=card["mean"],
        std=card["std"],
        card=card,
        first_class=0 if "replaced_outputs" in card else card.get("outputs", card["num_classes"]) - card["num_classes"],
    )
    for wrapper in card.get("wrappers", []):
        classifier = DEFENSES[wrapper["defense"]].wrap(classifier, wrapper["parameters"], card)
    return classifier.to(device)


def _with_weights(weights: Path, card: dict[str, Any]) -> nn.Module:
    """Return the network of a card with its weights, checked against the card's checksum."""
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        if digest != card["weights_sha256"]:
            raise DamagedFileError(weights, "the weights differ from the checksum in the model's card")
        tensors = load_file(weights)
        network = _network_of(card)
        network.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise AdvatlasError(f"{weights}: no such file; let the pipeline make it") from error
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise DamagedFileError(weights, f"not the weights of {card['architecture']}: {error}") from error
    return network


def _network_of(card: dict[str, Any]) -> nn.Module:
    if "replaced_outputs" in card:
        return replace_head(build_library_network(card["build"]), card["replaced_outputs"], card["num_classes"])
    if "build" in card:
        return build_library_network(card["build"])
    channels, size, _ = card["input_size"]
    return ARCHITECTURES[card["architecture"]](channels, size, card["num_classes"], card["width"])


def view_name(card: dict[str, Any]) -> str:
    """Return the name of the view a model sees; ``native`` for data sets of one size."""
    return View(**card["view"]).name if "view" in card else NATIVE
