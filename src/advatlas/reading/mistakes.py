"""How a mistake in a study is told."""

from __future__ import annotations

from typing import Any

from advatlas.errors import did_you_mean, one_of


class Mistake(Exception):
    """A mistake in a study, and the key at which it stands."""

    def __init__(self, key: tuple[object, ...], message: str) -> None:
        self.key, self.message = key, message


def check_known(value: str, allowed: Any, what: str, *key: object) -> None:
    """Check that a name is one of those there are.

    Raises:
        Mistake: it is not; the message names the nearest.
    """
    if value not in allowed:
        names = list(allowed)
        raise Mistake(key, f"unknown {what} '{value}'; known: {one_of(names)}{did_you_mean(value, names)}")
