"""Each paper's settings are settings the attacks take."""

from __future__ import annotations

import pytest

from advatlas.attacks import ATTACKS
from advatlas.attacks.presets.preset import FOLDER, PRESETS, load_preset
from advatlas.errors import AdvatlasError
from advatlas.metrics.clever_sampling import CODE, PAPER, Sampling
from advatlas.reading.attacks import as_number


def test_every_paper_has_one():
    assert set(PRESETS) == {
        "su2018_paper",
        "su2018_code",
        "bendaya2020",
        "juraev2023",
        "campbell2024",
        "donoghue2020",
    }


@pytest.mark.parametrize("name", PRESETS)
def test_the_attacks_take_every_value(name):
    preset = load_preset(name)
    assert name.startswith(preset.paper)
    for entry in preset.attacks:
        parameters = ATTACKS[entry["attack"]].parameters
        for key, values in entry.items():
            if key in ("attack", "goal"):
                continue
            for value in values if isinstance(values, list) else [values]:
                assert parameters[key].problem(as_number(value), in_study=True) == ""
        assert all(key in entry for key, parameter in parameters.items() if parameter.required)


@pytest.mark.parametrize("name", PRESETS)
def test_every_entry_says_where_its_values_are_from(name):
    lines = (FOLDER / f"{name}.yaml").read_text().splitlines()
    commented = False
    for line in lines:
        commented = commented or line.strip().startswith("#")
        if line.startswith("  - ") and name != "su2018_code":
            assert commented, line
            commented = False


def test_su2018_paper_and_code_differ_where_the_notes_say():
    paper, code = ({e["attack"]: e for e in load_preset(n).attacks} for n in ("su2018-paper", "su2018-code"))
    assert (paper["fgsm"]["loss"], code["fgsm"]["loss"]) == ("cross_entropy", "logit")
    assert (paper["carlini_wagner"]["learning_rate"], code["carlini_wagner"]["learning_rate"]) == (0.01, 0.002)
    assert (paper["carlini_wagner"]["warm_start"], code["carlini_wagner"]["warm_start"]) == (False, True)
    assert code["minimal_i_fgsm"]["steps"] == 50
    assert Sampling(**load_preset("su2018-paper").clever) == PAPER
    assert Sampling(**load_preset("su2018-code").clever) == CODE


def test_an_unknown_preset_is_named():
    with pytest.raises(AdvatlasError, match=r"unknown preset 'su2019'; known: .*did you mean 'su2018"):
        load_preset("su2019")
