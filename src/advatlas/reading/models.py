"""The models of a study file: trained, fine-tuned, pretrained, and made from one another by defenses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

from advatlas.attacks import ATTACKS
from advatlas.data.dataset import Dataset
from advatlas.data.pictures import PictureDataset
from advatlas.data.views import View
from advatlas.defenses import DEFENSES
from advatlas.errors import AdvatlasError, did_you_mean, one_of
from advatlas.models.initialise import GAUSSIAN_STD, INITIALISATIONS
from advatlas.models.pretrained import PretrainedRecipe, groups, local_models, pretrained
from advatlas.models.small import ARCHITECTURES
from advatlas.models.training import TrainingOptions
from advatlas.models.zoo import DefendedRecipe, ModelRecipe
from advatlas.reading.attacks import as_number, sweep_of
from advatlas.reading.mistakes import Mistake, check_known
from advatlas.reading.places import Places
from advatlas.seeds import derive_seed
from advatlas.studies import AttackSetting, PicturesSpec, Recipe

R = TypeVar("R", ModelRecipe, PretrainedRecipe)

_DEFENSE_RESERVED = ("defense", "of", "name", "suffix", "training")


def pretrained_models(content: dict[str, Any], dataset: PicturesSpec, places: Places) -> tuple[PretrainedRecipe, ...]:
    """Return the models of a study on pictures, whose weights others trained.

    Raises:
        Mistake: an entry is wrong.
    """
    models: list[PretrainedRecipe] = []
    for index, entry in enumerate(content["models"]):
        trained = next((key for key in ("architecture", "finetune") if key in entry), None)
        if trained is not None:
            raise Mistake(
                ("models", index, trained),
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
                raise Mistake(("models", index), str(error)) from None
            _add(recipe, models, index)
    if not models:
        raise Mistake(("models",), "no model is left: config.yaml names no weights_dir")
    return tuple(models)


def _named_models(entry: dict[str, Any], index: int, places: Places) -> tuple[str, ...]:
    if "group" in entry:
        check_known(entry["group"], groups(), "group of models", "models", index, "group")
        return groups()[entry["group"]]
    if "weights_dir" in entry:
        if places.weights is None:
            return ()
        try:
            return tuple(local_models(places.weights))
        except AdvatlasError as error:
            raise Mistake(("models", index, "weights_dir"), str(error)) from None
    names = entry["model"]
    if isinstance(names, list) and "name" in entry:
        raise Mistake(("models", index, "name"), "cannot name several models; give one, or no name")
    return tuple(names) if isinstance(names, list) else (names,)


def trained_models(content: dict[str, Any], dataset: Dataset, places: Places) -> tuple[ModelRecipe, ...]:
    """Return the models that a study trains, from scratch or from the weights of pretrained networks.

    Raises:
        Mistake: an entry is wrong.
    """
    models: list[ModelRecipe] = []
    for index, entry in enumerate(content["models"]):
        if "finetune" in entry:
            recipes = _finetuned(content, index, entry, dataset, places)
        elif "architecture" in entry:
            recipes = _from_scratch(content, index, entry, dataset)
        else:
            raise Mistake(
                ("models", index),
                f"on {dataset.name} models are trained: give an architecture and an initialisation, or finetune",
            )
        for recipe in recipes:
            _add(recipe, models, index)
    return tuple(models)


def _add(recipe: R, models: list[R], index: int) -> None:
    if any(known.name == recipe.name for known in models):
        raise Mistake(("models", index), f"the model '{recipe.name}' stands twice; give one of them another name")
    models.append(recipe)


def _from_scratch(
    content: dict[str, Any], index: int, entry: dict[str, Any], dataset: Dataset
) -> Iterator[ModelRecipe]:
    architecture = entry["architecture"]
    check_known(architecture, ARCHITECTURES, "architecture", "models", index, "architecture")
    smallest = ARCHITECTURES[architecture].min_size
    if dataset.size < smallest:
        fitting = [name for name, cls in ARCHITECTURES.items() if cls.min_size <= dataset.size]
        raise Mistake(
            ("models", index, "architecture"),
            f"'{architecture}' needs images of at least {smallest}x{smallest}, {dataset.name} has "
            f"{dataset.size}x{dataset.size}; architectures that fit: {one_of(fitting)}",
        )
    schemes = entry["initialisation"]
    several = isinstance(schemes, list)
    if several and "name" in entry:
        raise Mistake(("models", index, "name"), "cannot name several initialisations; give one, or no name")
    for place, scheme in enumerate(schemes if several else [schemes]):
        key = ("models", index, "initialisation", *((place,) if several else ()))
        check_known(scheme, INITIALISATIONS, "initialisation", *key)
        if scheme != "gaussian" and not several and "gaussian_std" in entry:
            raise Mistake(("models", index, "gaussian_std"), f"has no effect on the initialisation '{scheme}'")
        std = float(entry.get("gaussian_std", GAUSSIAN_STD)) if scheme == "gaussian" else GAUSSIAN_STD
        yield ModelRecipe(
            name=entry.get("name", f"{architecture}_{scheme}"),
            architecture=architecture,
            initialisation=scheme,
            width=float(entry.get("width", 1.0)),
            gaussian_std=std,
            seed=content["seed"],
            training=_training(content, entry),
        )


def _finetuned(
    content: dict[str, Any], index: int, entry: dict[str, Any], dataset: Dataset, places: Places
) -> Iterator[ModelRecipe]:
    if dataset.channels != 3:
        raise Mistake(("models", index, "finetune"), f"{dataset.name} is grey; pretrained networks take rgb: true")
    names = entry["finetune"] if isinstance(entry["finetune"], list) else [entry["finetune"]]
    if len(names) > 1 and "name" in entry:
        raise Mistake(("models", index, "name"), "cannot name several models; give one, or no name")
    for name in names:
        try:
            base = pretrained(name, places.weights)
        except AdvatlasError as error:
            raise Mistake(("models", index, "finetune"), str(error)) from None
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


def defended_models(
    content: dict[str, Any], models: tuple[Recipe, ...], dataset: Dataset | PictureDataset
) -> tuple[DefendedRecipe, ...]:
    """Return the defended models of a study, each after the one it is made from.

    Raises:
        Mistake: an entry is wrong, or a stack contains itself.
    """
    asked = [
        (index, of, entry)
        for index, entry in enumerate(content.get("defenses", []))
        for of in (entry["of"] if isinstance(entry["of"], list) else [entry["of"]])
    ]
    named: dict[str, tuple[int, str, dict[str, Any]]] = {}
    for index, of, entry in asked:
        check_known(entry["defense"], DEFENSES, "defense", "defenses", index, "defense")
        if "name" in entry and isinstance(entry["of"], list):
            raise Mistake(("defenses", index, "name"), "cannot name several models; give a suffix")
        name = entry.get("name") or f"{of}_{entry.get('suffix', entry['defense'])}"
        if name in named or any(recipe.name == name for recipe in models):
            raise Mistake(("defenses", index), f"the model '{name}' stands twice; give one of them another name")
        named[name] = (index, of, entry)
    made: dict[str, Recipe] = {recipe.name: recipe for recipe in models}
    known = [*made, *named]
    waiting = dict(named)
    while waiting:
        ready = [name for name, (_, of, _) in waiting.items() if of in made]
        if not ready:
            name, (index, of, _) = next(iter(waiting.items()))
            if of not in known:
                check_known(of, known, "model", "defenses", index, "of")
            raise Mistake(("defenses", index, "of"), f"the stack of '{name}' contains itself: {_stack(name, named)}")
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
        options = _further_training(index, base, entry, made, dataset)
    elif "training" in entry:
        raise Mistake(("defenses", index, "training"), f"{defense.name} trains nothing")
    given = {key: value for key, value in entry.items() if key not in _DEFENSE_RESERVED}
    allowed = [*_DEFENSE_RESERVED, *defense.parameters]
    for key, value in given.items():
        if key not in defense.parameters:
            raise Mistake(
                ("defenses", index, key),
                f"{defense.name} has no such parameter; allowed: {one_of(allowed)}{did_you_mean(key, allowed)}",
            )
        if key != "attacks" and (problem := defense.parameters[key].problem(as_number(value), in_study=True)):
            raise Mistake(("defenses", index, key), problem)
    parameters = {p.name: p.default for p in defense.parameters.values() if not p.required}
    parameters |= {key: as_number(value) for key, value in given.items()}
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
            raise Mistake(("defenses", index), f"{defense.name} needs the parameter '{parameter.name}'")
    return DefendedRecipe(name, defense.name, base.name, parameters, content["seed"], options)


def _further_training(
    index: int, base: Recipe, entry: dict[str, Any], made: dict[str, Recipe], dataset: Dataset | PictureDataset
) -> TrainingOptions:
    """Return how a training defense trains: as the model it is made from, but for what the entry says."""
    name = entry["defense"]
    if not isinstance(dataset, Dataset):
        raise Mistake(("defenses", index), f"{name} trains, and nothing is trained on {dataset.name}; take a wrapper")
    below = base
    while isinstance(below, DefendedRecipe):
        if below.training is None:
            raise Mistake(
                ("defenses", index, "of"),
                f"{name} trains a network and cannot wrap '{base.name}', which stands behind {below.defense}; stack them "
                "the other way round: train first, then wrap",
            )
        below = made[below.of]
    assert isinstance(base, ModelRecipe | DefendedRecipe)
    assert base.training is not None
    return dataclasses.replace(base.training, **entry.get("training", {}))


def _training_attacks(
    content: dict[str, Any], index: int, place: int, entry: dict[str, Any], dataset: Dataset | PictureDataset
) -> Iterator[AttackSetting]:
    where = ("defenses", index, "attacks", place)
    if not isinstance(entry, dict) or "attack" not in entry:
        raise Mistake(where, "expected an attack with its parameters, such as {attack: fgsm, epsilon: 0.1}")
    check_known(entry["attack"], ATTACKS, "attack", *where, "attack")
    yield from sweep_of(content["seed"], where, entry, "untargeted", several=False, dataset=dataset, models=())
