"""fetch-model: a pretrained network, with its card."""

from __future__ import annotations

from pathlib import Path

from advatlas.models.pretrained import PretrainedRecipe, fetch
from advatlas.models.zoo import save_model


def fetch_model(recipe: PretrainedRecipe, weights_dir: Path | None, weights: Path, card_path: Path) -> None:
    """Get a model's weights, check them and write them as safetensors, with the card."""
    network, card = fetch(recipe, weights_dir)
    save_model(network, card, weights, card_path)
    published = f", {recipe.paper_parameters:g} as published" if recipe.paper_parameters else ""
    print(
        f"{recipe.name}: {card['parameters'] / 1e6:.3f} million parameters{published}; {card['macs'] / 1e6:.0f} million MACs"
    )
