"""The attack settings of a study file: presets expanded, sweeps multiplied out, every value checked."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from typing import Any

from advatlas.attacks import ATTACKS
from advatlas.attacks.goal import Targeted, Untargeted
from advatlas.attacks.presets.preset import load_preset
from advatlas.data.dataset import Dataset
from advatlas.data.pictures import PictureDataset
from advatlas.errors import AdvatlasError, did_you_mean, one_of
from advatlas.models.zoo import DefendedRecipe
from advatlas.reading.mistakes import Mistake, check_known
from advatlas.seeds import derive_seed
from advatlas.studies import AttackSetting, Recipe

GOALS = ("untargeted", "random", "least_likely")
# Draws of a randomised defense over which an adaptive attack takes the mean, where a study does not say.
EOT_SAMPLES = 10
_FRACTION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*")
_RESERVED = ("attack", "name", "goal", "images", "fit", "sources", "adaptive", "eot_samples")


def attack_settings(
    content: dict[str, Any], dataset: Dataset | PictureDataset, models: tuple[Recipe, ...]
) -> tuple[AttackSetting, ...]:
    """Return the attack settings of a study.

    Raises:
        Mistake: an entry is wrong, repeats another, or has its name.
    """
    settings: list[AttackSetting] = []
    for index, entry in _entries(content["attacks"]):
        attack = entry["attack"]
        check_known(attack, ATTACKS, "attack", "attacks", index, "attack")
        goals = entry.get("goal", "untargeted")
        for goal in goals if isinstance(goals, list) else [goals]:
            for setting in sweep_of(
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
                        raise Mistake(
                            ("attacks", index),
                            f"the setting '{setting.name}' repeats '{earlier.name}': same attack, goal and parameters",
                        )
                    if earlier.name == setting.name:
                        raise Mistake(
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
            raise Mistake(("attacks", index, "preset"), str(error)) from None
        chosen = [known for known in preset.attacks if entry.get("attack") in (None, known["attack"])]
        if not chosen:
            names = [known["attack"] for known in preset.attacks]
            raise Mistake(("attacks", index, "attack"), f"'{entry['attack']}' is not in {preset.name}: {one_of(names)}")
        for known in chosen:
            yield index, {**known, **{key: value for key, value in entry.items() if key != "preset"}}


def sweep_of(
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
        raise Mistake((*where, "goal"), f"{attack} has no {goal} form; give it the goal {others}")
    known = ATTACKS[attack].parameters
    given = {key: value for key, value in entry.items() if key not in _RESERVED}
    allowed = [*_RESERVED, *known]
    for key in given:
        if key not in known:
            raise Mistake(
                (*where, key),
                f"{attack} has no such parameter; allowed: {one_of(allowed)}{did_you_mean(key, allowed)}",
            )
    for parameter in known.values():
        if parameter.required and parameter.name not in given:
            raise Mistake(where, f"{attack} needs the parameter '{parameter.name}'")
    sweeps = {key: value if isinstance(value, list) else [value] for key, value in given.items()}
    for key, values in sweeps.items():
        if not values:
            raise Mistake((*where, key), "the list is empty")
        for place, value in enumerate(values):
            at = (*where, key, *((place,) if isinstance(given[key], list) else ()))
            problem = known[key].problem(as_number(value), in_study=True)
            if problem:
                raise Mistake(at, problem)
    if goal == "untargeted" and "directed" in sweeps.get("loss", []):
        raise Mistake((*where, "loss"), "'directed' needs a target class; give the entry a targeted goal")
    if "eot_samples" in entry and not entry.get("adaptive"):
        raise Mistake((*where, "eot_samples"), "has no effect without adaptive: true")
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
        parameters |= {key: as_number(value) for key, value in chosen.items()}
        if "seed" in known and "seed" not in given:
            parameters["seed"] = derive_seed(seed, "attack", attack)
        yield AttackSetting(
            base + suffix,
            attack,
            goal,
            target_class,
            parameters,
            entry.get("images"),
            fits_of(entry.get("fit")),
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
        check_known(name, [*names, "defended", "undefended"], "model", *where, "sources", place)
    return tuple(chosen if isinstance(chosen, list) else [chosen])


def _goal(goal: Any, where: tuple[object, ...], dataset: Dataset | PictureDataset) -> tuple[str, int | None]:
    if isinstance(goal, dict):
        if goal["class"] >= dataset.num_classes:
            raise Mistake(
                (*where, "goal", "class"),
                f"{goal['class']} is not a class of {dataset.name}: 0 to {dataset.num_classes - 1}",
            )
        return "class", goal["class"]
    check_known(goal, GOALS, "goal", *where, "goal")
    return goal, None


def fits_of(content: str | list[str] | None) -> tuple[str, ...] | None:
    """Return the ways of bringing images to another size that a study names, as a tuple; None where it names none."""
    return (content,) if isinstance(content, str) else None if content is None else tuple(content)


def as_number(value: Any) -> Any:
    """Return ``8/255`` as a number; anything else unchanged."""
    if isinstance(value, str) and (match := _FRACTION.fullmatch(value)) and float(match[2]):
        return float(match[1]) / float(match[2])
    return value
