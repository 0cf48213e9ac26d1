"""Pictures in a terminal: half blocks, two pixels a character."""

from __future__ import annotations

import numpy as np
from PIL import Image
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from advatlas.figures.pair import chosen, said
from advatlas.results import StudyResults

# Of a picture, at most; and what the words beside three of them need.
WIDTH, WORDS = 28, 26


def picture(image: np.ndarray, width: int = WIDTH) -> Text:
    """Return an image C x H x W in [0, 1] as text of ``width`` characters."""
    pixels = np.round(image.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    opened = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    height = 2 * round(width * opened.height / opened.width / 2)
    small = np.asarray(opened.resize((width, height), Image.Resampling.BOX))
    text = Text()
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            style = Style.parse(f"rgb({top[0]},{top[1]},{top[2]}) on rgb({bottom[0]},{bottom[1]},{bottom[2]})")
            text.append("▀", style)
        text.append("\n")
    return text


def show_pair(
    study: StudyResults, setting: str, source: str, target: str, count: int, console: Console | None = None
) -> None:
    """Print a pair: its rate, and a row for each example.

    Raises:
        AdvatlasError: the pair is not in the study.
    """
    console = console or Console()
    made, answers = study.adversarials(setting, source), study.answers(setting, source, target)
    rate = study.matrix(setting).loc[source, target]
    console.print(f"{study.name}, {setting}: {source} → {target}: {float(rate):.1%} of {len(made)} images")  # type: ignore[arg-type]
    names = {int(row["label"]): str(row["label_name"]) for _, row in study["examples"].iterrows()}
    shown = answers.drop_duplicates("image_id").set_index("image_id")
    table = Table(show_lines=False, box=None, padding=(0, 2, 1, 0))
    width = max(8, min(WIDTH, (console.width - WORDS) // 3 - 2))
    for head in ("original", "perturbation", "adversarial"):
        table.add_column(head, no_wrap=True, width=width)
    table.add_column("answers")
    for place in chosen(made, count):
        row = made.table.iloc[place]
        clean, image = made.originals[place].numpy(), made.images[place].numpy()
        change = image - clean
        scale = float(np.abs(change).max()) or 1.0
        words = Text(f"true class: {names.get(int(row['label']), row['label'])}\n\n")
        for who, answer in ((source, row), (target, shown.loc[row["image_id"]])):
            text, wrong = said(answer, names)
            words.append(f"{who}:\n")
            words.append(f"{text}\n\n", Style(color="red", bold=True) if wrong else Style())
        words.append(f"L∞ {row['linf']:.2g}, L2 {row['l2']:.2g}")
        pictures = (picture(part, width) for part in (clean, 0.5 + change / (2 * scale), image))
        table.add_row(*pictures, words)
    console.print(table)
