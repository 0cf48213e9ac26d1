"""What a study is: its objects, checked, and from them the names of everything the pipeline makes.

Study files are read in :mod:`advatlas.reading`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from advatlas.claims import PAPERS
from advatlas.data import DATASETS
from advatlas.data.dataset import Dataset
from advatlas.data.pictures import PictureDataset
from advatlas.data.prepared import dataset_of
from advatlas.data.splits import SplitSizes
from advatlas.data.views import NATIVE, View
from advatlas.figures import FIGURES
from advatlas.metrics.clever_sampling import Sampling
from advatlas.models.pretrained import PretrainedRecipe
from advatlas.models.zoo import DefendedRecipe, ModelRecipe

Recipe = ModelRecipe | PretrainedRecipe | DefendedRecipe


@dataclass(frozen=True)
class DatasetSpec:
    """The dataset of a study and its splits."""

    name: str
    sizes: SplitSizes
    seed: int
    size: int | None = None
    rgb: bool = False

    @property
    def dataset(self) -> Dataset:
        return dataset_of(self.options())

    @property
    def available(self) -> int | None:
        """Return how many images the models are tried on; None where only the files know."""
        if self.sizes.test is not None and self.sizes.test < 1:
            return None
        return int(self.sizes.test or self.dataset.sizes["test"])

    def options(self) -> dict[str, Any]:
        """Return what the prepared images follow from."""
        return {
            "name": self.name,
            **dataclasses.asdict(self.sizes),
            "seed": self.seed,
            "size": self.size,
            "rgb": self.rgb,
        }

    @property
    def identifier(self) -> str:
        """Return the name of the prepared images: the dataset and a digest of its splits."""
        return f"{self.name}-{digest(self.options())}"


@dataclass(frozen=True)
class PicturesSpec:
    """The pictures of a study: candidates drawn at random, of which the selection takes those that models get right.

    Attributes:
        candidates: how many are drawn; None: all there are.
        per_class: at most this many of each class.
        unreadable, not_rgb: what to do with damaged pictures, and with grey or CMYK ones.
        crop_pct, interpolation: the same for every model, instead of each model's own.
    """

    name: str
    candidates: int | None
    per_class: int | None
    unreadable: str
    not_rgb: str
    crop_pct: float | None
    interpolation: str | None
    seed: int

    @property
    def dataset(self) -> PictureDataset:
        dataset = DATASETS[self.name]
        assert isinstance(dataset, PictureDataset)
        return dataset

    @property
    def available(self) -> int | None:
        return self.candidates

    def options(self) -> dict[str, Any]:
        """Return what the list of pictures follows from."""
        options = dataclasses.asdict(self)
        del options["crop_pct"], options["interpolation"]
        return options

    @property
    def identifier(self) -> str:
        """Return the name of the prepared pictures: the dataset and a digest of their choice."""
        return f"{self.name}-{digest(self.options())}"

    def view(self, own: View) -> View:
        """Return how a model sees these pictures."""
        return View(own.size, self.crop_pct or own.crop_pct, self.interpolation or own.interpolation)


@dataclass(frozen=True)
class CleverSpec:
    """Of which images, towards which classes and with how many samples CLEVER is estimated.

    Attributes:
        parts: jobs a model, which can run side by side.
    """

    images: int
    goals: tuple[str, ...]
    parts: int
    sampling: Sampling

    def options(self) -> dict[str, Any]:
        """Return what the block maxima follow from, besides model and images."""
        return {**dataclasses.asdict(self), "goals": list(self.goals)}


@dataclass(frozen=True)
class SelectionSpec:
    """Which images are attacked.

    Attributes:
        images: ``common`` (right by every model), ``per_source`` (any; each source attacks those it gets right), or
            ``one_per_class`` (one of each class, right by every model).
        n: how many; for ``one_per_class`` the number of classes; None: all there are.
    """

    images: str
    n: int | None


@dataclass(frozen=True)
class AttackSetting:
    """An attack, a goal and a full set of parameters, under one name.

    Attributes:
        images: of the selected images so many are attacked; None: all.
        fits: how they are brought to other sizes, where that differs from the study's; None: as the study says.
        adaptive: the attacker knows of the model's defense (:mod:`advatlas.defenses.adaptive`) and takes the mean over so
            many draws of a randomised one; None: the model is attacked as it is.
        sources: the models that are attacked; None: all.
    """

    name: str
    attack: str
    goal: str
    target_class: int | None
    parameters: dict[str, Any]
    images: int | None = None
    fits: tuple[str, ...] | None = None
    adaptive: int | None = None
    sources: tuple[str, ...] | None = None

    def describe(self) -> dict[str, Any]:
        """Return the setting as it is recorded with every artifact made by it."""
        described = dataclasses.asdict(self)
        del described["sources"]
        return described


@dataclass(frozen=True)
class Study:
    """A validated study."""

    name: str
    path: str
    description: str
    paper: str
    seed: int
    dataset: DatasetSpec | PicturesSpec
    models: tuple[Recipe, ...]
    selection: SelectionSpec
    settings: tuple[AttackSetting, ...]
    top_k: tuple[int, ...]
    fits: tuple[str, ...]
    eight_bit: bool
    clever: CleverSpec | None
    contrasts: tuple[dict[str, Any], ...]
    figures: tuple[str, ...]

    def model(self, name: str) -> Recipe:
        """Return a model's recipe by the model's name."""
        return next(recipe for recipe in self.models if recipe.name == name)

    def defenses(self, name: str) -> list[DefendedRecipe]:
        """Return the defenses a model is made by, the innermost first."""
        found: list[DefendedRecipe] = []
        recipe = self.model(name)
        while isinstance(recipe, DefendedRecipe):
            found.insert(0, recipe)
            recipe = self.model(recipe.of)
        return found

    def undefended(self, name: str) -> ModelRecipe | PretrainedRecipe:
        """Return the recipe of the model at the bottom of a stack of defenses."""
        recipe = self.model(name)
        while isinstance(recipe, DefendedRecipe):
            recipe = self.model(recipe.of)
        return recipe

    def trained_here(self, name: str) -> bool:
        """Say whether making a model is a training, with a history."""
        recipe = self.model(name)
        return isinstance(recipe, ModelRecipe) or (isinstance(recipe, DefendedRecipe) and recipe.training is not None)

    def sources(self, setting: str) -> tuple[str, ...]:
        """Return the models that are attacked in a setting."""
        chosen = self.setting(setting).sources
        return tuple(r.name for r in self.models if chosen is None or r.name in chosen)

    def setting(self, name: str) -> AttackSetting:
        """Return an attack setting by its name."""
        return next(setting for setting in self.settings if setting.name == name)

    def model_folder(self, name: str) -> str:
        """Return the folder of a trained model below ``results/models``: equal recipes share one across studies."""
        recipe = self.model(name)
        described: dict[str, Any] = {"recipe": dataclasses.asdict(recipe)}
        folder = "pretrained"
        if isinstance(recipe, DefendedRecipe):
            described["of"] = self.model_folder(recipe.of)
            folder = described["of"].partition("/")[0]
        elif isinstance(recipe, ModelRecipe):
            described["dataset"] = self.dataset.options()
            folder = self.dataset.name
        return f"{folder}/{name}-{digest(described)}"

    def view(self, name: str) -> str:
        """Return the name of the view of the images that a model sees."""
        recipe = self.undefended(name)
        return recipe.view.name if isinstance(recipe, PretrainedRecipe) else NATIVE

    def views(self) -> dict[str, View | None]:
        """Return the views of all models by name; None for images that all have one size."""
        found: dict[str, View | None] = {}
        for model in self.models:
            recipe = self.undefended(model.name)
            found[self.view(model.name)] = recipe.view if isinstance(recipe, PretrainedRecipe) else None
        return found

    def features(self) -> set[str]:
        """Return what the study has that some tables and figures need."""
        goals = {setting.goal for setting in self.settings}
        sizes = {recipe.view.size for recipe in self.models if isinstance(recipe, PretrainedRecipe)}
        defended = any(isinstance(recipe, DefendedRecipe) for recipe in self.models)
        found = {
            "trained": any(self.trained_here(recipe.name) for recipe in self.models),
            "defenses": defended,
            "claims": self.paper in PAPERS,
            "epsilons": bool(self._attacks_of_several_epsilons()),
            "pretrained": any(isinstance(recipe, PretrainedRecipe) for recipe in self.models),
            "clever": self.clever is not None,
            "contrasts": bool(self.contrasts),
            "targeted": goals != {"untargeted"},
            "several_sizes": len(sizes) > 1,
            "several_fits": len(sizes) > 1 and any(len(s.fits or self.fits) > 1 for s in self.settings),
        }
        return {feature for feature, present in found.items() if present}

    def analysis_options(self) -> dict[str, Any]:
        """Return what the analyses follow from, besides their tables."""
        return {
            "seed": self.seed,
            "contrasts": list(self.contrasts),
            "paper": self.paper,
            "dataset": self.dataset.name,
        }

    def _attacks_of_several_epsilons(self) -> set[str]:
        found: dict[str, set[float]] = {}
        for setting in self.settings:
            found.setdefault(setting.attack, set()).add(setting.parameters.get("epsilon", 0.0))
        return {attack for attack, epsilons in found.items() if len(epsilons) > 1}

    def selection_options(self) -> dict[str, Any]:
        """Return what the selection follows from, besides the predictions."""
        return {**dataclasses.asdict(self.selection), "seed": self.seed}

    def figure_names(self) -> list[str]:
        """Return the names of the figure files, without extension; some figures are drawn once an attack."""
        names = []
        attacks = list(dict.fromkeys(setting.attack for setting in self.settings))
        having = {
            "targeted": {setting.attack for setting in self.settings if setting.goal != "untargeted"},
            "epsilons": self._attacks_of_several_epsilons(),
        }
        for figure in self.figures:
            needs = FIGURES[figure].needs
            drawn = [a for a in attacks if all(a in having[need] for need in needs & having.keys())]
            names += [f"{figure}-{attack}" for attack in drawn] if FIGURES[figure].per_attack else [figure]
        return names


def digest(value: Any) -> str:
    """Return eight hexadecimal digits that follow from a JSON-like value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
