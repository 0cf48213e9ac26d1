"""A study file and config.yaml, read and checked before any job starts."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

from advatlas.attacks.presets.preset import load_preset
from advatlas.data import DATASETS
from advatlas.data.dataset import Dataset
from advatlas.data.fitting import FITS
from advatlas.data.pictures import PictureDataset
from advatlas.data.sources import check_available
from advatlas.data.splits import SplitSizes, split_indices
from advatlas.errors import AdvatlasError, did_you_mean, one_of
from advatlas.figures import FIGURES
from advatlas.metrics.clever_sampling import Sampling
from advatlas.models.pretrained import PretrainedRecipe, located, remedy
from advatlas.models.zoo import ModelRecipe
from advatlas.reading.attacks import attack_settings, fits_of
from advatlas.reading.mistakes import Mistake, check_known
from advatlas.reading.models import defended_models, pretrained_models, trained_models
from advatlas.reading.places import Places
from advatlas.seeds import derive_seed
from advatlas.studies import CleverSpec, DatasetSpec, PicturesSpec, Recipe, SelectionSpec, Study
from advatlas.validation import check_schema, key_path, read_yaml

DEFAULTS: dict[str, Any] = {
    "results_dir": "results",
    "data_dir": "data",
    "weights_dir": None,
    "download": True,
    "device": "auto",
    "cpu_threads": 1,
    "batch_size": 128,
    "evaluator": "warm",
    "keep_adversarials": "all",
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
        name = str(content.pop("extends"))
        beside = path.parent if (path.parent / f"{name}.yaml").is_file() else schema.parents[2] / "studies"
        base = find_study(name, beside, where=f"{path}: extends")
        content = {**read_yaml(base), **content}
        if "extends" in content:
            raise AdvatlasError(f"{path}: extends: {base} extends another study itself; name that one")
    if isinstance(content, dict) and isinstance(content.get("values"), dict):
        content = _filled(content, content.pop("values"), str(path))
    check_schema(content, schema, str(path))
    try:
        return _build(path, content, places or Places(Path("data")))
    except Mistake as mistake:
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


def _build(path: Path, content: dict[str, Any], places: Places) -> Study:
    dataset: DatasetSpec | PicturesSpec
    models: tuple[Recipe, ...]
    if isinstance(DATASETS.get(content["dataset"]["name"]), PictureDataset):
        dataset = _pictures(content["dataset"], content["seed"], places)
        models = pretrained_models(content, dataset, places)
    else:
        dataset = _dataset(content["dataset"], content["seed"])
        models = trained_models(content, dataset.dataset, places)
    models += defended_models(content, models, dataset.dataset)
    selection = _selection(content["selection"], dataset)
    settings = attack_settings(content, dataset.dataset, models)
    top_k = content.get("top_k", min(5, dataset.dataset.num_classes))
    top_k = tuple(sorted(set(top_k if isinstance(top_k, list) else [top_k])))
    if top_k[-1] > dataset.dataset.num_classes:
        raise Mistake(
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
        fits=fits_of(content.get("fit")) or FITS[:1],
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
        check_known(figure, FIGURES, "figure", "figures", index)
        if figure not in drawn:
            lacking = ", ".join(sorted(FIGURES[figure].needs - study.features()))
            raise Mistake(("figures", index), f"'{figure}' cannot be drawn: the study has no {lacking}")
    return dataclasses.replace(study, figures=tuple(figures))


def _contrasts(content: list[dict[str, Any]], models: list[str], *, open_ended: bool) -> tuple[dict[str, Any], ...]:
    """Return the contrasts whose models are all there; in a study whose models depend on a local folder some may not be."""
    for index, contrast in enumerate(content):
        if len(contrast["of"]) != len(contrast["against"]):
            raise Mistake(
                ("contrasts", index),
                f"{len(contrast['of'])} models stand against {len(contrast['against'])}; they are paired",
            )
        absent = sorted({*contrast["of"], *contrast["against"]} - set(models))
        if absent and not open_ended:
            raise Mistake(("contrasts", index), f"the study has no model {', '.join(absent)}; it has: {one_of(models)}")
    return tuple(c for c in content if {*c["of"], *c["against"]} <= set(models))


def _clever(content: dict[str, Any], seed: int) -> CleverSpec:
    given = dict(content)
    sampling: dict[str, Any] = {}
    if "preset" in given:
        try:
            preset = load_preset(given.pop("preset"))
        except AdvatlasError as error:
            raise Mistake(("clever", "preset"), str(error)) from None
        if preset.clever is None:
            raise Mistake(("clever", "preset"), f"the preset {preset.name} has no CLEVER")
        sampling |= preset.clever
    goals = given.pop("goal", ["random", "least_likely"])
    images, parts = given.pop("images"), given.pop("parts", 1)
    sampling |= {"seed": derive_seed(seed, "clever"), **given}
    try:
        return CleverSpec(images, tuple(goals if isinstance(goals, list) else [goals]), parts, Sampling(**sampling))
    except AdvatlasError as error:
        raise Mistake(("clever",), str(error)) from None


def _pictures(content: dict[str, Any], seed: int, places: Places) -> PicturesSpec:
    name = content["name"]
    for key in ("train", "validation", "test"):
        if key in content:
            raise Mistake(("dataset", key), f"has no meaning for {name}, on which nothing is trained; see candidates")
    if "otherwise" in content and not DATASETS[name].present(places.data):
        check_known(content["otherwise"], DATASETS, "dataset", "dataset", "otherwise")
        name = content["otherwise"]
        if not isinstance(DATASETS[name], PictureDataset):
            raise Mistake(("dataset", "otherwise"), f"{name} has images of one size; expected a data set of pictures")
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


def _dataset(content: dict[str, Any], seed: int) -> DatasetSpec:
    check_known(content["name"], DATASETS, "dataset", "dataset", "name")
    dataset = DATASETS[content["name"]]
    assert isinstance(dataset, Dataset)
    if "validation" not in content:
        raise Mistake(("dataset",), f"the key 'validation' is missing: models are trained on {dataset.name}")
    sizes = SplitSizes(content.get("train"), content["validation"], content.get("test"), content.get("pool", "own"))
    if sizes.test is None and ("test" not in dataset.sizes or sizes.pool == "merged"):
        reason = f"{dataset.name} has no test images of its own" if "test" not in dataset.sizes else "pool is 'merged'"
        raise Mistake(("dataset", "test"), f"must be given: {reason}")
    if sizes.pool == "merged" and "test" not in dataset.sizes:
        raise Mistake(("dataset", "pool"), f"{dataset.name} has one pool of images; there is nothing to merge")
    try:
        split_indices(dataset.sizes, sizes, seed)
    except AdvatlasError as error:
        raise Mistake(("dataset",), str(error)) from None
    return DatasetSpec(content["name"], sizes, seed, content.get("size"), content.get("rgb", False))


def _selection(content: dict[str, Any], dataset: DatasetSpec | PicturesSpec) -> SelectionSpec:
    classes, available = dataset.dataset.num_classes, dataset.available
    n = content.get("n")
    if content["images"] == "one_per_class":
        if n is not None and n > classes:
            raise Mistake(("selection", "n"), f"{n} is more than the {classes} classes of {dataset.name}")
        return SelectionSpec("one_per_class", n or classes)
    if n is not None and available is not None and n > available:
        raise Mistake(("selection", "n"), f"{n} is more than the {available} test images")
    return SelectionSpec(content["images"], n)
