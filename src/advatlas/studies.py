"""A study file turned into typed, validated objects, and from them the names of everything the pipeline makes."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advatlas.attacks import ATTACKS
from advatlas.attacks.goal import Targeted, Untargeted
from advatlas.attacks.presets.preset import load_preset
from advatlas.claims import PAPERS
from advatlas.data import DATASETS
from advatlas.data.dataset import Dataset
from advatlas.data.fitting import FITS
from advatlas.data.pictures import PictureDataset
from advatlas.data.prepared import dataset_of
from advatlas.data.sources import check_available
from advatlas.data.splits import SplitSizes, split_indices
from advatlas.data.views import NATIVE, View
from advatlas.defenses import DEFENSES
from advatlas.errors import AdvatlasError, did_you_mean, one_of
from advatlas.figures import FIGURES
from advatlas.metrics.clever_sampling import Sampling
from advatlas.models.initialise import GAUSSIAN_STD, INITIALISATIONS
from advatlas.models.pretrained import PretrainedRecipe, groups, local_models, located, pretrained, remedy
from advatlas.models.small import ARCHITECTURES
from advatlas.models.training import TrainingOptions
from advatlas.models.zoo import DefendedRecipe, ModelRecipe
from advatlas.seeds import derive_seed
from advatlas.validation import check_schema, key_path, read_yaml

GOALS = ("untargeted", "random", "least_likely")
_FRACTION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*")
_RESERVED = ("attack", "name", "goal", "images", "fit", "sources", "adaptive", "eot_samples")
_DEFENSE_RESERVED = ("defense", "of", "name", "suffix", "training")
# Draws of a randomised defense over which an adaptive attack takes the mean, where a study does not say.
EOT_SAMPLES = 10

Recipe = ModelRecipe | PretrainedRecipe | DefendedRecipe


@dataclass(frozen=True)
class DatasetSpec:
    """The dataset of a study and its splits."""

    name: str
    sizes: SplitSizes
    seed: int
    size: int | None = None
    rgb: bool = False

    @property
    def dataset(self) -> Dataset:
        return dataset_of(self.options())

    @property
    def available(self) -> int | None:
        """Return how many images the models are tried on; None where only the files know."""
        if self.sizes.test is not None and self.sizes.test < 1:
            return None
        return int(self.sizes.test or self.dataset.sizes["test"])

    def options(self) -> dict[str, Any]:
        """Return what the prepared images follow from."""
        return {
            "name": self.name,
            **dataclasses.asdict(self.sizes),
            "seed": self.seed,
            "size": self.size,
            "rgb": self.rgb,
        }

    @property
    def identifier(self) -> str:
        """Return the name of the prepared images: the dataset and a digest of its splits."""
        return f"{self.name}-{digest(self.options())}"


@dataclass(frozen=True)
class PicturesSpec:
    """The pictures of a study: candidates drawn at random, of which the selection takes those that models get right.

    Attributes:
        candidates: how many are drawn; None: all there are.
        per_class: at most this many of each class.
        unreadable, not_rgb: what to do with damaged pictures, and with grey or CMYK ones.
        crop_pct, interpolation: the same for every model, instead of each model's own.
    """

    name: str
    candidates: int | None
    per_class: int | None
    unreadable: str
    not_rgb: str
    crop_pct: float | None
    interpolation: str | None
    seed: int

    @property
    def dataset(self) -> PictureDataset:
        dataset = DATASETS[self.name]
        assert isinstance(dataset, PictureDataset)
        return dataset

    @property
    def available(self) -> int | None:
        return self.candidates

    def options(self) -> dict[str, Any]:
        """Return what the list of pictures follows from."""
        options = dataclasses.asdict(self)
        del options["crop_pct"], options["interpolation"]
        return options

    @property
    def identifier(self) -> str:
        """Return the name of the prepared pictures: the dataset and a digest of their choice."""
        return f"{self.name}-{digest(self.options())}"

    def view(self, own: View) -> View:
        """Return how a model sees these pictures."""
        return View(own.size, self.crop_pct or own.crop_pct, self.interpolation or own.interpolation)


@dataclass(frozen=True)
class CleverSpec:
    """Of which images, towards which classes and with how many samples CLEVER is estimated.

    Attributes:
        parts: jobs a model, which can run side by side.
    """

    images: int
    goals: tuple[str, ...]
    parts: int
    sampling: Sampling

    def options(self) -> dict[str, Any]:
        """Return what the block maxima follow from, besides model and images."""
        return {**dataclasses.asdict(self), "goals": list(self.goals)}


@dataclass(frozen=True)
class SelectionSpec:
    """Which images are attacked.

    Attributes:
        images: ``common`` (right by every model), ``per_source`` (any; each source attacks those it gets right), or
            ``one_per_class`` (one of each class, right by every model).
        n: how many; for ``one_per_class`` the number of classes; None: all there are.
    """

    images: str
    n: int | None


@dataclass(frozen=True)
class AttackSetting:
    """An attack, a goal and a full set of parameters, under one name.

    Attributes:
        images: of the selected images so many are attacked; None: all.
        fits: how they are brought to other sizes, where that differs from the study's; None: as the study says.
        adaptive: the attacker knows of the model's defense (:mod:`advatlas.defenses.adaptive`) and takes the mean over so
            many draws of a randomised one; None: the model is attacked as it is.
        sources: the models that are attacked; None: all.
    """

    name: str
    attack: str
    goal: str
    target_class: int | None
    parameters: dict[str, Any]
    images: int | None = None
    fits: tuple[str, ...] | None = None
    adaptive: int | None = None
    sources: tuple[str, ...] | None = None

    def describe(self) -> dict[str, Any]:
        """Return the setting as it is recorded with every artifact made by it."""
        described = dataclasses.asdict(self)
        del described["sources"]
        return described


@dataclass(frozen=True)
class Study:
    """A validated study."""

    name: str
    path: str
    description: str
    paper: str
    seed: int
    dataset: DatasetSpec | PicturesSpec
    models: tuple[Recipe, ...]
    selection: SelectionSpec
    settings: tuple[AttackSetting, ...]
    top_k: tuple[int, ...]
    fits: tuple[str, ...]
    eight_bit: bool
    clever: CleverSpec | None
    contrasts: tuple[dict[str, Any], ...]
    figures: tuple[str, ...]

    def model(self, name: str) -> Recipe:
        """Return a model's recipe by the model's name."""
        return next(recipe for recipe in self.models if recipe.name == name)

    def defenses(self, name: str) -> list[DefendedRecipe]:
        """Return the defenses a model is made by, the innermost first."""
        found: list[DefendedRecipe] = []
        recipe = self.model(name)
        while isinstance(recipe, DefendedRecipe):
            found.insert(0, recipe)
            recipe = self.model(recipe.of)
        return found

    def undefended(self, name: str) -> ModelRecipe | PretrainedRecipe:
        """Return the recipe of the model at the bottom of a stack of defenses."""
        recipe = self.model(name)
        while isinstance(recipe, DefendedRecipe):
            recipe = self.model(recipe.of)
        return recipe

    def trained_here(self, name: str) -> bool:
        """Say whether making a model is a training, with a history."""
        recipe = self.model(name)
        return isinstance(recipe, ModelRecipe) or (isinstance(recipe, DefendedRecipe) and recipe.training is not None)

    def sources(self, setting: str) -> tuple[str, ...]:
        """Return the models that are attacked in a setting."""
        chosen = self.setting(setting).sources
        return tuple(r.name for r in self.models if chosen is None or r.name in chosen)

    def setting(self, name: str) -> AttackSetting:
        """Return an attack setting by its name."""
        return next(setting for setting in self.settings if setting.name == name)

    def model_folder(self, name: str) -> str:
        """Return the folder of a trained model below ``results/models``: equal recipes share one across studies."""
        recipe = self.model(name)
        described: dict[str, Any] = {"recipe": dataclasses.asdict(recipe)}
        folder = "pretrained"
        if isinstance(recipe, DefendedRecipe):
            described["of"] = self.model_folder(recipe.of)
            folder = described["of"].partition("/")[0]
        elif isinstance(recipe, ModelRecipe):
            described["dataset"] = self.dataset.options()
            folder = self.dataset.name
        return f"{folder}/{name}-{digest(described)}"

    def view(self, name: str) -> str:
        """Return the name of the view of the images that a model sees."""
        recipe = self.undefended(name)
        return recipe.view.name if isinstance(recipe, PretrainedRecipe) else NATIVE

    def views(self) -> dict[str, View | None]:
        """Return the views of all models by name; None for images that all have one size."""
        found: dict[str, View | None] = {}
        for model in self.models:
            recipe = self.undefended(model.name)
            found[self.view(model.name)] = recipe.view if isinstance(recipe, PretrainedRecipe) else None
        return found

    def features(self) -> set[str]:
        """Return what the study has that some tables and figures need."""
        goals = {setting.goal for setting in self.settings}
        sizes = {recipe.view.size for recipe in self.models if isinstance(recipe, PretrainedRecipe)}
        defended = any(isinstance(recipe, DefendedRecipe) for recipe in self.models)
        found = {
            "trained": any(self.trained_here(recipe.name) for recipe in self.models),
            "defenses": defended,
            # The papers with computable findings so far are those on defenses.
            "claims": defended and self.paper in PAPERS,
            "epsilons": bool(self._attacks_of_several_epsilons()),
            "pretrained": any(isinstance(recipe, PretrainedRecipe) for recipe in self.models),
            "clever": self.clever is not None,
            "contrasts": bool(self.contrasts),
            "targeted": goals != {"untargeted"},
            "several_sizes": len(sizes) > 1,
            "several_fits": len(sizes) > 1 and any(len(s.fits or self.fits) > 1 for s in self.settings),
        }
        return {feature for feature, present in found.items() if present}

    def analysis_options(self) -> dict[str, Any]:
        """Return what the analyses follow from, besides their tables."""
        return {"seed": self.seed, "contrasts": list(self.contrasts), "paper": self.paper}

    def _attacks_of_several_epsilons(self) -> set[str]:
        found: dict[str, set[float]] = {}
        for setting in self.settings:
            found.setdefault(setting.attack, set()).add(setting.parameters.get("epsilon", 0.0))
        return {attack for attack, epsilons in found.items() if len(epsilons) > 1}

    def selection_options(self) -> dict[str, Any]:
        """Return what the selection follows from, besides the predictions."""
        return {**dataclasses.asdict(self.selection), "seed": self.seed}

    def figure_names(self) -> list[str]:
        """Return the names of the figure files, without extension; some figures are drawn once an attack."""
        names = []
        attacks = list(dict.fromkeys(setting.attack for setting in self.settings))
        having = {
            "targeted": {setting.attack for setting in self.settings if setting.goal != "untargeted"},
            "epsilons": self._attacks_of_several_epsilons(),
        }
        for figure in self.figures:
            needs = FIGURES[figure].needs
            drawn = [a for a in attacks if all(a in having[need] for need in needs & having.keys())]
            names += [f"{figure}-{attack}" for attack in drawn] if FIGURES[figure].per_attack else [figure]
        return names


def digest(value: Any) -> str:
    """Return eight hexadecimal digits that follow from a JSON-like value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


DEFAULTS: dict[str, Any] = {
    "results_dir": "results",
    "data_dir": "data",
    "weights_dir": None,
    "download": True,
    "device": "auto",
    "cpu_threads": 1,
    "batch_size": 128,
    "evaluator": "warm",
}


def open_study(config: dict[str, Any], base: Path, *, dry_run: bool = False) -> tuple[dict[str, Any], Study]:
    """Check everything that can be checked before any job starts.

    Args:
        config: the parsed config.yaml, with what the command line overrides.
        base: the folder of the project, with ``studies/`` and ``workflow/schemas/``.
        dry_run: say what images or weights are missing, and go on: nothing will run.

    Returns:
        The configuration with its defaults filled in, and the study it names.

    Raises:
        AdvatlasError: the first mistake found, in one line.
    """
    schemas = base / "workflow" / "schemas"
    check_schema(config, schemas / "config.schema.yaml", "config.yaml")
    config = {**DEFAULTS, **config}
    config["data_dir"] = os.environ.get("ADVATLAS_DATA") or config["data_dir"]
    config["weights_dir"] = os.environ.get("ADVATLAS_WEIGHTS") or config["weights_dir"]
    places = Places(
        Path(config["data_dir"]),
        None if config["weights_dir"] is None else Path(config["weights_dir"]),
        config["download"],
    )
    study = load_study(find_study(config["study"], base / "studies"), schemas / "study.schema.yaml", places)
    try:
        check_at_hand(study, places)
    except AdvatlasError as error:
        if not dry_run:
            raise
        print(f"advatlas: {error}", file=sys.stderr)
    return config, study


@dataclass(frozen=True)
class Places:
    """Where data and weights may come from, which a study may adapt to."""

    data: Path
    weights: Path | None = None
    download: bool = True


def check_at_hand(study: Study, places: Places) -> None:
    """Check that the images and weights of a study are there, or may be downloaded, before any job starts.

    Raises:
        AdvatlasError: something is not; the message names all of it and says what to do.
    """
    if isinstance(study.dataset, DatasetSpec):
        check_available(study.dataset.dataset, places.data, places.download)
    elif not study.dataset.dataset.present(places.data):
        raise AdvatlasError(
            f"dataset '{study.dataset.name}' is not in {places.data}/ and cannot be downloaded; expected "
            f"{study.dataset.dataset.where}. Put it there, or point data_dir in config.yaml or the environment variable "
            "ADVATLAS_DATA at a folder that has it"
        )
    needed = [r.pretrained if isinstance(r, ModelRecipe) else r for r in study.models]
    absent = [r for r in needed if isinstance(r, PretrainedRecipe) and not located(r, places.weights)]
    lacking = [r for r in absent if not places.download or r.weights.startswith(("package:", "folder:"))]
    if lacking:
        names = ", ".join(f"{recipe.name} ({recipe.weights})" for recipe in lacking)
        raise AdvatlasError(
            f"the weights of {len(lacking)} models are not on this machine: {names}. {remedy(lacking[0])}"
        )


def find_study(study: str, folder: Path, where: str = "config.yaml: study") -> Path:
    """Return the file of a study given by name or by path.

    Args:
        where: what asks for it, for messages.

    Raises:
        AdvatlasError: there is none; the message lists those there are.
    """
    if study.endswith((".yaml", ".yml")):
        if Path(study).is_file():
            return Path(study)
        raise AdvatlasError(f"{where}: {study}: no such file")
    path = folder / f"{study}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise AdvatlasError(f"{where}: '{study}' is not one of: {one_of(known)}{did_you_mean(study, known)}")
    return path


def load_study(path: Path, schema: Path, places: Places | None = None) -> Study:
    """Read and validate a study file.

    ``extends`` names another study, whose keys count where the file does not give them itself; ``values`` gives what
    ``$name`` stands for anywhere in the study.

    Args:
        places: what a study's ``otherwise`` and ``weights_dir`` entries depend on.

    Raises:
        AdvatlasError: one line that names the file, the key, what is allowed and the nearest spelling.
    """
    content = read_yaml(path)
    if isinstance(content, dict) and "extends" in content:
        base = find_study(str(content.pop("extends")), path.parent, where=f"{path}: extends")
        content = {**read_yaml(base), **content}
        if "extends" in content:
            raise AdvatlasError(f"{path}: extends: {base} extends another study itself; name that one")
    if isinstance(content, dict) and isinstance(content.get("values"), dict):
        content = _filled(content, content.pop("values"), str(path))
    check_schema(content, schema, str(path))
    try:
        return _build(path, content, places or Places(Path("data")))
    except _Mistake as mistake:
        raise AdvatlasError(f"{path}: {key_path(mistake.key)}: {mistake.message}") from None


def _filled(content: Any, values: dict[str, Any], path: str) -> Any:
    """Return a study with every ``$name`` replaced by its value."""
    if isinstance(content, dict):
        return {key: _filled(value, values, path) for key, value in content.items()}
    if isinstance(content, list):
        return [_filled(value, values, path) for value in content]
    if isinstance(content, str) and content.startswith("$"):
        if content[1:] not in values:
            raise AdvatlasError(f"{path}: '{content}' has no value; values has: {one_of(values)}")
        return values[content[1:]]
    return content


class _Mistake(Exception):
    def __init__(self, key: tuple[object, ...], message: str) -> None:
        self.key, self.message = key, message


def _known(value: str, allowed: Any, what: str, *key: object) -> None:
    if value not in allowed:
        names = list(allowed)
        raise _Mistake(key, f"unknown {what} '{value}'; known: {one_of(names)}{did_you_mean(value, names)}")


def _build(path: Path, content: dict[str, Any], places: Places) -> Study:
    dataset: DatasetSpec | PicturesSpec
    models: tuple[Recipe, ...]
    if isinstance(DATASETS.get(content["dataset"]["name"]), PictureDataset):
        dataset = _pictures(content["dataset"], content["seed"], places)
        models = _pretrained_models(content, dataset, places)
    else:
        dataset = _dataset(content["dataset"], content["seed"])
        models = _models(content, dataset.dataset, places)
    models += _defended(content, models, dataset.dataset)
    selection = _selection(content["selection"], dataset)
    settings = _settings(content, dataset.dataset, models)
    top_k = content.get("top_k", min(5, dataset.dataset.num_classes))
    top_k = tuple(sorted(set(top_k if isinstance(top_k, list) else [top_k])))
    if top_k[-1] > dataset.dataset.num_classes:
        raise _Mistake(
            ("top_k",), f"{top_k[-1]} is more than the {dataset.dataset.num_classes} classes of {dataset.name}"
        )
    study = Study(
        name=path.stem,
        path=str(path),
        description=content["description"],
        paper=content.get("paper", ""),
        seed=content["seed"],
        dataset=dataset,
        models=models,
        selection=selection,
        settings=settings,
        top_k=top_k,
        fits=_fits(content.get("fit")) or FITS[:1],
        eight_bit=content.get("eight_bit", True),
        clever=_clever(content["clever"], content["seed"]) if "clever" in content else None,
        contrasts=_contrasts(
            content.get("contrasts", []),
            [recipe.name for recipe in models],
            open_ended=any("weights_dir" in entry for entry in content["models"]),
        ),
        figures=(),
    )
    drawn = [name for name, figure in FIGURES.items() if figure.needs <= study.features()]
    figures = content.get("figures", drawn)
    for index, figure in enumerate(figures):
        _known(figure, FIGURES, "figure", "figures", index)
        if figure not in drawn:
            lacking = ", ".join(sorted(FIGURES[figure].needs - study.features()))
            raise _Mistake(("figures", index), f"'{figure}' cannot be drawn: the study has no {lacking}")
    return dataclasses.replace(study, figures=tuple(figures))


def _contrasts(content: list[dict[str, Any]], models: list[str], *, open_ended: bool) -> tuple[dict[str, Any], ...]:
    """Return the contrasts whose models are all there; in a study whose models depend on a local folder some may not be."""
    for index, contrast in enumerate(content):
        if len(contrast["of"]) != len(contrast["against"]):
            raise _Mistake(
                ("contrasts", index),
                f"{len(contrast['of'])} models stand against {len(contrast['against'])}; they are paired",
            )
        absent = sorted({*contrast["of"], *contrast["against"]} - set(models))
        if absent and not open_ended:
            raise _Mistake(
                ("contrasts", index), f"the study has no model {', '.join(absent)}; it has: {one_of(models)}"
            )
    return tuple(c for c in content if {*c["of"], *c["against"]} <= set(models))


def _clever(content: dict[str, Any], seed: int) -> CleverSpec:
    given = dict(content)
    sampling: dict[str, Any] = {}
    if "preset" in given:
        try:
            preset = load_preset(given.pop("preset"))
        except AdvatlasError as error:
            raise _Mistake(("clever", "preset"), str(error)) from None
        if preset.clever is None:
            raise _Mistake(("clever", "preset"), f"the preset {preset.name} has no CLEVER")
        sampling |= preset.clever
    goals = given.pop("goal", ["random", "least_likely"])
    images, parts = given.pop("images"), given.pop("parts", 1)
    sampling |= {"seed": derive_seed(seed, "clever"), **given}
    try:
        return CleverSpec(images, tuple(goals if isinstance(goals, list) else [goals]), parts, Sampling(**sampling))
    except AdvatlasError as error:
        raise _Mistake(("clever",), str(error)) from None


def _pictures(content: dict[str, Any], seed: int, places: Places) -> PicturesSpec:
    name = content["name"]
    for key in ("train", "validation", "test"):
        if key in content:
            raise _Mistake(("dataset", key), f"has no meaning for {name}, on which nothing is trained; see candidates")
    if "otherwise" in content and not DATASETS[name].present(places.data):
        _known(content["otherwise"], DATASETS, "dataset", "dataset", "otherwise")
        name = content["otherwise"]
        if not isinstance(DATASETS[name], PictureDataset):
            raise _Mistake(("dataset", "otherwise"), f"{name} has images of one size; expected a data set of pictures")
    return PicturesSpec(
        name=name,
        candidates=content.get("candidates") if name == content["name"] else None,
        per_class=content.get("per_class"),
        unreadable=content.get("unreadable", "error"),
        not_rgb=content.get("not_rgb", "error"),
        crop_pct=content.get("crop_pct"),
        interpolation=content.get("interpolation"),
        seed=seed,
    )


def _pretrained_models(content: dict[str, Any], dataset: PicturesSpec, places: Places) -> tuple[PretrainedRecipe, ...]:
    models: list[PretrainedRecipe] = []
    for index, entry in enumerate(content["models"]):
        if "architecture" in entry:
            raise _Mistake(
                ("models", index, "architecture"),
                f"nothing is trained on {dataset.name}; name a model ({{model: vgg16}}), a group ({{group: su2018}}) or "
                "{weights_dir: all}",
            )
        for name in _named_models(entry, index, places):
            try:
                recipe = pretrained(name, places.weights)
                own = View(entry.get("input_size", recipe.view.size), recipe.view.crop_pct, recipe.view.interpolation)
                recipe = dataclasses.replace(
                    recipe,
                    macs=recipe.macs if own.size == recipe.view.size else None,
                    view=dataset.view(own),
                    name=entry.get("name", recipe.name),
                    weights=entry.get("weights", recipe.weights),
                    seed=content["seed"] if entry.get("weights") == "random" else 0,
                )
            except AdvatlasError as error:
                raise _Mistake(("models", index), str(error)) from None
            if any(known.name == recipe.name for known in models):
                raise _Mistake(
                    ("models", index), f"the model '{recipe.name}' stands twice; give one of them another name"
                )
            models.append(recipe)
    if not models:
        raise _Mistake(("models",), "no model is left: config.yaml names no weights_dir")
    return tuple(models)


def _named_models(entry: dict[str, Any], index: int, places: Places) -> tuple[str, ...]:
    if "group" in entry:
        _known(entry["group"], groups(), "group of models", "models", index, "group")
        return groups()[entry["group"]]
    if "weights_dir" in entry:
        if places.weights is None:
            return ()
        try:
            return tuple(local_models(places.weights))
        except AdvatlasError as error:
            raise _Mistake(("models", index, "weights_dir"), str(error)) from None
    names = entry["model"]
    if isinstance(names, list) and "name" in entry:
        raise _Mistake(("models", index, "name"), "cannot name several models; give one, or no name")
    return tuple(names) if isinstance(names, list) else (names,)


def _dataset(content: dict[str, Any], seed: int) -> DatasetSpec:
    _known(content["name"], DATASETS, "dataset", "dataset", "name")
    dataset = DATASETS[content["name"]]
    assert isinstance(dataset, Dataset)
    if "validation" not in content:
        raise _Mistake(("dataset",), f"the key 'validation' is missing: models are trained on {dataset.name}")
    sizes = SplitSizes(content.get("train"), content["validation"], content.get("test"), content.get("pool", "own"))
    if sizes.test is None and ("test" not in dataset.sizes or sizes.pool == "merged"):
        reason = f"{dataset.name} has no test images of its own" if "test" not in dataset.sizes else "pool is 'merged'"
        raise _Mistake(("dataset", "test"), f"must be given: {reason}")
    if sizes.pool == "merged" and "test" not in dataset.sizes:
        raise _Mistake(("dataset", "pool"), f"{dataset.name} has one pool of images; there is nothing to merge")
    try:
        split_indices(dataset.sizes, sizes, seed)
    except AdvatlasError as error:
        raise _Mistake(("dataset",), str(error)) from None
    return DatasetSpec(content["name"], sizes, seed, content.get("size"), content.get("rgb", False))


def _finetuned(
    content: dict[str, Any], index: int, entry: dict[str, Any], dataset: Dataset, places: Places
) -> Iterator[ModelRecipe]:
    if dataset.channels != 3:
        raise _Mistake(("models", index, "finetune"), f"{dataset.name} is grey; pretrained networks take rgb: true")
    names = entry["finetune"] if isinstance(entry["finetune"], list) else [entry["finetune"]]
    if len(names) > 1 and "name" in entry:
        raise _Mistake(("models", index, "name"), "cannot name several models; give one, or no name")
    for name in names:
        try:
            base = pretrained(name, places.weights)
        except AdvatlasError as error:
            raise _Mistake(("models", index, "finetune"), str(error)) from None
        if entry.get("weights") == "random":
            base = dataclasses.replace(base, weights="random", seed=content["seed"])
        yield ModelRecipe(
            name=str(entry.get("name", name)),
            architecture=name,
            initialisation="random" if base.weights == "random" else "pretrained",
            seed=content["seed"],
            training=_training(content, entry),
            pretrained=base,
            frozen=entry.get("frozen", 0),
            normalise=entry.get("normalise", True),
        )


def _training(content: dict[str, Any], entry: dict[str, Any]) -> TrainingOptions:
    return TrainingOptions(**{**content.get("training", {}), **entry.get("training", {})})


def _defended(
    content: dict[str, Any], models: tuple[Recipe, ...], dataset: Dataset | PictureDataset
) -> tuple[DefendedRecipe, ...]:
    """Return the defended models, each after the one it is made from."""
    asked = [
        (index, of, entry)
        for index, entry in enumerate(content.get("defenses", []))
        for of in (entry["of"] if isinstance(entry["of"], list) else [entry["of"]])
    ]
    named: dict[str, tuple[int, str, dict[str, Any]]] = {}
    for index, of, entry in asked:
        _known(entry["defense"], DEFENSES, "defense", "defenses", index, "defense")
        if "name" in entry and isinstance(entry["of"], list):
            raise _Mistake(("defenses", index, "name"), "cannot name several models; give a suffix")
        name = entry.get("name") or f"{of}_{entry.get('suffix', entry['defense'])}"
        if name in named or any(recipe.name == name for recipe in models):
            raise _Mistake(("defenses", index), f"the model '{name}' stands twice; give one of them another name")
        named[name] = (index, of, entry)
    made: dict[str, Recipe] = {recipe.name: recipe for recipe in models}
    known = [*made, *named]
    waiting = dict(named)
    while waiting:
        ready = [name for name, (_, of, _) in waiting.items() if of in made]
        if not ready:
            name, (index, of, _) = next(iter(waiting.items()))
            if of not in known:
                _known(of, known, "model", "defenses", index, "of")
            raise _Mistake(("defenses", index, "of"), f"the stack of '{name}' contains itself: {_stack(name, named)}")
        for name in ready:
            index, of, entry = waiting.pop(name)
            made[name] = _defend(content, index, name, made[of], entry, made, dataset)
    return tuple(recipe for recipe in made.values() if isinstance(recipe, DefendedRecipe))


def _stack(name: str, named: dict[str, tuple[int, str, dict[str, Any]]]) -> str:
    path = [name]
    while named[path[-1]][1] not in path and named[path[-1]][1] in named:
        path.append(named[path[-1]][1])
    return " <- ".join([*path, named[path[-1]][1]])


def _defend(
    content: dict[str, Any],
    index: int,
    name: str,
    base: Recipe,
    entry: dict[str, Any],
    made: dict[str, Recipe],
    dataset: Dataset | PictureDataset,
) -> DefendedRecipe:
    defense = DEFENSES[entry["defense"]]
    options: TrainingOptions | None = None
    if defense.trains:
        if not isinstance(dataset, Dataset):
            raise _Mistake(
                ("defenses", index), f"{defense.name} trains, and nothing is trained on {dataset.name}; take a wrapper"
            )
        wrapped: Recipe = base
        while isinstance(wrapped, DefendedRecipe):
            if wrapped.training is None:
                raise _Mistake(
                    ("defenses", index, "of"),
                    f"{defense.name} trains a network and cannot wrap '{base.name}', which stands behind "
                    f"{wrapped.defense}; stack them the other way round: train first, then wrap",
                )
            wrapped = made[wrapped.of]
        assert isinstance(wrapped, ModelRecipe)
        own = base.training if isinstance(base, ModelRecipe | DefendedRecipe) else None
        options = dataclasses.replace(own or wrapped.training, **entry.get("training", {}))
    elif "training" in entry:
        raise _Mistake(("defenses", index, "training"), f"{defense.name} trains nothing")
    given = {key: value for key, value in entry.items() if key not in _DEFENSE_RESERVED}
    allowed = [*_DEFENSE_RESERVED, *defense.parameters]
    for key, value in given.items():
        if key not in defense.parameters:
            raise _Mistake(
                ("defenses", index, key),
                f"{defense.name} has no such parameter; allowed: {one_of(allowed)}{did_you_mean(key, allowed)}",
            )
        if key != "attacks" and (problem := defense.parameters[key].problem(_number(value), in_study=True)):
            raise _Mistake(("defenses", index, key), problem)
    parameters = {p.name: p.default for p in defense.parameters.values() if not p.required}
    parameters |= {key: _number(value) for key, value in given.items()}
    if "attacks" in given:
        parameters["attacks"] = [
            {"attack": setting.attack, "parameters": setting.parameters}
            for place, attack in enumerate(given["attacks"])
            for setting in _training_attacks(content, index, place, attack, dataset)
        ]
    if "seed" in defense.parameters and "seed" not in given:
        parameters["seed"] = derive_seed(content["seed"], "defense", name)
    for parameter in defense.parameters.values():
        if parameter.name not in parameters:
            raise _Mistake(("defenses", index), f"{defense.name} needs the parameter '{parameter.name}'")
    return DefendedRecipe(name, defense.name, base.name, parameters, content["seed"], options)


def _training_attacks(
    content: dict[str, Any], index: int, place: int, entry: dict[str, Any], dataset: Dataset | PictureDataset
) -> Iterator[AttackSetting]:
    where = ("defenses", index, "attacks", place)
    if not isinstance(entry, dict) or "attack" not in entry:
        raise _Mistake(where, "expected an attack with its parameters, such as {attack: fgsm, epsilon: 0.1}")
    _known(entry["attack"], ATTACKS, "attack", *where, "attack")
    yield from _sweep(content["seed"], where, entry, "untargeted", several=False, dataset=dataset, models=())


def _models(content: dict[str, Any], dataset: Dataset, places: Places) -> tuple[ModelRecipe, ...]:
    models: list[ModelRecipe] = []
    for index, entry in enumerate(content["models"]):
        if "finetune" in entry:
            for recipe in _finetuned(content, index, entry, dataset, places):
                if any(known.name == recipe.name for known in models):
                    raise _Mistake(("models", index), f"the model '{recipe.name}' stands twice; give one another name")
                models.append(recipe)
            continue
        if "architecture" not in entry:
            raise _Mistake(
                ("models", index),
                f"on {dataset.name} models are trained: give an architecture and an initialisation, or finetune",
            )
        architecture = entry["architecture"]
        _known(architecture, ARCHITECTURES, "architecture", "models", index, "architecture")
        smallest = ARCHITECTURES[architecture].min_size
        if dataset.size < smallest:
            fitting = [name for name, cls in ARCHITECTURES.items() if cls.min_size <= dataset.size]
            raise _Mistake(
                ("models", index, "architecture"),
                f"'{architecture}' needs images of at least {smallest}x{smallest}, {dataset.name} has "
                f"{dataset.size}x{dataset.size}; architectures that fit: {one_of(fitting)}",
            )
        schemes = entry["initialisation"]
        several = isinstance(schemes, list)
        if several and "name" in entry:
            raise _Mistake(("models", index, "name"), "cannot name several initialisations; give one, or no name")
        for place, scheme in enumerate(schemes if several else [schemes]):
            key = ("models", index, "initialisation", *((place,) if several else ()))
            _known(scheme, INITIALISATIONS, "initialisation", *key)
            if scheme != "gaussian" and not several and "gaussian_std" in entry:
                raise _Mistake(("models", index, "gaussian_std"), f"has no effect on the initialisation '{scheme}'")
            name = entry.get("name", f"{architecture}_{scheme}")
            if any(recipe.name == name for recipe in models):
                raise _Mistake(("models", index), f"the model '{name}' stands twice; give one of them another name")
            models.append(
                ModelRecipe(
                    name=name,
                    architecture=architecture,
                    initialisation=scheme,
                    width=float(entry.get("width", 1.0)),
                    gaussian_std=float(entry.get("gaussian_std", GAUSSIAN_STD))
                    if scheme == "gaussian"
                    else GAUSSIAN_STD,
                    seed=content["seed"],
                    training=_training(content, entry),
                )
            )
    return tuple(models)


def _selection(content: dict[str, Any], dataset: DatasetSpec | PicturesSpec) -> SelectionSpec:
    classes, available = dataset.dataset.num_classes, dataset.available
    n = content.get("n")
    if content["images"] == "one_per_class":
        if n is not None and n > classes:
            raise _Mistake(("selection", "n"), f"{n} is more than the {classes} classes of {dataset.name}")
        return SelectionSpec("one_per_class", n or classes)
    if n is not None and available is not None and n > available:
        raise _Mistake(("selection", "n"), f"{n} is more than the {available} test images")
    return SelectionSpec(content["images"], n)


def _settings(
    content: dict[str, Any], dataset: Dataset | PictureDataset, models: tuple[Recipe, ...]
) -> tuple[AttackSetting, ...]:
    settings: list[AttackSetting] = []
    for index, entry in _entries(content["attacks"]):
        attack = entry["attack"]
        _known(attack, ATTACKS, "attack", "attacks", index, "attack")
        goals = entry.get("goal", "untargeted")
        for goal in goals if isinstance(goals, list) else [goals]:
            for setting in _sweep(
                content["seed"],
                ("attacks", index),
                entry,
                goal,
                several=isinstance(goals, list),
                dataset=dataset,
                models=models,
            ):
                for earlier in settings:
                    if dataclasses.replace(earlier, name=setting.name) == setting:
                        raise _Mistake(
                            ("attacks", index),
                            f"the setting '{setting.name}' repeats '{earlier.name}': same attack, goal and parameters",
                        )
                    if earlier.name == setting.name:
                        raise _Mistake(
                            ("attacks", index),
                            f"two settings are called '{setting.name}'; give this entry a name of its own",
                        )
                settings.append(setting)
    return tuple(settings)


def _entries(attacks: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each entry with its place; those of a preset one by one, with what the study adds or changes."""
    for index, entry in enumerate(attacks):
        if "preset" not in entry:
            yield index, entry
            continue
        try:
            preset = load_preset(entry["preset"])
        except AdvatlasError as error:
            raise _Mistake(("attacks", index, "preset"), str(error)) from None
        chosen = [known for known in preset.attacks if entry.get("attack") in (None, known["attack"])]
        if not chosen:
            names = [known["attack"] for known in preset.attacks]
            raise _Mistake(
                ("attacks", index, "attack"), f"'{entry['attack']}' is not in {preset.name}: {one_of(names)}"
            )
        for known in chosen:
            yield index, {**known, **{key: value for key, value in entry.items() if key != "preset"}}


def _sweep(
    seed: int,
    where: tuple[object, ...],
    entry: dict[str, Any],
    goal_entry: Any,
    *,
    several: bool,
    dataset: Dataset | PictureDataset,
    models: tuple[Recipe, ...],
) -> Iterator[AttackSetting]:
    """Yield the settings of one entry and one goal: one for each combination of the listed values.

    Args:
        where: the entry's place in the study.
        models: of the study, of which the entry may name some.
    """
    attack = entry["attack"]
    goal, target_class = _goal(goal_entry, where, dataset)
    if (Untargeted if goal == "untargeted" else Targeted) not in ATTACKS[attack].goals:
        others = "random, least_likely or {class: ...}" if goal == "untargeted" else "untargeted"
        raise _Mistake((*where, "goal"), f"{attack} has no {goal} form; give it the goal {others}")
    known = ATTACKS[attack].parameters
    given = {key: value for key, value in entry.items() if key not in _RESERVED}
    allowed = [*_RESERVED, *known]
    for key in given:
        if key not in known:
            raise _Mistake(
                (*where, key),
                f"{attack} has no such parameter; allowed: {one_of(allowed)}{did_you_mean(key, allowed)}",
            )
    for parameter in known.values():
        if parameter.required and parameter.name not in given:
            raise _Mistake(where, f"{attack} needs the parameter '{parameter.name}'")
    sweeps = {key: value if isinstance(value, list) else [value] for key, value in given.items()}
    for key, values in sweeps.items():
        if not values:
            raise _Mistake((*where, key), "the list is empty")
        for place, value in enumerate(values):
            at = (*where, key, *((place,) if isinstance(given[key], list) else ()))
            problem = known[key].problem(_number(value), in_study=True)
            if problem:
                raise _Mistake(at, problem)
    if goal == "untargeted" and "directed" in sweeps.get("loss", []):
        raise _Mistake((*where, "loss"), "'directed' needs a target class; give the entry a targeted goal")
    if "eot_samples" in entry and not entry.get("adaptive"):
        raise _Mistake((*where, "eot_samples"), "has no effect without adaptive: true")
    adaptive = entry.get("eot_samples", EOT_SAMPLES) if entry.get("adaptive") else None
    aim = "" if goal == "untargeted" else f"-{goal}{'' if target_class is None else target_class}"
    aim += "-adaptive" if adaptive and "name" not in entry else ""
    base = entry["name"] + (aim if several else "") if "name" in entry else attack + aim
    for combination in itertools.product(*sweeps.values()):
        chosen = dict(zip(sweeps, combination, strict=True))
        suffix = "".join(
            f"-{key}{str(chosen[key]).replace(' ', '').replace('/', '_')}"
            for key in sweeps
            if isinstance(given[key], list)
        )
        parameters = {p.name: p.default for p in known.values() if not p.required}
        parameters |= {key: _number(value) for key, value in chosen.items()}
        if "seed" in known and "seed" not in given:
            parameters["seed"] = derive_seed(seed, "attack", attack)
        yield AttackSetting(
            base + suffix,
            attack,
            goal,
            target_class,
            parameters,
            entry.get("images"),
            _fits(entry.get("fit")),
            adaptive,
            _sources(entry.get("sources"), where, models),
        )


def _sources(chosen: Any, where: tuple[object, ...], models: tuple[Recipe, ...]) -> tuple[str, ...] | None:
    if chosen is None:
        return None
    if chosen in ("defended", "undefended"):
        return tuple(m.name for m in models if isinstance(m, DefendedRecipe) == (chosen == "defended"))
    names = [model.name for model in models]
    for place, name in enumerate(chosen if isinstance(chosen, list) else [chosen]):
        _known(name, [*names, "defended", "undefended"], "model", *where, "sources", place)
    return tuple(chosen if isinstance(chosen, list) else [chosen])


def _fits(content: str | list[str] | None) -> tuple[str, ...] | None:
    return (content,) if isinstance(content, str) else None if content is None else tuple(content)


def _goal(goal: Any, where: tuple[object, ...], dataset: Dataset | PictureDataset) -> tuple[str, int | None]:
    if isinstance(goal, dict):
        if goal["class"] >= dataset.num_classes:
            raise _Mistake(
                (*where, "goal", "class"),
                f"{goal['class']} is not a class of {dataset.name}: 0 to {dataset.num_classes - 1}",
            )
        return "class", goal["class"]
    _known(goal, GOALS, "goal", *where, "goal")
    return goal, None


def _number(value: Any) -> Any:
    """Return ``8/255`` as a number; anything else unchanged."""
    if isinstance(value, str) and (match := _FRACTION.fullmatch(value)) and float(match[2]):
        return float(match[1]) / float(match[2])
    return value
