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
from advatlas.errors import AdvatlasError
from advatlas.models.building import build_library_network
from advatlas.models.classifier import Classifier
from advatlas.models.complexity import count_macs, count_parameters
from advatlas.models.folding import fold_batch_norm
from advatlas.models.initialise import GAUSSIAN_STD, initialise
from advatlas.models.small import ARCHITECTURES
from advatlas.models.small.architecture import SmallNetwork
from advatlas.models.training import TrainingOptions, TrainingResult, evaluate, train
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
    """

    name: str
    architecture: str
    initialisation: str
    width: float = 1.0
    gaussian_std: float = GAUSSIAN_STD
    seed: int = 0
    training: TrainingOptions = field(default_factory=TrainingOptions)


def build_network(recipe: ModelRecipe, dataset: Dataset) -> SmallNetwork:
    """Return the recipe's network with its first weights, on the CPU."""
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
) -> tuple[SmallNetwork, TrainingResult, dict[str, Any]]:
    """Train a model and return its network, the history and its card.

    Args:
        splits: the sets ``train``, ``validation`` and ``test``.
    """
    network = build_network(recipe, dataset)
    parameters, macs = count_parameters(network), count_macs(network, dataset.input_size)
    result = train(
        network,
        splits["train"],
        splits["validation"],
        dataset.mean,
        dataset.std,
        recipe.training,
        derive_seed(recipe.seed, "train", recipe.name),
        device,
        progress,
    )
    network.to("cpu")
    accuracies = {split: _accuracy(network, splits[split], dataset, device) for split in ("validation", "test")}
    network.to("cpu")
    card = {
        "name": recipe.name,
        "architecture": recipe.architecture,
        "family": network.family,
        "initialisation": recipe.initialisation,
        "width": recipe.width,
        "dataset": dataset.name,
        "num_classes": dataset.num_classes,
        "class_names": list(dataset.class_names),
        "input_size": list(dataset.input_size),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "parameters": parameters,
        "macs": macs,
        "status": result.status,
        "reason": result.reason,
        "best_epoch": result.best_epoch,
        "validation_accuracy": accuracies["validation"],
        "test_accuracy": accuracies["test"],
        "test_images": len(splits["test"]),
        "recipe": dataclasses.asdict(recipe),
    }
    return network, result, card


def _accuracy(network: SmallNetwork, images: ImageSet, dataset: Dataset, device: str) -> float:
    network.to(device)
    center, scale = torch.tensor(dataset.mean).view(-1, 1, 1), torch.tensor(dataset.std).view(-1, 1, 1)
    x = ((images.pixels() - center) / scale).to(device, memory_format=torch.channels_last)
    return evaluate(network, x, images.labels.to(device))[1]


def is_excluded(card: dict[str, Any]) -> bool:
    """Say whether a model did not train and so takes no part in a study (an X of bendaya2020's Table 2)."""
    return card["status"] not in ("trained", "pretrained")


def save_model(network: torch.nn.Module, card: dict[str, Any], weights: Path, card_path: Path) -> None:
    """Write weights as safetensors and the card, which holds their checksum, as JSON."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    content = save(tensors)
    with atomic_path(weights) as temporary:
        temporary.write_bytes(content)
    described = {**card, "weights_sha256": hashlib.sha256(content).hexdigest()}
    write_text(card_path, json.dumps(described, indent=2, sort_keys=True) + "\n")


def load_card(path: Path | str) -> dict[str, Any]:
    """Read a model's card.

    Raises:
        AdvatlasError: it is absent or damaged.
    """
    try:
        card: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        card["recipe"], card["weights_sha256"]
    except FileNotFoundError as error:
        raise AdvatlasError(f"{path}: no such model card; let the pipeline train the model") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdvatlasError(f"{path}: not a model card ({error}); delete it and run again") from error
    return card


def load_classifier(weights: Path | str, card: dict[str, Any], device: str = "cpu") -> Classifier:
    """Load a trained model behind the classifier contract and check its weights against the card's checksum.

    Raises:
        AdvatlasError: the weights are absent, damaged or not those of the card.
    """
    weights = Path(weights)
    remedy = f"delete it and run again, and it will be made anew: rm '{weights}'"
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        if digest != card["weights_sha256"]:
            raise AdvatlasError(f"{weights}: the weights differ from the checksum in the model's card; {remedy}")
        tensors = load_file(weights)
        network = _network_of(card)
        network.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise AdvatlasError(f"{weights}: no such file; let the pipeline make it") from error
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise AdvatlasError(f"{weights}: not the weights of {card['architecture']} ({error}); {remedy}") from error
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
        first_class=card.get("outputs", card["num_classes"]) - card["num_classes"],
    )
    return classifier.to(device)


def _network_of(card: dict[str, Any]) -> nn.Module:
    if "build" in card:
        return build_library_network(card["build"])
    channels, size, _ = card["input_size"]
    return ARCHITECTURES[card["architecture"]](channels, size, card["num_classes"], card["width"])


def view_name(card: dict[str, Any]) -> str:
    """Return the name of the view a model sees; ``native`` for data sets of one size."""
    return View(**card["view"]).name if "view" in card else NATIVE
