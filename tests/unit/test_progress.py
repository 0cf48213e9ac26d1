"""Progress lines: rate, time left, and not too many of them."""

from __future__ import annotations

import io

import torch

from advatlas.attacks import ATTACKS, Untargeted
from advatlas.attacks.attack import run_attack
from advatlas.progress import Progress, silent
from tests.conftest import classifier_of, small_network


def test_a_line_says_what_how_far_how_fast_and_how_long_still():
    stream = io.StringIO()
    progress = Progress("train lenet", 4, "epoch", [stream], interval=0)
    progress.advance(note="loss 0.5")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("train lenet:  25%")
    assert "1/4" in line
    assert "epoch" in line
    assert "loss 0.5" in line


def test_lines_are_rare_but_the_last_one_comes():
    stream = io.StringIO()
    progress = Progress("x", 1000, streams=[stream], interval=60)
    for _ in range(1000):
        progress.advance()
    assert len(stream.getvalue().splitlines()) == 1
    assert "1000/1000" in stream.getvalue()
    silent().advance()


def test_long_attacks_report_from_within_a_batch():
    stream = io.StringIO()
    progress = Progress("one_pixel on m", 10, "image", [stream], interval=0)
    images = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    model = classifier_of(small_network())
    goal = Untargeted(model(images).argmax(1))
    run_attack(ATTACKS["one_pixel"], model, images, goal, {"population": 4, "generations": 5}, 10, progress)
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 4
    assert "10/10" in lines[-1]
    assert "success" in lines[-1]
