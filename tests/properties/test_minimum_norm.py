"""Attacks that make a distance small, against closed forms, and how they behave where they fail."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from advatlas.attacks import ATTACKS, Targeted, Untargeted, carlini_wagner, deepfool, ead, fmn
from advatlas.attacks.deepfool import EXTRA
from tests.conftest import classifier_of, small_network

LONG = {"steps": 1000, "search_steps": 9}
NEAREST = [
    ("carlini_wagner", LONG, "l2"),
    ("ead", LONG, "l1"),
    ("deepfool", {"overshoot": 0.01}, "l2"),
    ("deepfool", {"overshoot": 0.01, "norm": "linf"}, "linf"),
    ("fmn", {"norm": "l1", "steps": 1000}, "l1"),
    ("fmn", {"norm": "l2", "steps": 1000}, "l2"),
    ("fmn", {"norm": "linf", "steps": 1000}, "linf"),
    ("minimal_fgsm", {"attempts": 14}, "linf"),
    ("minimal_i_fgsm", {"attempts": 14}, "linf"),
    ("minimal_pgd", {"attempts": 14, "norm": "l2", "random_start": False, "initial_epsilon": 0.1}, "l2"),
    ("minimal_apgd", {"attempts": 14, "loss": "cross_entropy"}, "linf"),
]
DUAL = {"l1": math.inf, "l2": 2.0, "linf": 1.0}
ORDER = {"l1": 1.0, "l2": 2.0, "linf": math.inf}


def linear_model(size: int = 4, peak: float = 3.0) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """Two classes, a plane between them at an L2 distance of about 0.2, images that 0 and 1 are not in the way of."""
    generator = torch.Generator().manual_seed(3)
    model = classifier_of(nn.Sequential(nn.Flatten(), nn.Linear(size * size, 2)), size=size, classes=2)
    with torch.no_grad():
        model.network[1].weight.copy_(torch.randn(2, size * size, generator=generator))
        model.network[1].weight[:, 5] *= peak  # the pixel that counts most: the L1 optimum changes it alone
        model.network[1].bias.zero_()
    images = 0.45 + 0.1 * torch.rand(12, 1, size, size, generator=generator)
    with torch.no_grad():
        logits = model(images)
        normal = model.network[1].weight[0] - model.network[1].weight[1]
        shift = (logits[:, 0] - logits[:, 1]).mean() - 0.2 * normal.norm()
        model.network[1].bias.copy_(torch.tensor([-shift / 2, shift / 2]))
    return model, images, model(images).argmax(1), normal


def distances(result: Tensor, images: Tensor, norm: str) -> Tensor:
    return torch.linalg.vector_norm((result - images).flatten(1), ord=ORDER[norm], dim=1)


@pytest.mark.parametrize(("name", "parameters", "norm"), NEAREST, ids=[f"{n}-{norm}" for n, _, norm in NEAREST])
@pytest.mark.parametrize("targeted", [False, True])
def test_closed_form_on_a_linear_model(name, parameters, norm, targeted):
    # EAD minimises L1 and L2 together: the optima agree where one pixel counts for much more than all others.
    model, images, labels, normal = linear_model(peak=30.0 if name == "ead" else 3.0)
    logits = model(images)
    gap = (logits[:, 0] - logits[:, 1]).abs()
    optimum = gap / torch.linalg.vector_norm(normal, ord=DUAL[norm])
    goal = Targeted(labels, 1 - labels) if targeted else Untargeted(labels)
    result = ATTACKS[name](model, images, goal, **parameters)
    found = distances(result.images, images, norm)
    assert result.success.all()
    assert (found >= optimum * (1 - 1e-4)).all()
    # A step's extra length matters where the optimum is tiny; a pixel of EAD's is rounded to beta.
    slack = EXTRA if name == "deepfool" else 2e-3 if name == "ead" else 1e-5
    assert (found <= 1.02 * optimum + slack).all()
    assert found.mean() <= 1.02 * optimum.mean() + (EXTRA if name == "deepfool" else 0)


def test_deepfool_with_all_classes_is_the_method_with_the_full_jacobian():
    model = classifier_of(small_network())
    generator = torch.Generator().manual_seed(0)
    images = 0.3 + 0.4 * torch.rand(6, 1, 28, 28, generator=generator)
    labels = model(images).argmax(1)
    ours = deepfool(model, images, Untargeted(labels), top_k=10)
    for image, label, found, taken in zip(images, labels, ours.images, ours.iterations, strict=True):
        start, offset, point = image[None], torch.zeros_like(image), image[None]
        for _ in range(50):
            if int(model(point).argmax()) != label:
                break
            jacobian = torch.autograd.functional.jacobian(lambda x: model(x)[0], point)[:, 0]
            logits = model(point)[0]
            others = [k for k in range(10) if k != label]
            normals = torch.stack([jacobian[k] - jacobian[label] for k in others])
            lengths = torch.stack([(logits[label] - logits[k]) for k in others]) / normals.flatten(1).norm(dim=1)
            nearest = int(lengths.argmin())
            step = (lengths[nearest] + EXTRA) * normals[nearest] / normals[nearest].norm()
            offset = offset + step
            point = (start + 1.02 * offset).clamp(0, 1)
            taken = taken - 1
        assert taken == 0
        assert torch.allclose(found, point[0], atol=1e-5)


def test_fewer_classes_find_the_same_where_the_nearest_is_among_them(lenet, correct_digits):
    images, labels = (part[:32] for part in correct_digits)
    all_of_them = deepfool(lenet, images, Untargeted(labels), top_k=10)
    some = deepfool(lenet, images, Untargeted(labels), top_k=4)
    assert some.success.all()
    assert distances(some.images, images, "l2").mean() <= 1.05 * distances(all_of_them.images, images, "l2").mean()
    assert (some.backward_queries == 3 * some.iterations).all()


@pytest.mark.parametrize("attack", [carlini_wagner, ead])
@pytest.mark.parametrize("targeted", [False, True])
def test_the_confidence_margin_holds_in_a_batch_as_it_does_alone(lenet, correct_digits, attack, targeted):
    """torchattacks 3.5.1 EADEN misses the margin in a batch: it subtracts kappa from the columns of all labels."""
    images, labels = (part[:8] for part in correct_digits)
    goal = Targeted(labels, (labels + 1) % 10) if targeted else Untargeted(labels)
    kappa = 3.0
    budget = {"steps": 300, "search_steps": 6, "initial_const": 1.0, "confidence": kappa, "learning_rate": 0.02}
    batch = attack(lenet, images, goal, **budget)
    margin = goal.margin(lenet(batch.images))
    assert batch.success.all()
    assert (margin >= kappa - 1e-4).all()
    assert margin.mean() <= kappa + 0.5
    alone = attack(lenet, images[:1], goal.select(slice(0, 1)), **budget)
    assert torch.allclose(margin[:1], goal.select(slice(0, 1)).margin(lenet(alone.images)), atol=0.1)
    unreachable = attack(lenet, images, goal, **{**budget, "steps": 40, "confidence": 1000.0})
    assert not unreachable.success.any()
    assert (goal.margin(lenet(unreachable.images)) > goal.margin(lenet(images))).all()
    nearer = attack(lenet, images, goal, **{**budget, "confidence": 0.0})
    assert distances(nearer.images, images, "l2").mean() < distances(batch.images, images, "l2").mean()


class Wall(nn.Module):
    """Never leaves class 0, whatever the image; its other logits do move."""

    def forward(self, x: Tensor) -> Tensor:
        moving = x.flatten(1)[:, :9] * 0.1
        return torch.cat([moving.amax(1, keepdim=True) + 50, moving], 1)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("carlini_wagner", {"steps": 30, "search_steps": 9}),
        ("carlini_wagner", {"steps": 30, "search_steps": 9, "initial_const": 1e5}),
        ("ead", {"steps": 30, "search_steps": 9}),
        ("ead", {"steps": 30, "search_steps": 9, "initial_const": 1e5}),
        ("deepfool", {}),
        ("deepfool", {"norm": "linf"}),
        ("fmn", {}),
        ("fmn", {"norm": "l1"}),
        ("minimal_i_fgsm", {}),
        ("minimal_apgd", {"steps": 10}),
        ("pixel_swap", {}),
        ("square", {"epsilon": 0.1, "queries": 50}),
    ],
)
def test_failures_are_flagged_and_stay_images(name, parameters):
    """foolbox 3.3.4 C&W and EAD return all-zero images where they fail, and call most of them a success."""
    model = classifier_of(nn.Sequential(Wall(), nn.Identity()))
    model.register_parameter("anchor", nn.Parameter(torch.zeros(1)))
    images = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(5, dtype=torch.int64)
    for goal in (Untargeted(labels), Targeted(labels, labels + 3)):
        result = ATTACKS[name](model, images, goal, **parameters)
        assert not result.success.any()
        assert result.images.isfinite().all()
        assert result.images.min() >= 0
        assert result.images.max() <= 1
        assert (result.images.flatten(1).amax(1) > 0).all()
        if name != "square":  # which starts at stripes and has no way back to the image
            # The best attempt: no further from the goal than the clean image.
            assert (goal.margin(model(result.images)) >= goal.margin(model(images)) - 1e-4).all()


@pytest.mark.parametrize("name", ["carlini_wagner", "ead", "fmn", "deepfool"])
def test_saturated_pixels_move_far(name):
    """torchattacks 3.5.1 CW never moves a pixel at 0 or 1: atanh is infinite there."""
    model, _, _, _ = linear_model()
    images = (torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(2)) > 0.5).float()
    logits = model(images)
    images, labels = (part[(logits[:, 0] - logits[:, 1]).abs() > 0.5] for part in (images, logits.argmax(1)))
    result = ATTACKS[name](model, images, Untargeted(labels))
    moved = (result.images - images).abs()
    assert result.success.any()
    assert moved[result.success].amax((1, 2, 3)).min() > 0.01


@pytest.mark.parametrize("name", ["carlini_wagner", "ead", "deepfool", "fmn"])
def test_an_image_that_is_wrong_already_comes_back_as_it_is(name, lenet, correct_digits):
    images, labels = (part[:4] for part in correct_digits)
    result = ATTACKS[name](
        lenet, images, Untargeted((labels + 1) % 10), **({"steps": 50} if name != "deepfool" else {})
    )
    assert result.success.all()
    assert distances(result.images, images, "linf").max() < 1e-6


def test_success_says_what_an_independent_look_at_the_images_says(lenet, correct_digits):
    images, labels = (part[:24] for part in correct_digits)
    for attack, parameters in ((carlini_wagner, {"steps": 200}), (ead, {"steps": 200}), (deepfool, {}), (fmn, {})):
        goal = Untargeted(labels)
        result = attack(lenet, images, goal, **parameters)
        alone = torch.cat([goal.select(slice(i, i + 1)).success(lenet(result.images[i : i + 1])) for i in range(24)])
        assert torch.equal(result.success, alone)


def test_deepfool_can_keep_the_largest_change_small(lenet, correct_digits):
    images, labels = (part[:24] for part in correct_digits)
    flat = deepfool(lenet, images, Untargeted(labels), norm="linf")
    round_ = deepfool(lenet, images, Untargeted(labels), norm="l2")
    assert distances(flat.images, images, "linf").mean() < distances(round_.images, images, "linf").mean()
    assert distances(flat.images, images, "l2").mean() > distances(round_.images, images, "l2").mean()


def test_the_decision_rule_of_ead_is_what_is_least(lenet, correct_digits):
    images, labels = (part[:16] for part in correct_digits)
    budget = {"steps": 300, "search_steps": 6, "initial_const": 1.0, "beta": 1e-2}
    by_l1 = ead(lenet, images, Untargeted(labels), **budget)
    by_net = ead(lenet, images, Untargeted(labels), decision_rule="elastic_net", **budget)

    def net(result):
        return distances(result.images, images, "l2") ** 2 + 1e-2 * distances(result.images, images, "l1")

    assert distances(by_l1.images, images, "l1").mean() <= distances(by_net.images, images, "l1").mean()
    assert net(by_net).mean() <= net(by_l1).mean()


def test_fmn_with_few_passes_is_near_carlini_wagner(lenet, correct_digits):
    images, labels = (part[:24] for part in correct_digits)
    many = carlini_wagner(lenet, images, Untargeted(labels))
    few = fmn(lenet, images, Untargeted(labels), steps=300)
    assert few.success.all()
    assert distances(few.images, images, "l2").mean() <= 1.05 * distances(many.images, images, "l2").mean()


def test_more_steps_of_the_search_never_hurt(lenet, correct_digits):
    images, labels = (part[:12] for part in correct_digits)
    short, long = (
        carlini_wagner(lenet, images, Untargeted(labels), steps=100, search_steps=n, initial_const=1.0) for n in (2, 5)
    )
    kept = short.success
    assert long.success[kept].all()
    assert (distances(long.images, images, "l2") <= distances(short.images, images, "l2") + 1e-6)[kept].all()
