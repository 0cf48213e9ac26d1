"""A finished study as a researcher opens it: tables as DataFrames, adversarials as tensors, figures by one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from advatlas.data.splits import load_split
from advatlas.errors import AdvatlasError, one_of
from advatlas.metrics.transfer import headline_rates
from advatlas.models.classifier import Classifier
from advatlas.models.zoo import load_card, load_classifier, view_name
from advatlas.stages.generate import load_adversarials
from advatlas.storage.artifacts import read_artifact, read_frame

if TYPE_CHECKING:  # matplotlib takes a second to import, and only figures need it
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class AdversarialSet:
    """The adversarial examples that one setting made on one source.

    Attributes:
        originals, images: float32 in [0, 1], N x C x H x W.
        labels: int64, N.
        table: one row an image: ``image_id``, ``success``, ``prediction``, ``confidence``, ``linf`` and so on.
        setting: the attack, its goal and its parameters.
    """

    originals: Tensor
    images: Tensor
    labels: Tensor
    table: pd.DataFrame
    setting: dict[str, Any]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def perturbations(self) -> Tensor:
        return self.images - self.originals


class StudyResults:
    """The results of a study in a folder, read when they are asked for.

    Args:
        folder: ``results/{study}``.

    Raises:
        AdvatlasError: there are no tables.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._tables: dict[str, pd.DataFrame] = {}
        if not (self.folder / "tables" / "models.parquet").is_file():
            raise AdvatlasError(f"{self.folder}: no study with tables; run it with snakemake, or name results/STUDY")

    def __repr__(self) -> str:
        models, settings = self["models"], self.settings
        return f"<study {self.name}: {len(models)} models, {len(settings)} attack settings, {len(self.names)} tables>"

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def names(self) -> list[str]:
        """The names of the tables."""
        return sorted(path.stem for path in (self.folder / "tables").glob("*.parquet"))

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return a table by its name; the same object each time.

        Raises:
            AdvatlasError: there is none of the name, or it is damaged.
        """
        if name not in self._tables:
            if name not in self.names:
                raise AdvatlasError(f"{self.name} has no table '{name}'; it has {one_of(self.names)}")
            self._tables[name] = read_frame(self.folder / "tables" / f"{name}.parquet")
        return self._tables[name]

    @property
    def models(self) -> list[str]:
        """The names of the models, in the order of the study."""
        return list(self["models"]["model"])

    @property
    def settings(self) -> list[str]:
        """The names of the attack settings, in the order of the study."""
        return list(dict.fromkeys(self["success"]["setting"]))

    def matrix(self, setting: str, **chosen: str) -> pd.DataFrame:
        """Return the transfer matrix of a setting: rates, sources as rows and targets as columns.

        Args:
            chosen: ``measure``, ``denominator``, ``precision`` or ``fit``, where not those of the figures: the goal's
                measure over all examples, images as stored, the study's first fit.

        Raises:
            AdvatlasError: there are no such rates.
        """
        self._known(setting, self.settings, "attack setting")
        rates = self["transfer"]
        if not chosen:
            rates = headline_rates(rates)
        else:
            plain = {"denominator": "all", "precision": "float", "fit": str(rates["fit"].iloc[0])}
            plain["measure"] = str(headline_rates(rates[rates["setting"] == setting])["measure"].iloc[0])
            for column, value in {**plain, **chosen}.items():
                self._known(value, list(map(str, rates[column].unique())), column)
                rates = rates[rates[column].astype(str) == value]
        rates = rates[rates["setting"] == setting].astype({"source": str, "target": str})
        return rates.pivot(index="source", columns="target", values="rate").reindex(
            index=self.models, columns=self.models
        )

    def adversarials(self, setting: str, source: str) -> AdversarialSet:
        """Return the adversarial examples of a setting and a source model.

        Raises:
            AdvatlasError: there are none, or they were not kept.
        """
        self._known(setting, self.settings, "attack setting")
        self._known(source, self.models, "model")
        view = view_name(load_card(self._files(source) / "card.json"))
        images = load_split(self.folder / "images" / f"{view}.parquet", "test")
        path = self.folder / "adversarials" / setting / f"{source}.parquet"
        kept = self.folder / "successful" / setting / f"{source}.parquet"
        stored = load_adversarials(kept if kept.exists() and not path.exists() else path, images)
        originals, shown = stored.part(slice(None))
        labels = torch.from_numpy(stored.artifact.column("label").copy())
        return AdversarialSet(originals, shown, labels, stored.artifact.frame(), stored.artifact.metadata["setting"])

    def answers(self, setting: str, source: str, target: str) -> pd.DataFrame:
        """Return what a target says of each example of a source: one row an image and way of fitting it.

        Raises:
            AdvatlasError: the pair was not evaluated.
        """
        self._known(target, self.models, "model")
        path = self.folder / "transfer" / setting / source / f"{target}.parquet"
        return read_artifact(path, "transfer").frame()

    def classifier(self, model: str, device: str = "cpu") -> Classifier:
        """Return a model of the study: images in [0, 1] in, logits out.

        Raises:
            AdvatlasError: there is none of the name, or its weights are damaged.
        """
        self._known(model, self.models, "model")
        folder = self._files(model)
        return load_classifier(folder / "weights.safetensors", load_card(folder / "card.json"), device)

    def figure(self, name: str, attack: str | None = None) -> Figure:
        """Return one of the study's figures, drawn anew.

        Args:
            attack: for figures that are drawn once an attack; the first of the study where not given.

        Raises:
            AdvatlasError: there is none of the name, or the study lacks its tables.
        """
        from advatlas.figures import FIGURES

        self._known(name, list(FIGURES), "figure")
        figure = FIGURES[name]
        attacks = list(dict.fromkeys(self["success"]["attack"]))
        if attack is not None:
            self._known(attack, attacks, "attack")
        return figure.draw({table: self[table] for table in figure.tables}, attack or attacks[0])

    def show_pair(self, setting: str, source: str, target: str, count: int = 4) -> Figure:
        """Return a figure of a pair: examples with their perturbations, and what both models say of them."""
        from advatlas.figures.pair import draw

        class_names = {row["label"]: row["label_name"] for _, row in self["examples"].iterrows()}
        return draw(
            self.adversarials(setting, source),
            self.answers(setting, source, target),
            source,
            target,
            class_names,
            count,
        )

    def _files(self, model: str) -> Path:
        """Return the folder of a model's weights and card."""
        models = self["models"].set_index("model")
        return self.folder.parent / "models" / str(models.loc[model, "folder"])

    def _known(self, name: str, names: list[str], what: str) -> None:
        if name not in names:
            raise AdvatlasError(f"{self.name} has no {what} '{name}'; it has {one_of(names)}")


def open_study(folder: Path | str) -> StudyResults:
    """Open the results of a study, for instance ``results/mnist_quick``.

    Raises:
        AdvatlasError: there are no tables.
    """
    return StudyResults(folder)
