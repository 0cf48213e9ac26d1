"""The code fingerprint: what counts, and how far it reaches."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from advatlas.storage import fingerprint as module
from advatlas.storage.fingerprint import closure, fingerprint

SOURCE = Path(module.__file__).resolve().parents[1]


@pytest.fixture
def package(tmp_path):
    """A package: a imports b, b imports c; d is alone."""
    (tmp_path / "__init__.py").write_text("from advatlas.d import x\n")
    (tmp_path / "a.py").write_text(
        '"""Doc."""\nfrom advatlas import d as _unused\nfrom advatlas.b import f\n\nx = f(1)\n'
    )
    (tmp_path / "b.py").write_text("def f(n):\n    from advatlas.c import y\n    return n + y\n")
    (tmp_path / "c.py").write_text("y = 2\n")
    (tmp_path / "d.py").write_text("x = 1\n")
    (tmp_path / "e.py").write_text("x = 1\n")
    return tmp_path


def of(package, *roots):
    module._module.cache_clear()
    return fingerprint(*roots, source=package)


def test_closure_follows_imports_also_inside_functions(package):
    module._module.cache_clear()
    assert closure("advatlas.a", source=package) == {f"advatlas.{name}" for name in "abcd"}


@pytest.mark.parametrize(
    ("file", "text", "stale"),
    [
        ("c.py", "y = 3\n", True),
        ("c.py", "# a comment\ny   =   2\n", False),
        ("c.py", '"""A docstring."""\ny = 2\n', False),
        ("b.py", 'def f(n):\n    """Doc."""\n    from advatlas.c import y\n    return n + y\n', False),
        ("b.py", "def f(n):\n    from advatlas.c import y\n    return n - y\n", True),
        ("e.py", "x = 9\n", False),
        ("__init__.py", "registry = 1\n", False),
    ],
)
def test_what_makes_it_change(package, file, text, stale):
    before = of(package, "advatlas.a")
    (package / file).write_text(text)
    assert (of(package, "advatlas.a") != before) == stale


def test_an_unknown_root_is_an_error(package):
    with pytest.raises(ValueError, match=r"advatlas\.z"):
        of(package, "advatlas.z")


def test_each_attack_has_a_fingerprint_of_its_own():
    assert "advatlas.attacks.one_pixel" not in closure("advatlas.stages.generate", "advatlas.attacks.fgsm")
    assert "advatlas.attacks.attack" in closure("advatlas.stages.generate", "advatlas.attacks.fgsm")


def test_what_only_prints_makes_nothing_stale():
    assert "advatlas.progress" not in closure("advatlas.stages.train")


def test_each_network_has_a_fingerprint_of_its_own():
    reached = closure("advatlas.stages.train", "advatlas.models.small.lenet")
    assert "advatlas.models.small.nin" not in reached
    assert "advatlas.models.small.architecture" in reached


def test_from_registries_modules_take_entries_only():
    """``__init__`` files are not followed, so nothing but a registry may be imported through them."""
    registries = {
        "advatlas.attacks": {"ATTACKS"},
        "advatlas.claims": {"PAPERS"},
        "advatlas.data": {"DATASETS"},
        "advatlas.defenses": {"DEFENSES"},
        "advatlas.figures": {"FIGURES"},
        "advatlas.models.small": {"ARCHITECTURES"},
    }
    for path in SOURCE.rglob("*.py"):
        if path.name == "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("advatlas"):
                continue
            if SOURCE.joinpath(*node.module.split(".")[1:]).is_dir():
                names = {alias.name for alias in node.names}
                submodules = {p.stem for p in SOURCE.joinpath(*node.module.split(".")[1:]).iterdir()}
                assert names <= registries.get(node.module, set()) | submodules, f"{path}: {names} from {node.module}"
