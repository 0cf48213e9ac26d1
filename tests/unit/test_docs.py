"""What the documentation says of the attacks is what they take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from advatlas.attacks import ATTACKS
from advatlas.attacks.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "attacks.md").read_text()
TRANSFER = ("di_fgsm", "ti_fgsm", "si_fgsm", "vmi_fgsm")


@pytest.mark.parametrize("name", [name for name in ATTACKS if not name.startswith("minimal_")])
def test_every_attack_and_parameter_is_described(name):
    parameters = ATTACKS[name].parameters
    if name in TRANSFER:
        described = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}`"))
        parameters = {k: v for k, v in parameters.items() if k not in ("epsilon", "steps", "step_size", "momentum")}
    else:
        described = re.split(r"\n##", PAGE.split(f"\n### {name}\n")[1])[0]
    for parameter in parameters.values():
        assert f"`{parameter.name}`" in described
        default = parameter.default
        if isinstance(default, str):
            assert f"`{default}`" in described
        elif isinstance(default, bool):
            assert str(default).lower() in described
        elif (
            isinstance(default, int | float)
            and not parameter.required
            and parameter.name not in ("epsilon", "step_size")
        ):
            assert re.search(rf"(?<![\d.]){re.escape(f'{default:g}')}(\.0)?(?![\d.]*\d)", described), parameter.name
    assert ATTACKS[name].__doc__
    for parameter in parameters:
        assert parameter in (ATTACKS[name].__doc__ or "")


def test_the_names_elsewhere_are_all_there():
    table = PAGE.split("## Names elsewhere")[1]
    for name in ATTACKS:
        assert name.startswith("minimal_") or f"| `{name}` |" in table


def test_every_preset_is_described():
    for name in PRESETS:
        assert f"`{name}`" in PAGE or f"`{name.replace('_', '-')}`" in PAGE


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page}: {target}"
