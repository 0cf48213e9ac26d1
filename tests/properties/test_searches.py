"""The search for the smallest epsilon, pixel swap and Square against plain loops and grids."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from advatlas.attacks import ATTACKS, Targeted, Untargeted, fgsm, i_fgsm, pixel_swap, square
from advatlas.errors import AdvatlasError
from tests.conftest import classifier_of, small_network


class Passes(nn.Module):
    """Counts calls."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.calls = inner, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.inner(x)


def test_the_search_finds_what_a_grid_finds(lenet, correct_digits):
    """Halving finds a border between failure and success; where success is monotone that is the grid's smallest."""
    images, labels = (part[:24] for part in correct_digits)
    goal = Untargeted(labels)
    grid = torch.arange(1, 201) * 0.0025
    success = torch.stack([fgsm(lenet, images, goal, epsilon=float(e)).success for e in grid])
    monotone = (success.int().diff(dim=0) >= 0).all(0) & success.any(0)
    assert monotone.sum() >= 5
    smallest = grid[success.int().argmax(0)]
    found = ATTACKS["minimal_fgsm"](lenet, images, goal, attempts=16)
    distance = (found.images - images).flatten(1).abs().amax(1)
    assert found.success[monotone].all()
    assert (distance[monotone] <= smallest[monotone] + 1e-4).all()
    assert (distance[monotone] >= smallest[monotone] - 0.0025 - 1e-4).all()


@pytest.mark.parametrize("targeted", [False, True])
def test_every_image_gets_the_epsilons_it_would_get_alone(lenet, correct_digits, targeted):
    images, labels = (part[:10] for part in correct_digits)
    goal = Targeted(labels, (labels + 1) % 10) if targeted else Untargeted(labels)
    whole = ATTACKS["minimal_i_fgsm"](lenet, images, goal, steps=5, attempts=7)
    for i in range(10):
        one = slice(i, i + 1)
        # The same search, written as a loop over one image.
        low, high, epsilon, best = 0.0, None, 0.02, None
        for _ in range(7):
            result = i_fgsm(lenet, images[one], goal.select(one), epsilon=epsilon, steps=5)
            if result.success:
                high, best = epsilon, result.images
            else:
                low = epsilon
            epsilon = (low + high) / 2 if high is not None else min(2 * epsilon, 1.0)
        assert bool(whole.success[i]) == (best is not None)
        if best is not None:
            assert torch.allclose(whole.images[one], best, atol=1e-6)


def test_a_batch_takes_hardly_more_passes_than_its_slowest_image(lenet, correct_digits):
    images, labels = (part[:100] for part in correct_digits)
    goal = Untargeted(labels)
    together = Passes(lenet)
    ATTACKS["minimal_i_fgsm"](together, images, goal, steps=4, attempts=9)
    slowest = 0
    for i in range(100):
        alone = Passes(lenet)
        ATTACKS["minimal_i_fgsm"](alone, images[i : i + 1], goal.select(slice(i, i + 1)), steps=4, attempts=9)
        slowest = max(slowest, alone.calls)
    assert together.calls <= 1.5 * slowest


def test_a_budget_for_each_image(lenet, correct_digits):
    images, labels = (part[:6] for part in correct_digits)
    goal = Untargeted(labels)
    epsilon = torch.tensor([0.0, 0.05, 0.1, 0.2, 0.3, 1.0])
    for name in ("fgsm", "i_fgsm", "pgd", "mi_fgsm", "apgd", "square", "di_fgsm", "si_fgsm"):
        more = {"queries": 20} if name == "square" else {}
        whole = ATTACKS[name](lenet, images, goal, epsilon=epsilon, **more)
        assert ((whole.images - images).flatten(1).abs().amax(1) <= epsilon + 1e-6).all()
        for i in (0, 2, 4):
            one = slice(i, i + 1)
            alone = ATTACKS[name](lenet, images[one], goal.select(one), epsilon=float(epsilon[i]), **more)
            assert (whole.images[one] != alone.images).float().mean() < 0.01
    with pytest.raises(
        AdvatlasError, match=r"fgsm: epsilon: one value for each image is a float tensor of shape \(6,\)"
    ):
        fgsm(lenet, images, goal, epsilon=torch.tensor([0.1]))
    with pytest.raises(AdvatlasError, match="epsilon: values from 0.10000000149011612 to 2.0 reach outside"):
        fgsm(lenet, images, goal, epsilon=torch.tensor([0.1, 2.0] * 3))
    with pytest.raises(AdvatlasError, match="i_fgsm: steps: a tensor is not taken"):
        i_fgsm(lenet, images, goal, epsilon=0.1, steps=torch.tensor([1.0] * 6))


def test_more_budget_never_hurts_on_a_linear_model():
    model = classifier_of(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    images = 0.3 + 0.4 * torch.rand(40, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = model(images).argmax(1)
    before = torch.zeros(40, dtype=torch.bool)
    for epsilon in (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016):
        after = i_fgsm(model, images, Untargeted(labels), epsilon=epsilon).success
        assert after[before].all()
        before = after
    assert before.any()


def test_pixel_swap_is_the_loop_it_stands_for(lenet, correct_digits):
    images, labels = (part[:12] for part in correct_digits)
    goal = Untargeted(labels)
    result = pixel_swap(lenet, images, goal, max_swaps=60)
    for i, image in enumerate(images):
        flat = image.flatten()
        order = flat.argsort(descending=True, stable=True)
        state, best, closest = flat.clone(), flat.clone(), -torch.inf
        swaps = 0
        for k in range(60):
            bright, dark = order[k], order[-1 - k]
            if flat[bright] <= flat[dark]:
                break
            state[bright], state[dark] = flat[dark], flat[bright]
            swaps += 1
            logits = lenet(state.view(1, 1, 28, 28))
            margin = goal.select(slice(i, i + 1)).margin(logits)
            if logits.argmax() != labels[i] or margin > closest:
                best, closest = state.clone(), margin
            if logits.argmax() != labels[i]:
                break
        assert torch.equal(result.images[i].flatten(), best)
        assert result.forward_queries[i] == swaps + 1
        assert torch.equal(result.images[i].flatten().sort().values, flat.sort().values)
    assert result.success.any()


def test_pixel_swap_moves_whole_pixels_and_stops_where_there_is_nothing_to_swap():
    model = classifier_of(small_network(3, 32), 3, 32)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    images[3] = 0.5
    labels = model(images).argmax(1)
    result = pixel_swap(model, images, Untargeted(labels), max_swaps=30, swaps_per_query=7)
    for before, after in zip(images, result.images, strict=True):
        colours = [sorted(map(tuple, part.flatten(1).T.tolist())) for part in (before, after)]
        assert colours[0] == colours[1]
    assert torch.equal(result.images[3], images[3])
    assert result.forward_queries[3] == 1
    assert (result.iterations <= 30).all()
    batches = [pixel_swap(model, images, Untargeted(labels), max_swaps=30, forward_batch=n).images for n in (1, 5, 500)]
    assert torch.equal(batches[0], batches[1])
    assert torch.equal(batches[0], batches[2])


def test_square_paints_within_the_budget_and_beats_noise(lenet, correct_digits):
    images, labels = (part[:48] for part in correct_digits)
    goal = Untargeted(labels)
    result = square(lenet, images, goal, epsilon=0.2, queries=300)
    assert ((result.images - images).abs() <= 0.2 + 1e-6).all()
    assert (result.forward_queries <= 301).all()
    assert (result.forward_queries[result.success] < 301).any()
    generator = torch.Generator().manual_seed(0)
    noisy = torch.zeros(48, dtype=torch.bool)
    for _ in range(300):
        signs = (torch.rand(images.shape, generator=generator) < 0.5).float() * 2 - 1
        noisy |= goal.success(lenet((images + 0.2 * signs).clamp(0, 1)))
    assert result.success.sum() > noisy.sum()
    longer = square(lenet, images, goal, epsilon=0.2, queries=1000)
    assert longer.success.sum() >= result.success.sum()
