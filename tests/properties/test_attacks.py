"""Properties that must hold for every attack."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from advatlas.attacks import ATTACKS, Targeted, Untargeted, fgsm, i_fgsm, one_pixel
from advatlas.attacks.attack import run_attack
from advatlas.attacks.goal import Goal
from advatlas.attacks.result import AttackResult
from advatlas.errors import AdvatlasError
from tests.conftest import classifier_of, small_network

METHODS = [
    ("apgd", {"epsilon": 0.1, "steps": 12, "restarts": 2}),
    ("bim", {"epsilon": 0.1, "step_size": 0.03, "steps": 5}),
    ("carlini_wagner", {"steps": 20, "search_steps": 3, "initial_const": 1.0, "learning_rate": 0.05}),
    ("deepfool", {"steps": 10}),
    ("dgsm", {"epsilon": 0.1, "steps": 5}),
    ("di_fgsm", {"epsilon": 0.1, "steps": 4}),
    ("ead", {"steps": 20, "search_steps": 3, "initial_const": 1.0, "learning_rate": 0.05}),
    ("fgsm", {"epsilon": 0.1}),
    ("fmn", {"steps": 15}),
    ("i_fgsm", {"epsilon": 0.1, "steps": 5}),
    ("mi_fgsm", {"epsilon": 0.1, "steps": 5}),
    ("one_pixel", {"population": 12, "generations": 4}),
    ("pgd", {"epsilon": 0.1, "steps": 5, "restarts": 2}),
    ("pixel_swap", {"max_swaps": 40}),
    ("si_fgsm", {"epsilon": 0.1, "steps": 3, "scales": 2}),
    ("square", {"epsilon": 0.1, "queries": 30}),
    ("ti_fgsm", {"epsilon": 0.1, "steps": 4, "kernel_size": 5}),
    ("vmi_fgsm", {"epsilon": 0.1, "steps": 3, "neighbours": 2}),
]


def searching(name: str, parameters: dict) -> tuple[str, dict]:
    """Return the case of the search for the smallest epsilon of an attack."""
    return f"minimal_{name}", {**{k: v for k, v in parameters.items() if k != "epsilon"}, "attempts": 3}


CASES = METHODS + [searching(*case) for case in METHODS if "epsilon" in case[1]]
EPSILON_CASES = [case for case in METHODS if "epsilon" in case[1]]
BLACK_BOX = {"one_pixel", "pixel_swap", "square", "minimal_square"}
each_attack = pytest.mark.parametrize(("name", "parameters"), CASES, ids=[c[0] for c in CASES])
each_budget = pytest.mark.parametrize(("name", "parameters"), EPSILON_CASES, ids=[c[0] for c in EPSILON_CASES])


def test_every_attack_is_tested_here():
    assert {name for name, _ in CASES} == set(ATTACKS)


def batch(n: int = 12, channels: int = 1, size: int = 28, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, channels, size, size, generator=generator)
    images[:, :, ::3] = 0.0  # saturated pixels, as real digits have
    images[:, :, 1::5] = 1.0
    return images, torch.randint(0, 10, (n,), generator=generator)


@pytest.fixture
def model():
    return classifier_of(small_network())


def goals(name, model, images):
    labels = model(images).argmax(1)
    both = [Untargeted(labels), Targeted(labels, (labels + 3) % 10)]
    return [goal for goal in both if isinstance(goal, ATTACKS[name].goals)]


def a_goal(name: str, labels: Tensor) -> Goal:
    """Return an untargeted goal, or a targeted one for attacks that have no other."""
    return Untargeted(labels) if Untargeted in ATTACKS[name].goals else Targeted(labels, (labels + 3) % 10)


@each_attack
def test_contract_of_the_result(model, name, parameters):
    images, _ = batch()
    for goal in goals(name, model, images):
        result = ATTACKS[name](model, images, goal, **parameters)
        assert isinstance(result, AttackResult)
        assert result.images.shape == images.shape
        assert result.images.dtype == torch.float32
        assert result.images.isfinite().all()
        assert result.images.min() >= 0
        assert result.images.max() <= 1
        assert torch.equal(result.success, goal.success(model(result.images)))
        assert (result.forward_queries >= 1).all()
        assert (result.seconds > 0).all()


@each_attack
def test_inputs_model_mode_and_gradients_are_left_alone(name, parameters):
    network = nn.Sequential(small_network(), nn.Dropout(0.5))
    model = classifier_of(network)
    model.train()
    model.network[0].eval()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    images, labels = batch()
    before = images.clone()
    weights = [p.clone() for p in model.parameters()]
    ATTACKS[name](model, images, a_goal(name, labels), **parameters)
    assert torch.equal(images, before)
    assert not images.requires_grad
    assert model.training
    assert network[1].training
    assert not network[0].training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))


@each_attack
def test_an_attack_works_under_no_grad(model, name, parameters):
    images, labels = batch(4)
    with torch.no_grad():
        inside = ATTACKS[name](model, images, a_goal(name, labels), **parameters).images
    assert torch.equal(inside, ATTACKS[name](model, images, a_goal(name, labels), **parameters).images)


class Exact(nn.Module):
    """A network of small integers, so that arithmetic is exact and no order of summation matters."""

    def __init__(self, channels: int = 1, size: int = 28, classes: int = 10) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        shape = (classes, channels * size * size)
        self.weight = nn.Parameter(torch.randint(-4, 5, shape, generator=generator).float())

    def forward(self, x: Tensor) -> Tensor:
        return ((x * 64).round() / 64 + (x - x.detach())).flatten(1) @ self.weight.T / 256


@pytest.mark.filterwarnings("ignore::advatlas.attacks.RedFlagWarning")
@each_attack
def test_a_result_does_not_depend_on_neighbours_order_or_batch_size(name, parameters):
    model = classifier_of(Exact())
    images = (batch(9)[0] * 64).round() / 64
    labels = model(images).argmax(1)
    labels[0] = (labels[0] + 1) % 10  # one that is misclassified from the start
    parameters = {**parameters, **({"epsilon": 0.125} if "epsilon" in parameters else {})}
    parameters |= {"initial_epsilon": 1 / 64} if name.startswith("minimal_") else {}
    # With whole weights the gradient of dlr is often exactly zero but for the order of summation.
    parameters |= {"loss": "cross_entropy"} if name.endswith("apgd") else {}
    attack = ATTACKS[name]
    whole = attack(model, images, a_goal(name, labels), **parameters)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    shuffled = attack(model, images[order], a_goal(name, labels[order]), **parameters)
    assert (shuffled.images - whole.images[order]).abs().max() <= 1e-7
    assert torch.equal(shuffled.forward_queries, whole.forward_queries[order])
    for size in (1, 4):
        split = run_attack(attack, model, images, a_goal(name, labels), parameters, batch_size=size)
        # tanh and atanh of the same number can differ in the last place with its position in memory.
        assert (split.images - whole.images).abs().max() <= 1e-7
        assert torch.equal(split.success, whole.success)
        assert torch.equal(split.forward_queries, whole.forward_queries)


@each_attack
def test_same_call_same_bytes(model, name, parameters):
    images, labels = batch()
    first, second = (ATTACKS[name](model, images, a_goal(name, labels), **parameters).images for _ in range(2))
    assert torch.equal(first, second)


@each_attack
def test_shifting_all_logits_changes_nothing(name, parameters):
    class Shifted(nn.Module):
        def __init__(self, shift: float) -> None:
            super().__init__()
            self.inner, self.shift = small_network().double(), shift

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.double()) + self.shift

    images, _ = batch()
    labels = classifier_of(Shifted(0.0))(images).argmax(1)
    plain, shifted = (
        ATTACKS[name](classifier_of(Shifted(s)), images, a_goal(name, labels), **parameters) for s in (0.0, -100.0)
    )
    assert torch.equal(plain.success, shifted.success)
    assert (plain.images - shifted.images).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *(
            (name, {"epsilon": 0.1, "loss": loss})
            for name in ("fgsm", "i_fgsm", "pgd")
            for loss in ("margin", "logit", "dlr")
        ),
        ("dgsm", {"epsilon": 0.1}),
        ("apgd", {"epsilon": 0.1, "steps": 10}),
        ("deepfool", {"steps": 5}),
        ("square", {"epsilon": 0.1, "queries": 20}),
        ("pixel_swap", {"max_swaps": 20}),
    ],
)
def test_multiplying_all_logits_changes_nothing(name, parameters):
    """By a power of two, which is exact in floating point."""

    class Times(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.inner, self.factor = small_network(), factor

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) * self.factor

    images, _ = batch()
    labels = classifier_of(Times(1.0))(images).argmax(1)
    plain, scaled = (
        ATTACKS[name](classifier_of(Times(f)), images, a_goal(name, labels), **parameters) for f in (1.0, 8.0)
    )
    assert (plain.images - scaled.images).abs().max() < 1e-6


@pytest.mark.parametrize(("name", "parameters"), [c for c in METHODS if "seed" in ATTACKS[c[0]].parameters])
def test_another_seed_is_another_result(model, name, parameters):
    images, _ = batch()
    labels = model(images).argmax(1)
    one, two = (ATTACKS[name](model, images, a_goal(name, labels), **parameters, seed=s).images for s in (1, 2))
    assert not torch.equal(one, two)


@each_budget
@pytest.mark.parametrize("epsilon", [0.0, 8 / 255, 0.3, 1.0])
def test_the_budget_holds(model, name, parameters, epsilon):
    images, labels = batch()
    result = ATTACKS[name](model, images, a_goal(name, labels), **{**parameters, "epsilon": epsilon})
    distance = (result.images - images).abs().amax()
    assert distance <= epsilon + torch.finfo(torch.float32).eps
    if epsilon == 0:
        assert torch.equal(result.images, images)


@each_budget
def test_saturated_pixels_move(model, name, parameters):
    images, labels = batch()
    moved = ATTACKS[name](model, images, a_goal(name, labels), **parameters).images != images
    assert moved[images == 0].any()
    assert moved[images == 1].any()


@pytest.mark.parametrize("name", ["fgsm", "i_fgsm"])
@pytest.mark.parametrize("targeted", [False, True])
def test_closed_form_on_a_linear_model(name, targeted):
    """With two classes and no clipping the best Linf perturbation is epsilon times the sign of w_other - w_label."""
    model = classifier_of(nn.Sequential(nn.Flatten(), nn.Linear(784, 2, bias=False)), classes=2)
    weight = model.network[1].weight
    images = torch.full((5, 1, 28, 28), 0.5)
    labels = torch.tensor([0, 1, 0, 1, 1])
    goal = Targeted(labels, 1 - labels) if targeted else Untargeted(labels)
    result = ATTACKS[name](model, images, goal, epsilon=0.25)
    direction = (weight[1 - labels] - weight[labels]).sign().view(5, 1, 28, 28)
    assert torch.allclose(result.images, images + 0.25 * direction, atol=1e-6)
    gain = goal.margin(model(result.images)) - goal.margin(model(images))
    assert torch.allclose(gain, 0.25 * (weight[0] - weight[1]).abs().sum().expand(5), rtol=1e-4)


def test_success_on_a_linear_model_is_exactly_where_the_margin_allows(model):
    linear = classifier_of(nn.Sequential(nn.Flatten(), nn.Linear(784, 2)), classes=2)
    images = 0.3 + 0.4 * batch(40)[0]
    labels = linear(images).argmax(1)
    margin = -Untargeted(labels).margin(linear(images))
    reach = (linear.network[1].weight[0] - linear.network[1].weight[1]).abs().sum()
    for epsilon in (0.001, 0.003, 0.01):
        result = fgsm(linear, images, Untargeted(labels), epsilon=epsilon)
        assert torch.equal(result.success, margin < epsilon * reach)


def test_iterating_beats_one_step(lenet, correct_digits):
    images, labels = correct_digits
    one = fgsm(lenet, images, Untargeted(labels), epsilon=0.1).success.float().mean()
    many = i_fgsm(lenet, images, Untargeted(labels), epsilon=0.1, steps=10).success.float().mean()
    assert many >= one > 0.05


def test_a_targeted_attack_reaches_its_target(lenet, correct_digits):
    images, labels = correct_digits
    goal = Targeted(labels, (labels + 1) % 10)
    result = i_fgsm(lenet, images, goal, epsilon=0.3, steps=20)
    assert result.success.float().mean() > 0.5
    assert torch.equal(result.success, lenet(result.images).argmax(1) == goal.target_classes)


@pytest.mark.parametrize("pixels", [1, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strategy", ["rand1", "best1"])
def test_one_pixel_changes_at_most_its_pixels(pixels, channels, strategy):
    model = classifier_of(small_network(channels, 32), channels, 32)
    images, labels = batch(6, channels, 32)
    result = one_pixel(
        model, images, Untargeted(labels), pixels=pixels, population=20, generations=5, strategy=strategy
    )
    changed = (result.images != images).any(1).flatten(1).sum(1)
    assert (changed <= pixels).all()
    assert (changed >= 1).any()


def test_one_pixel_finds_the_one_pixel_that_matters():
    class Corner(nn.Module):
        """Says class 1 only where the pixel in row 20, column 7 is bright; the rest points there weakly."""

        def forward(self, x: Tensor) -> Tensor:
            rows = torch.arange(28).view(28, 1)
            columns = torch.arange(28).view(1, 28)
            near = torch.exp(-((rows - 20) ** 2 + (columns - 7) ** 2) / 60.0)
            score = (x[:, 0] * near).amax((1, 2))
            return torch.stack([torch.full_like(score, 0.97), score], 1)

    model = classifier_of(nn.Sequential(Corner(), nn.Identity()), classes=2)
    model.register_parameter("anchor", nn.Parameter(torch.zeros(1)))
    images = torch.zeros(8, 1, 28, 28) + torch.linspace(0, 0.05, 8).view(8, 1, 1, 1)
    goal = Untargeted(torch.zeros(8, dtype=torch.int64))
    result = one_pixel(model, images, goal, population=100, generations=30)
    assert result.success.all()
    rest = torch.rand(8, 3130, 2, generator=torch.Generator().manual_seed(0))
    found_at_random = ((rest[..., 0] * 784).long() == 20 * 28 + 7).any(1) & (rest[..., 1] > 0.97).any(1)
    assert result.success.sum() >= found_at_random.sum()
    assert (result.iterations < 30).all()


def test_one_pixel_is_as_good_as_random_search_of_equal_budget(lenet, correct_digits):
    images, labels = correct_digits
    images, labels = images[:48], labels[:48]
    goal = Untargeted(labels)
    evolved = one_pixel(lenet, images, goal, population=30, generations=19).success
    generator = torch.Generator().manual_seed(0)
    found = torch.zeros(48, dtype=torch.bool)
    for _ in range(600):
        trial = images.clone()
        at = torch.randint(0, 784, (48,), generator=generator)
        trial.view(48, -1)[torch.arange(48), at] = torch.rand(48, generator=generator)
        found |= goal.success(lenet(trial))
    assert evolved.sum() >= found.sum()


def test_one_pixel_stops_where_it_succeeds_and_counts_its_queries(lenet, correct_digits):
    images, labels = correct_digits
    result = one_pixel(lenet, images, Untargeted(labels), pixels=8, population=20, generations=6)
    assert torch.equal(result.forward_queries, 20 * (result.iterations + 1) + 1)
    assert (result.iterations[~result.success] == 6).all()
    assert result.success.any()
    assert (result.iterations[result.success] < 6).any()


def test_one_pixel_does_not_depend_on_the_forward_batch():
    model = classifier_of(Exact())
    images, labels = batch(5)
    images = (images * 64).round() / 64
    results = [
        one_pixel(model, images, Untargeted(labels), population=10, generations=3, forward_batch=size).images
        for size in (1, 7, 1000)
    ]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.rand(2, 28, 28)}, "images must be a float32 tensor N x C x H x W"),
        ({"images": torch.rand(2, 1, 28, 28).double()}, "images must be a float32"),
        ({"images": torch.randint(0, 255, (2, 1, 28, 28))}, "images must be a float32"),
        ({"images": torch.rand(2, 1, 28, 28) * 255}, r"images must lie in \[0, 1\]"),
        ({"images": torch.rand(2, 1, 28, 28) - 0.5}, r"images must lie in \[0, 1\]"),
        ({"images": torch.full((2, 1, 28, 28), torch.nan)}, r"images must lie in \[0, 1\]"),
        ({"images": torch.rand(0, 1, 28, 28)}, "images is an empty batch"),
        ({"goal": Untargeted(torch.tensor([1, 2, 3]))}, "labels must be int64 of shape"),
        ({"goal": Untargeted(torch.tensor([1.0, 2.0]))}, "labels must be int64"),
        ({"goal": Untargeted(torch.tensor([[1], [2]]))}, "labels must be int64 of shape"),
        ({"goal": Targeted(torch.tensor([1, 2]), torch.tensor([1, 3]))}, "target_classes equals labels"),
        (
            {"goal": Targeted(torch.tensor([1, 2]), torch.tensor([3]))},
            "target_classes must be int64 of shape",
        ),
    ],
)
@each_attack
def test_bad_input_is_named(model, name, parameters, change, message):
    arguments = {"images": torch.rand(2, 1, 28, 28), "goal": Untargeted(torch.tensor([1, 2])), **change}
    with pytest.raises(AdvatlasError, match=f"{name}: {message}"):
        ATTACKS[name](model, arguments["images"], arguments["goal"], **parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("fgsm", {"epsilon": 1.5}, "epsilon: 1.5 is outside"),
        ("fgsm", {"epsilon": "0.1"}, "epsilon: '0.1' is not a number"),
        ("fgsm", {}, "epsilon"),
        ("fgsm", {"epsilon": 0.1, "alpha": 1}, "alpha.*its parameters are: epsilon"),
        ("i_fgsm", {"epsilon": 0.1, "steps": 0}, "steps: 0 is outside"),
        ("i_fgsm", {"epsilon": 0.1, "steps": 2.5}, "steps: 2.5 is not a whole number"),
        ("i_fgsm", {"epsilon": 0.1, "step_size": -0.1}, "step_size: -0.1 is outside"),
        ("one_pixel", {"population": 3}, "population: 3 is outside"),
        ("one_pixel", {"strategy": "rand2"}, "did you mean 'rand1'"),
    ],
)
def test_bad_parameters_are_named(model, name, parameters, message):
    images, labels = batch(2)
    with pytest.raises(AdvatlasError, match=message):
        ATTACKS[name](model, images, Untargeted(labels), **parameters)
