"""The findings of bendaya2020: architectures and initialisations, on MNIST and CIFAR-10."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from advatlas.claims.claim import Claim, Effect, Missing
from advatlas.claims.evidence import Estimate, Matrices, Setting

EVIDENCE = Matrices
# Differences of a rate below this count as none.
NOTHING = 0.1
EXCEPTED = ("alexnet", "lenet")
# Correlations below this count as no clear link.
UNCLEAR = 0.5


def _gradient(e: Matrices) -> list[Setting]:
    return [*e.those("fgsm"), *e.those("i_fgsm")]


def _against(e: Matrices, cells: np.ndarray, *, stronger: str, weaker: str) -> Effect:
    """Return the mean difference of I-FGSM and FGSM at equal epsilons, over some cells."""
    first = {setting.parameters["epsilon"]: setting for setting in e.those(stronger)}
    second = {setting.parameters["epsilon"]: setting for setting in e.those(weaker)}
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise Missing(f"{stronger} and {weaker} share no epsilon")
    found, n = e.rates([*(first[value] for value in shared), *(second[value] for value in shared)])
    halves = [Estimate.across(part, np.mean).mean(cells) for part in (found[: len(shared)], found[len(shared) :])]
    return (halves[0] - halves[1]).effect(n, "epsilon " + ", ".join(f"{value:g}" for value in shared))


def _transfers(e: Matrices, dataset: str, *, more: bool) -> Effect:
    e.about(dataset)
    names = ("i_fgsm", "fgsm") if more else ("fgsm", "i_fgsm")
    return _against(e, ~e.own, stronger=names[0], weaker=names[1])


def _initialisations(e: Matrices, excepted: Sequence[str] = ()) -> dict[str, list[int]]:
    """Return the models of each initialisation, of the architectures that have all of the study's that any two share."""
    kinds = [kind for kind in dict.fromkeys(e.models["initialisation"]) if kind in ("gaussian", "msra", "xavier")]
    tables = {
        architecture: dict(zip(rows["initialisation"], rows.index, strict=True))
        for architecture, rows in e.models.groupby("architecture")
        if architecture not in excepted
    }
    # Compared are initialisations on equal architectures: the set of them for which most models are compared.
    best: dict[str, list[int]] = {}
    for chosen in [kinds, *([a, b] for i, a in enumerate(kinds) for b in kinds[i + 1 :])]:
        shared = [by for by in tables.values() if set(chosen) <= by.keys()]
        found = {kind: [int(by[kind]) for by in shared] for kind in chosen}
        if len(chosen) > 1 and sum(map(len, found.values())) > sum(map(len, best.values())):
            best = found
    if not any(best.values()):
        raise Missing("no architecture takes part with two initialisations")
    return best


def _spread(e: Matrices, *, of: str) -> Effect:
    """Return the largest difference between the means of two initialisations, on equal architectures.

    On MNIST the paper excepts AlexNet and LeNet, whose Gaussian networks it found inherently robust.
    """
    excepted = EXCEPTED if of == "success" and e.dataset.startswith("mnist") else ()
    groups = _initialisations(e, excepted)
    rates, n = e.pooled(_gradient(e))
    cells = e.own if of == "success" else ~e.own

    def mean(models: list[int]) -> Estimate:
        chosen = np.isin(np.arange(len(e.names)), models)
        return rates.mean(cells & chosen[None])  # columns: the models that are shown the examples

    means = {kind: mean(models) for kind, models in groups.items()}
    high, low = (pick(means, key=lambda kind: float(means[kind].value)) for pick in (max, min))
    shown = ", ".join(f"{kind} {100 * float(m.value):.1f}%" for kind, m in means.items())
    return (means[high] - means[low]).effect(n, f"{shown}; {len(next(iter(groups.values())))} architectures")


def _gaussian_above_xavier(e: Matrices) -> Effect:
    shared = e.models.pivot_table(index="architecture", columns="initialisation", values="model", aggfunc="first")
    if not {"gaussian", "xavier"} <= set(shared.columns):
        raise Missing("no model is initialised so")
    shared = shared[["gaussian", "xavier"]].dropna()
    if not len(shared):
        raise Missing("no architecture has both initialisations")
    rates, n = e.pooled(_gradient(e))
    means = [rates.mean(~e.own & np.isin(e.names, shared[kind].to_numpy())[None]) for kind in ("gaussian", "xavier")]
    return (means[0] - means[1]).effect(n, f"{len(shared)} architectures")


def _architecture_over_initialisation(e: Matrices) -> Effect:
    """Return how much more architectures spread in success than initialisations: the ranges of their means."""
    groups = _initialisations(e)
    places = np.array(list(groups.values()))
    rates, n = e.pooled(_gradient(e))
    own = rates.apply(lambda values: values[..., places, places])  # initialisations x architectures

    def gap(values: np.ndarray) -> np.ndarray:
        by_kind, by_architecture = values.mean(-1), values.mean(-2)
        return np.asarray(np.ptp(by_architecture, axis=-1) - np.ptp(by_kind, axis=-1))

    return own.apply(gap).effect(n, f"{places.shape[1]} architectures, {places.shape[0]} initialisations")


def _success(e: Matrices) -> np.ndarray:
    rates, _ = e.pooled(_gradient(e))
    return np.diag(rates.value).copy()


def _no_link(e: Matrices, column: str) -> Effect:
    return e.correlation(e.models[column].to_numpy(np.float64), _success(e))


def _within(e: Matrices) -> Effect:
    """Return minus the correlation of accuracy and success when each architecture's means are taken away."""
    accuracy = e.models["test_accuracy"].to_numpy(np.float64)
    return e.correlation(accuracy, -_success(e), groups=list(e.models["architecture"]))


def _one_pixel(e: Matrices) -> Estimate:
    found, _ = e.rates(e.those("one_pixel"))
    return Estimate.across([rates.apply(lambda v: np.diagonal(v, axis1=-2, axis2=-1)) for rates in found], np.max)


def _one_pixel_fails(e: Matrices) -> Effect:
    """Return the highest success on any network; the interval is that of a share of the images."""
    e.about("mnist")
    highest = float(np.nanmax(_one_pixel(e).value))
    _, n = e.rates(e.those("one_pixel"))
    return e.proportion(highest * n, n, "the highest of all networks")


def _one_pixel_succeeds(e: Matrices) -> Effect:
    e.about("cifar10")
    _, n = e.rates(e.those("one_pixel"))
    return _one_pixel(e).apply(lambda values: np.nanmax(values, -1)).effect(n, "the highest of all networks")


def _inherently_robust(e: Matrices) -> Effect:
    """Return the highest success of I-FGSM and FGSM on the Gaussian AlexNet and LeNet."""
    e.about("mnist")
    kinds = (
        e.models["architecture"].isin(["alexnet", "lenet"]) & (e.models["initialisation"] == "gaussian")
    ).to_numpy()
    if not kinds.any():
        raise Missing("no Gaussian AlexNet or LeNet takes part")
    found, n = e.rates(_gradient(e))
    means = [rates.mean(e.own & kinds[None]) for rates in found]
    return Estimate.across(means, np.max).effect(n, "the highest mean of all settings")


def _susceptible(e: Matrices, dataset: str, architecture: str, others: tuple[str, ...] | None = None) -> Effect:
    """Return how much higher the success on an architecture is than on the highest of others (all where not given)."""
    e.about(dataset)
    rates, n = e.pooled(_gradient(e))
    kinds = e.models["architecture"].to_numpy()
    mean = rates.mean(e.own & e.where("architecture", architecture)[None])
    rest = sorted(set(others or kinds) & set(kinds) - {architecture})
    if not rest:
        raise Missing("no other architecture takes part")
    means = [rates.mean(e.own & (kinds == name)[None]) for name in rest]
    return (mean - Estimate.across(means, np.max)).effect(n, f"against {', '.join(rest)}")


def _robust(e: Matrices, dataset: str, robust: tuple[str, ...]) -> Effect:
    """Return how much lower the mean success on some architectures is than on the others."""
    e.about(dataset)
    rates, n = e.pooled(_gradient(e))
    chosen = e.where("architecture", *robust)
    if chosen.all():
        raise Missing("no other architecture takes part")
    return (rates.mean(e.own & ~chosen[None]) - rates.mean(e.own & chosen[None])).effect(n)


def _alexnets_transfer(e: Matrices) -> Effect:
    e.about("cifar10")
    rates, n = e.pooled(_gradient(e))
    chosen = e.where("architecture", "alexnet")
    return (rates.mean(~e.own & chosen[:, None]) - rates.mean(~e.own & ~chosen[:, None])).effect(n)


def _alike_in_accuracy_alone(e: Matrices) -> Effect:
    """Return the I-FGSM success on the Gaussian LeNet-5 less that on the Gaussian AlexNet, at the least epsilon."""
    e.about("cifar10")
    least = min(e.those("i_fgsm"), key=lambda setting: float(setting.parameters["epsilon"]))
    (rates,), n = e.rates([least])
    gaussian = (e.models["initialisation"] == "gaussian").to_numpy()
    means = []
    for architecture in ("lenet5", "alexnet"):
        chosen = gaussian & e.where("architecture", architecture)
        if not chosen.any():
            raise Missing(f"no Gaussian {architecture} takes part")
        means.append(rates.mean(e.own & chosen[None]))
    return (means[0] - means[1]).effect(n, least.name)


# Where each table and figure of the paper stands on the page (sections begin with #, else names of figures).
PLACES = {
    "Tables 1 and 2": ("the networks, their size and accuracy", ("#models", "#paper", "complexity")),
    "Figs. 1 and 2": ("success and transfer of FGSM and I-FGSM", ("transfer-fgsm", "transfer-i_fgsm", "#matrix")),
    "Fig. 3": ("success and transfer of the one-pixel attack", ("transfer-one_pixel", "#matrix")),
}

CLAIMS = (
    Claim(
        "epsilon_raises_success", "Success goes up with the noise level.", "section 3.1, Figs. 1 and 2",
        lambda e: e.rising(e.sweep("i_fgsm", "epsilon"), e.own, "epsilon"),
    ),
    Claim(
        "epsilon_raises_transfer", "Transfer goes up with the noise level.", "section 3.1, Figs. 1 and 2",
        lambda e: e.rising(e.sweep("fgsm", "epsilon"), ~e.own, "epsilon"),
    ),
    Claim(
        "iterating_raises_success", "I-FGSM succeeds more often than FGSM.", "section 3.1, Figs. 1 and 2",
        lambda e: _against(e, e.own, stronger="i_fgsm", weaker="fgsm"),
    ),
    Claim(
        "iterating_lowers_transfer_mnist", "On MNIST, I-FGSM transfers less than FGSM.", "section 3.1, Fig. 1",
        partial(_transfers, dataset="mnist", more=False),
    ),
    Claim(
        "iterating_raises_transfer_cifar10", "On CIFAR-10, I-FGSM transfers more than FGSM.", "section 3.1, Fig. 2",
        partial(_transfers, dataset="cifar10", more=True),
    ),
    Claim(
        "initialisation_and_success",
        "Initialisation has no effect on success: less than 10 points (AlexNet and LeNet excepted on MNIST).", "section 3.3",
        partial(_spread, of="success"), above=-np.inf, below=NOTHING,
    ),
    Claim(
        "initialisation_and_transfer", "Initialisation has an effect on how much transfers to a network (2 points or more).",
        "section 3.3", partial(_spread, of="transfer"), above=0.02,
    ),
    Claim(
        "gaussian_above_xavier", "More transfers to Gaussian networks than to Xavier's.", "section 3.3",
        _gaussian_above_xavier,
    ),
    Claim(
        "architecture_over_initialisation", "Architectures differ more in success than initialisations do.", "section 3.3",
        _architecture_over_initialisation,
    ),
    Claim(
        "macs_and_success", "MACs are not linked to success (rank correlation within 0.5).", "section 3.3, Tables 1 and 2",
        partial(_no_link, column="macs"), above=-UNCLEAR, below=UNCLEAR, unit="rank correlation",
    ),
    Claim(
        "parameters_and_success", "Nor is the number of parameters.", "section 3.3, Tables 1 and 2",
        partial(_no_link, column="parameters"), above=-UNCLEAR, below=UNCLEAR, unit="rank correlation",
    ),
    Claim(
        "accuracy_within", "Within an architecture, the more accurate network is the more robust one.", "section 3.3",
        _within, unit="correlation",
    ),
    Claim(
        "accuracy_across", "Across architectures accuracy and success are not linked (rank correlation within 0.5).",
        "section 4", partial(_no_link, column="test_accuracy"), above=-UNCLEAR, below=UNCLEAR, unit="rank correlation",
    ),
    Claim(
        "one_pixel_fails_mnist", "On MNIST one pixel fools no network in more than 5% of images (paper: at most 3.5%).",
        "section 3.2, Fig. 3", _one_pixel_fails, above=-np.inf, below=0.05,
    ),
    Claim(
        "one_pixel_succeeds_cifar10", "On CIFAR-10 one pixel fools some network in more than 20% of images (paper: 48.5%).",
        "section 3.2, Fig. 3", _one_pixel_succeeds, above=0.2,
    ),
    Claim(
        "gaussian_inherently_robust", "On MNIST the Gaussian AlexNet and LeNet are hardly fooled: less than 5%.",
        "section 3.1, Fig. 1", _inherently_robust, above=-np.inf, below=0.05,
    ),
    Claim(
        "resnet_most_susceptible_mnist", "On MNIST ResNet20 is the most susceptible architecture.", "section 3.1, Fig. 1",
        partial(_susceptible, dataset="mnist", architecture="resnet20"),
    ),
    Claim(
        "robust_architectures_mnist", "On MNIST AlexNet, NIN and SqueezeNet are more robust than the others.",
        "section 3.1, Fig. 1", partial(_robust, dataset="mnist", robust=("alexnet", "nin", "squeezenet")),
    ),
    Claim(
        "lenet5_most_susceptible_cifar10", "On CIFAR-10 LeNet-5 is the most susceptible architecture.",
        "section 3.1, Fig. 2", partial(_susceptible, dataset="cifar10", architecture="lenet5"),
    ),
    Claim(
        "robust_architectures_cifar10", "On CIFAR-10 NIN and SqueezeNet are more robust than the others.",
        "section 3.1, Fig. 2", partial(_robust, dataset="cifar10", robust=("nin", "squeezenet")),
    ),
    Claim(
        "alexnets_transfer_cifar10", "On CIFAR-10 examples of AlexNets transfer better than others.", "section 3.3, Fig. 2",
        _alexnets_transfer,
    ),
    Claim(
        "alike_in_accuracy_alone",
        "On CIFAR-10 the Gaussian AlexNet and LeNet-5 are alike in accuracy and far apart in success: 20 points or more.",
        "section 3.3", _alike_in_accuracy_alone, above=0.2,
    ),
)  # fmt: skip
