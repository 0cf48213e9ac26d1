"""Ranges of attack parameters, written beside them in the attack's signature and checked wherever it is called."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from torch import Tensor

from advatlas.errors import AdvatlasError, did_you_mean, one_of


@dataclass(frozen=True)
class Interval:
    """The values a number may take, both ends included.

    Attributes:
        zero_is_identity: 0 makes the attack return its input: fine in a library call, a mistake in a study.
        unit: what the number counts, for messages.
        odd: even numbers are refused.
    """

    low: float
    high: float = math.inf
    zero_is_identity: bool = False
    unit: str = ""
    odd: bool = False

    def __str__(self) -> str:
        left = "(" if self.zero_is_identity else "["
        bounds = f"{left}{self.low:g}, {self.high:g}]" if math.isfinite(self.high) else f"at least {self.low:g}"
        return f"{bounds}{' ' + self.unit if self.unit else ''}"


PIXEL_RANGE = "in units of the pixel range [0, 1]"

# One budget for all images, or a float tensor of shape N with one for each.
Epsilon = Annotated[float | Tensor, Interval(0, 1, zero_is_identity=True, unit=PIXEL_RANGE)]
# The L2 budget of an attack that takes either norm can be larger than 1.
Radius = Annotated[float | Tensor, Interval(0, zero_is_identity=True, unit=PIXEL_RANGE)]
StepSize = Annotated[float, Interval(0, 1, zero_is_identity=True, unit=PIXEL_RANGE)]
Steps = Annotated[int, Interval(1)]
Count = Annotated[int, Interval(1)]
Population = Annotated[int, Interval(4)]
Weight = Annotated[float, Interval(0, 2)]
Share = Annotated[float, Interval(0, 1)]
Momentum = Annotated[float, Interval(0, 2)]
Confidence = Annotated[float, Interval(0, unit="in logits")]
Positive = Annotated[float, Interval(1e-12)]
NonNegative = Annotated[float, Interval(0)]
Seed = Annotated[int, Interval(0)]
Kernel = Annotated[int, Interval(3, 27, odd=True, unit="pixels")]
Bits = Annotated[int, Interval(1, 7)]


@dataclass(frozen=True)
class Parameter:
    """One keyword parameter of an attack, read from its signature.

    Attributes:
        per_image: a tensor with one value for each image will do as well.
    """

    name: str
    kind: type
    interval: Interval | None
    choices: tuple[str, ...]
    optional: bool
    per_image: bool
    default: Any

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    def problem(self, value: Any, *, in_study: bool) -> str:
        """Return what is wrong with a value, or an empty string."""
        if value is None:
            return "" if self.optional else "a value is required"
        if self.choices:
            if value in self.choices:
                return ""
            return f"{value!r} is not one of: {one_of(self.choices)}{did_you_mean(value, self.choices)}"
        if self.kind is bool:
            return "" if isinstance(value, bool) else f"{value!r} is neither true nor false"
        number = isinstance(value, int) if self.kind is int else isinstance(value, int | float)
        if not number or isinstance(value, bool):
            return f"{value!r} is not {'a whole number' if self.kind is int else 'a number'}"
        if self.interval is not None:
            outside = not (self.interval.low <= value <= self.interval.high)
            zero = in_study and self.interval.zero_is_identity and value == 0
            if outside or zero:
                return f"{value!r} is outside {self.interval}"
            if self.interval.odd and value % 2 == 0:
                return f"{value!r} is even; an odd number of {self.interval.unit} has a middle"
        return ""

    def tensor_problem(self, values: Tensor, count: int) -> str:
        """Return what is wrong with a tensor of values for ``count`` images, or an empty string."""
        if not self.per_image:
            return "a tensor is not taken; give one value for all images"
        if not values.is_floating_point() or values.shape != (count,):
            found = f"{values.dtype} of {tuple(values.shape)}"
            return f"one value for each image is a float tensor of shape ({count},), not {found}"
        low, high = (float(bound) for bound in values.aminmax())
        if self.interval is not None and not (self.interval.low <= low and high <= self.interval.high):
            return f"values from {low} to {high} reach outside {self.interval}"
        return ""


def parameters_of(function: Callable[..., Any]) -> dict[str, Parameter]:
    """Read the keyword-only parameters of an attack, with their ranges."""
    hints = typing.get_type_hints(function, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        hint, optional = hints[name], False
        if type(None) in typing.get_args(hint):
            optional = True
            hint = next(a for a in typing.get_args(hint) if a is not type(None))
        interval = None
        if typing.get_origin(hint) is Annotated:
            hint, interval = typing.get_args(hint)
        choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
        per_image = Tensor in typing.get_args(hint)
        kind = str if choices else float if per_image else hint
        found[name] = Parameter(name, kind, interval, choices, optional, per_image, parameter.default)
    return found


def check_values(attack: str, parameters: dict[str, Parameter], values: dict[str, Any], count: int) -> None:
    """Check the parameters of a library call on ``count`` images.

    Raises:
        AdvatlasError: a value is of the wrong type or outside its range.
    """
    for name, value in values.items():
        parameter = parameters[name]
        tensor = isinstance(value, Tensor)
        problem = parameter.tensor_problem(value, count) if tensor else parameter.problem(value, in_study=False)
        if problem:
            raise AdvatlasError(f"{attack}: {name}: {problem}")
