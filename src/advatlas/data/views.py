"""How a model sees a picture: its size, how much of the picture that is, and how it is resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advatlas import torchvision_compat  # noqa: F401 (torchvision and timm, imported where needed, need it)
from advatlas.errors import AdvatlasError

if TYPE_CHECKING:
    from PIL.Image import Image

# The one view of a data set whose images all have one size.
NATIVE = "native"
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


@dataclass(frozen=True)
class View:
    """The square centre of a picture at a model's input size.

    Attributes:
        size: height and width in pixels.
        crop_pct: the share of the shorter side that is shown; 0.875 is 224 of 256. su2018's code shows all of it.
        interpolation: one of :data:`INTERPOLATIONS`, as Pillow does it.
    """

    size: int
    crop_pct: float
    interpolation: str

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 2048:
            raise AdvatlasError(f"input_size: {self.size} is outside [8, 2048]")
        if not 0.1 <= self.crop_pct <= 1:
            raise AdvatlasError(f"crop_pct: {self.crop_pct} is outside [0.1, 1]")
        if self.interpolation not in INTERPOLATIONS:
            raise AdvatlasError(f"interpolation: '{self.interpolation}' is not one of: {', '.join(INTERPOLATIONS)}")

    @property
    def name(self) -> str:
        """Return the name of the view's files, e.g. ``224-0.875-bicubic``."""
        return f"{self.size}-{self.crop_pct:g}-{self.interpolation}"

    def of(self, picture: Image) -> Image:
        """Return the view of a picture: its shorter side brought to ``size / crop_pct``, then the centre cut out."""
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.functional import center_crop, resize

        mode = InterpolationMode(self.interpolation)
        resized = resize(picture, [round(self.size / self.crop_pct)], mode)
        view: Image = center_crop(resized, [self.size, self.size])
        return view
