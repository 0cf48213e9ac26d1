"""A study file turned into typed, validated objects, and from them the names of everything the pipeline makes."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advatlas.attacks import ATTACKS
from advatlas.attacks.goal import Targeted, Untargeted
from advatlas.attacks.presets.preset import load_preset
from advatlas.data import DATASETS
from advatlas.data.dataset import Dataset
from advatlas.data.sources import check_available
from advatlas.data.splits import SplitSizes, split_indices
from advatlas.errors import AdvatlasError, did_you_mean, one_of
from advatlas.figures import FIGURES
from advatlas.models.initialise import GAUSSIAN_STD, INITIALISATIONS
from advatlas.models.small import ARCHITECTURES
from advatlas.models.training import TrainingOptions
from advatlas.models.zoo import ModelRecipe
from advatlas.seeds import derive_seed
from advatlas.validation import check_schema, key_path, read_yaml

GOALS = ("untargeted", "random", "least_likely")
_FRACTION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*")
_RESERVED = ("attack", "name", "goal")


@dataclass(frozen=True)
class DatasetSpec:
    """The dataset of a study and its splits."""

    name: str
    sizes: SplitSizes
    seed: int

    @property
    def dataset(self) -> Dataset:
        return DATASETS[self.name]

    def options(self) -> dict[str, Any]:
        """Return what the prepared images follow from."""
        return {"name": self.name, **dataclasses.asdict(self.sizes), "seed": self.seed}

    @property
    def identifier(self) -> str:
        """Return the name of the prepared images: the dataset and a digest of its splits."""
        return f"{self.name}-{digest(self.options())}"


@dataclass(frozen=True)
class SelectionSpec:
    """Which images are attacked.

    Attributes:
        images: ``common`` (right by every model), ``per_source`` (any; each source attacks those it gets right), or
            ``one_per_class`` (one of each class, right by every model).
        n: how many; for ``one_per_class`` the number of classes.
    """

    images: str
    n: int


@dataclass(frozen=True)
class AttackSetting:
    """An attack, a goal and a full set of parameters, under one name."""

    name: str
    attack: str
    goal: str
    target_class: int | None
    parameters: dict[str, Any]

    def describe(self) -> dict[str, Any]:
        """Return the setting as it is recorded with every artifact made by it."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Study:
    """A validated study."""

    name: str
    path: str
    description: str
    paper: str
    seed: int
    dataset: DatasetSpec
    models: tuple[ModelRecipe, ...]
    selection: SelectionSpec
    settings: tuple[AttackSetting, ...]
    top_k: int
    figures: tuple[str, ...]

    def model(self, name: str) -> ModelRecipe:
        """Return a model's recipe by the model's name."""
        return next(recipe for recipe in self.models if recipe.name == name)

    def setting(self, name: str) -> AttackSetting:
        """Return an attack setting by its name."""
        return next(setting for setting in self.settings if setting.name == name)

    def model_folder(self, name: str) -> str:
        """Return the folder of a trained model below ``results/models``: equal recipes share one across studies."""
        recipe = dataclasses.asdict(self.model(name))
        return f"{self.dataset.name}/{name}-{digest({'dataset': self.dataset.options(), 'recipe': recipe})}"

    def selection_options(self) -> dict[str, Any]:
        """Return what the selection follows from, besides the predictions."""
        return {**dataclasses.asdict(self.selection), "seed": self.seed}

    def figure_names(self) -> list[str]:
        """Return the names of the figure files, without extension; some figures are drawn once an attack."""
        names = []
        attacks = list(dict.fromkeys(setting.attack for setting in self.settings))
        for figure in self.figures:
            names += [f"{figure}-{attack}" for attack in attacks] if FIGURES[figure].per_attack else [figure]
        return names


def digest(value: Any) -> str:
    """Return eight hexadecimal digits that follow from a JSON-like value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


DEFAULTS: dict[str, Any] = {
    "results_dir": "results",
    "data_dir": "data",
    "download": True,
    "device": "auto",
    "cpu_threads": 1,
    "batch_size": 128,
    "evaluator": "warm",
}


def open_study(config: dict[str, Any], base: Path) -> tuple[dict[str, Any], Study]:
    """Check everything that can be checked before any job starts.

    Args:
        config: the parsed config.yaml, with what the command line overrides.
        base: the folder of the project, with ``studies/`` and ``workflow/schemas/``.

    Returns:
        The configuration with its defaults filled in, and the study it names.

    Raises:
        AdvatlasError: the first mistake found, in one line.
    """
    schemas = base / "workflow" / "schemas"
    check_schema(config, schemas / "config.schema.yaml", "config.yaml")
    config = {**DEFAULTS, **config}
    config["data_dir"] = os.environ.get("ADVATLAS_DATA") or config["data_dir"]
    study = load_study(find_study(config["study"], base / "studies"), schemas / "study.schema.yaml")
    check_available(study.dataset.dataset, Path(config["data_dir"]), config["download"])
    return config, study


def find_study(study: str, folder: Path) -> Path:
    """Return the file of a study given by name or by path.

    Raises:
        AdvatlasError: there is none; the message lists those there are.
    """
    if study.endswith((".yaml", ".yml")):
        if Path(study).is_file():
            return Path(study)
        raise AdvatlasError(f"config.yaml: study: {study}: no such file")
    path = folder / f"{study}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise AdvatlasError(f"config.yaml: study: '{study}' is not one of: {one_of(known)}{did_you_mean(study, known)}")
    return path


def load_study(path: Path, schema: Path) -> Study:
    """Read and validate a study file.

    Raises:
        AdvatlasError: one line that names the file, the key, what is allowed and the nearest spelling.
    """
    content = read_yaml(path)
    check_schema(content, schema, str(path))
    try:
        return _build(path, content)
    except _Mistake as mistake:
        raise AdvatlasError(f"{path}: {key_path(mistake.key)}: {mistake.message}") from None


class _Mistake(Exception):
    def __init__(self, key: tuple[object, ...], message: str) -> None:
        self.key, self.message = key, message


def _known(value: str, allowed: Any, what: str, *key: object) -> None:
    if value not in allowed:
        names = list(allowed)
        raise _Mistake(key, f"unknown {what} '{value}'; known: {one_of(names)}{did_you_mean(value, names)}")


def _build(path: Path, content: dict[str, Any]) -> Study:
    dataset = _dataset(content["dataset"], content["seed"])
    models = _models(content, dataset.dataset)
    selection = _selection(content["selection"], dataset)
    settings = _settings(content, dataset.dataset)
    figures = content.get("figures", list(FIGURES))
    for index, figure in enumerate(figures):
        _known(figure, FIGURES, "figure", "figures", index)
    top_k = content.get("top_k", min(5, dataset.dataset.num_classes))
    if top_k > dataset.dataset.num_classes:
        raise _Mistake(("top_k",), f"{top_k} is more than the {dataset.dataset.num_classes} classes of {dataset.name}")
    return Study(
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
        figures=tuple(figures),
    )


def _dataset(content: dict[str, Any], seed: int) -> DatasetSpec:
    _known(content["name"], DATASETS, "dataset", "dataset", "name")
    sizes = SplitSizes(content.get("train"), content["validation"], content.get("test"))
    dataset = DATASETS[content["name"]]
    if "test" not in dataset.sizes and sizes.test is None:
        raise _Mistake(("dataset", "test"), f"must be given: {dataset.name} has no test images of its own")
    try:
        split_indices(dataset.sizes, sizes, seed)
    except AdvatlasError as error:
        raise _Mistake(("dataset",), str(error)) from None
    return DatasetSpec(content["name"], sizes, seed)


def _models(content: dict[str, Any], dataset: Dataset) -> tuple[ModelRecipe, ...]:
    models: list[ModelRecipe] = []
    for index, entry in enumerate(content["models"]):
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
                    training=TrainingOptions(**{**content.get("training", {}), **entry.get("training", {})}),
                )
            )
    return tuple(models)


def _selection(content: dict[str, Any], dataset: DatasetSpec) -> SelectionSpec:
    classes = dataset.dataset.num_classes
    available = dataset.sizes.test or dataset.dataset.sizes["test"]
    if content["images"] == "one_per_class":
        if content.get("n", classes) != classes:
            raise _Mistake(("selection", "n"), f"one_per_class on {dataset.name} means n = {classes}; leave n out")
        return SelectionSpec("one_per_class", classes)
    if "n" not in content:
        raise _Mistake(("selection", "n"), f"must be given for images: {content['images']}")
    if content["n"] > available:
        raise _Mistake(("selection", "n"), f"{content['n']} is more than the {available} test images")
    return SelectionSpec(content["images"], content["n"])


def _settings(content: dict[str, Any], dataset: Dataset) -> tuple[AttackSetting, ...]:
    settings: list[AttackSetting] = []
    for index, entry in _entries(content["attacks"]):
        attack = entry["attack"]
        _known(attack, ATTACKS, "attack", "attacks", index, "attack")
        goals = entry.get("goal", "untargeted")
        for goal in goals if isinstance(goals, list) else [goals]:
            for setting in _sweep(
                content["seed"], index, entry, goal, several=isinstance(goals, list), dataset=dataset
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
    seed: int, index: int, entry: dict[str, Any], goal_entry: Any, *, several: bool, dataset: Dataset
) -> Iterator[AttackSetting]:
    """Yield the settings of one entry and one goal: one for each combination of the listed values."""
    attack = entry["attack"]
    goal, target_class = _goal(goal_entry, index, dataset)
    if (Untargeted if goal == "untargeted" else Targeted) not in ATTACKS[attack].goals:
        others = "random, least_likely or {class: ...}" if goal == "untargeted" else "untargeted"
        raise _Mistake(("attacks", index, "goal"), f"{attack} has no {goal} form; give it the goal {others}")
    known = ATTACKS[attack].parameters
    given = {key: value for key, value in entry.items() if key not in _RESERVED}
    allowed = [*_RESERVED, *known]
    for key in given:
        if key not in known:
            raise _Mistake(
                ("attacks", index, key),
                f"{attack} has no such parameter; allowed: {one_of(allowed)}{did_you_mean(key, allowed)}",
            )
    for parameter in known.values():
        if parameter.required and parameter.name not in given:
            raise _Mistake(("attacks", index), f"{attack} needs the parameter '{parameter.name}'")
    sweeps = {key: value if isinstance(value, list) else [value] for key, value in given.items()}
    for key, values in sweeps.items():
        if not values:
            raise _Mistake(("attacks", index, key), "the list is empty")
        for place, value in enumerate(values):
            where = ("attacks", index, key, *((place,) if isinstance(given[key], list) else ()))
            problem = known[key].problem(_number(value), in_study=True)
            if problem:
                raise _Mistake(where, problem)
    if goal == "untargeted" and "directed" in sweeps.get("loss", []):
        raise _Mistake(("attacks", index, "loss"), "'directed' needs a target class; give the entry a targeted goal")
    aim = "" if goal == "untargeted" else f"-{goal}{'' if target_class is None else target_class}"
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
        yield AttackSetting(base + suffix, attack, goal, target_class, parameters)


def _goal(goal: Any, index: int, dataset: Dataset) -> tuple[str, int | None]:
    if isinstance(goal, dict):
        if goal["class"] >= dataset.num_classes:
            raise _Mistake(
                ("attacks", index, "goal", "class"),
                f"{goal['class']} is not a class of {dataset.name}: 0 to {dataset.num_classes - 1}",
            )
        return "class", goal["class"]
    _known(goal, GOALS, "goal", "attacks", index, "goal")
    return goal, None


def _number(value: Any) -> Any:
    """Return ``8/255`` as a number; anything else unchanged."""
    if isinstance(value, str) and (match := _FRACTION.fullmatch(value)) and float(match[2]):
        return float(match[1]) / float(match[2])
    return value
