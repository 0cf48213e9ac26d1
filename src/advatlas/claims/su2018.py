"""The findings of su2018: robustness against accuracy, and transfer between 18 ImageNet models."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
from scipy.stats import rankdata

from advatlas.analyses.asymmetry import swapped
from advatlas.analyses.frontier import PAPER_SIX, fit_log, pareto
from advatlas.claims.claim import Claim, Effect, Missing
from advatlas.claims.evidence import Distances, Estimate, Matrices
from advatlas.metrics.outcomes import known_mean
from advatlas.seeds import derive_seed

EVIDENCE = Matrices
# Families of which the paper has several depths (section 3.3).
DEEP = ("ResNet", "Inception", "DenseNet")


def _accuracy(e: Matrices) -> np.ndarray:
    """Return each model's top-1 accuracy: as published in the paper's Table 1 where all have one, else measured."""
    published = e.models["published_top1"].to_numpy(np.float64)
    return published if not np.isnan(published).any() else e.models["test_accuracy"].to_numpy(np.float64)


def _slope(e: Matrices, attack: str) -> Effect:
    """Return the slope of distance against ln(1 - accuracy), in ten-thousandths for measures divided by the values.

    Over the paper's six models where all are there, else over the frontier of these, found anew in each resample.
    """
    found, accuracy = e.distances(attack), _accuracy(e)
    six = np.isin(e.names, PAPER_SIX)
    means = found.means()

    def fit(values: np.ndarray) -> float:
        inside = six if six.sum() == len(PAPER_SIX) else pareto(accuracy, values)
        return fit_log(accuracy[inside], values[inside])[1]

    slope = fit(means.value)
    if np.isnan(slope):
        raise Missing("one model alone is on the frontier")
    scale = 1.0 if found.measure.name.endswith("linf") else 1e4
    draws = scale * np.array([fit(draw) for draw in means.draws])
    return Effect(scale * slope, draws, found.n, found.name)


def _ends(e: Matrices, *, most: bool) -> Effect:
    """Return how much the mean distance of the others is above the most accurate model's, or that of the least below it.

    As a share of the others' mean, I-FGSM's smallest epsilon.
    """
    found, accuracy = e.distances("minimal_i_fgsm"), _accuracy(e)
    place = int(np.argmax(accuracy) if most else np.argmin(accuracy))
    rest = np.arange(len(accuracy)) != place

    def gap(values: np.ndarray) -> np.ndarray:
        others = known_mean(values[..., rest], -1)
        sign = 1 if most else -1
        return np.asarray(sign * (others - values[..., place]) / others)

    return found.means().apply(gap).effect(found.n, f"{e.names[place]}, {found.name}")


def _architecture(e: Matrices) -> Effect:
    """Return how much more of the variance of robustness lies between families than between halves by size.

    Robustness is ranked over the models; the interval is over images.
    """
    found = e.distances("minimal_i_fgsm")
    families = e.models["family"].to_numpy()
    size = e.models["parameters"].to_numpy(np.float64)
    if len(set(families)) < 2 or len(set(families)) == len(families):
        raise Missing("families of several models are needed, and several of them")

    def between(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return the adjusted share of the variance between groups."""
        ranks = rankdata(values, axis=-1)
        total = ((ranks - ranks.mean(-1, keepdims=True)) ** 2).sum(-1)
        rest = np.zeros_like(total)
        for name in set(groups):
            part = ranks[..., groups == name]
            rest += ((part - part.mean(-1, keepdims=True)) ** 2).sum(-1)
        n, k = ranks.shape[-1], len(set(groups))
        return np.asarray(1 - (rest / (n - k)) / (total / (n - 1)))

    halves = size > np.median(size)
    gap = found.means().apply(lambda values: between(values, families) - between(values, halves))
    return gap.effect(found.n, found.name)


def _depth(e: Matrices) -> Effect:
    """Return how much farther than the next shallower one of its family a deeper model's boundary is, as a share."""
    found = e.distances("minimal_i_fgsm")
    steps: list[tuple[int, int]] = []
    for family in DEEP:
        of = e.models[(e.models["family"] == family) & e.models["layers"].notna()].sort_values("layers", kind="stable")
        order = list(of.index)
        steps += [(a, b) for a, b in pairwise(order) if of.loc[a, "layers"] < of.loc[b, "layers"]]
    if not steps:
        raise Missing("no two depths of ResNet, Inception or DenseNet take part")
    shallow, deep = (np.array(side) for side in zip(*steps, strict=True))
    gap = found.means().apply(lambda v: known_mean(v[..., deep] / v[..., shallow] - 1, -1))
    return gap.effect(found.n, f"{len(steps)} steps in depth, {found.name}")


def _targeted_fgsm(e: Matrices) -> Effect:
    """Return the highest mean success of any targeted FGSM."""
    found, n = e.rates(e.those("fgsm", "targeted"))
    means = [rates.mean(e.own) for rates in found]
    return Estimate.across(means, np.max).effect(n, f"highest of {len(means)} settings")


def _white_box(e: Matrices, attack: str, goal: str, **wanted: float) -> Effect:
    """Return the mean success of the weakest such setting on the source itself."""
    found, n = e.rates(e.those(attack, goal, **wanted))
    means = [rates.mean(e.own) for rates in found]
    return Estimate.across(means, np.min).effect(n, f"least of {len(means)} settings")


def _sweep(
    e: Matrices, attack: str, parameter: str, *, of: str, falling: bool = False, goal: str = "untargeted"
) -> Effect:
    settings = e.sweep(attack, parameter, goal)
    cells = e.own if of == "success" else ~e.own
    return e.rising(settings[::-1] if falling else settings, cells, parameter)


def _better_transfer(e: Matrices, first: str, second: str) -> Effect:
    """Return the difference of two attacks' mean transfer, each at its best setting, on the same images."""
    both = [e.those(attack) for attack in (first, second)]
    found, n = e.rates([setting for settings in both for setting in settings])
    means = [rates.mean(~e.own) for rates in found]
    halves = means[: len(both[0])], means[len(both[0]) :]
    best = [max(range(len(half)), key=lambda place, half=half: float(half[place].value)) for half in halves]  # type: ignore[misc]
    names = [settings[place].name for settings, place in zip(both, best, strict=True)]
    return (halves[0][best[0]] - halves[1][best[1]]).effect(n, f"{names[0]} against {names[1]}")


def _untargeted_above_targeted(e: Matrices) -> Effect:
    """Return the least gap between untargeted and targeted transfer of FGSM and I-FGSM, pooled over settings."""
    gaps, counts = [], []
    for attack in ("fgsm", "i_fgsm"):
        free, aimed = e.those(attack), e.those(attack, "targeted")
        found, n = e.rates([*free, *aimed])
        halves = [Estimate.across(part, np.mean).mean(~e.own) for part in (found[: len(free)], found[len(free) :])]
        gaps.append(halves[0] - halves[1])
        counts.append(n)
    return Estimate.across(gaps, np.min).effect(min(counts), "FGSM and I-FGSM")


def _asymmetry(e: Matrices) -> Effect:
    """Return how much the two directions of a pair differ beyond chance, for I-FGSM at its largest epsilon.

    The draws are the differences to matrices whose directions are swapped at random (:mod:`advatlas.analyses.asymmetry`).
    """
    setting = max(e.those("i_fgsm"), key=lambda s: float(s.parameters["epsilon"]))
    outcomes = e._outcomes[setting.name]
    upper = np.triu_indices(len(outcomes.models), 1)
    rates = outcomes.rates()
    seen = float(known_mean(np.abs(rates - rates.T)[upper]))
    if np.isnan(seen):
        raise Missing("two models are needed")
    by_chance = swapped(outcomes, derive_seed(e.seed, "claims", "asymmetry"))
    n = int((~np.isnan(outcomes.reached)).any((0, 1)).sum())
    return Effect(seen - float(by_chance.mean()), seen - by_chance, n, setting.name)


def _vgg(e: Matrices, attack: str, goal: str = "untargeted") -> Effect:
    """Return how much better VGG's examples transfer than those of the best other family."""
    vgg = e.where("family", "VGG")
    found, n = e.pooled(e.those(attack, goal))
    families = e.models["family"].to_numpy()
    others = sorted(set(families) - {"VGG"})
    if not others:
        raise Missing("no other family than VGG takes part")

    def row(chosen: np.ndarray) -> Estimate:
        return found.mean(~e.own & chosen[:, None])

    means = {family: row(families == family) for family in others}
    best = max(means, key=lambda family: float(means[family].value))
    # The best is chosen anew in each resample, so that choosing it costs what it should.
    top = Estimate.across(list(means.values()), np.max)
    return (row(vgg) - top).effect(n, f"against {best}, all settings of {attack}")


def _families(e: Matrices) -> Effect:
    """Return how much better I-FGSM's examples transfer within a family than across; families permuted among models."""
    setting = max(e.those("i_fgsm"), key=lambda s: float(s.parameters["epsilon"]))
    rates = e._outcomes[setting.name].rates()
    names = e.models["family"].to_numpy()

    def gap(families: np.ndarray) -> float:
        same = families[:, None] == families[None]
        return float(known_mean(rates[same & ~e.own]) - known_mean(rates[~same]))

    seen = gap(names)
    if np.isnan(seen):
        raise Missing("no two models of one family, or of two, take part")
    rng = np.random.default_rng(derive_seed(e.seed, "claims", "families"))
    by_chance = np.array([gap(rng.permutation(names)) for _ in range(999)])
    return Effect(seen, seen - by_chance, len(names), setting.name, "models")


def _clever_is_below(e: Matrices) -> Effect:
    """Return the share of images on which CLEVER's score is below the distance that C&W needs, on the same target."""
    for goal in ("random", "least_likely", "untargeted"):
        try:
            score, needed = e.distances("clever_l2", (goal,)), e.distances("carlini_wagner", (goal,))
        except Missing:
            continue
        clever = e.tables["clever"]
        clever = clever[(clever["norm"] == "l2") & (clever["goal"] == goal)]
        made = e.tables["adversarials"]
        made = made[(made["setting"] == needed.measure.setting) & made["success"]].astype({"source": str})
        both = clever.merge(made, left_on=["model", "image_id"], right_on=["source", "image_id"])
        if len(both):
            # An image counts once, by the share of the models on which it is so: its models are not independent.
            share = (both["score"] <= both["l2"]).groupby(both["image_id"]).mean()
            return e.proportion(float(share.sum()), len(share), f"{score.name}; {needed.name}; {len(both)} pairs")
    raise Missing("CLEVER and C&W without confidence were not run on the same images and targets")


def _clever_ranks(e: Matrices) -> Effect:
    score: Distances = e.distances("clever_l2")
    needed = e.distances("carlini_wagner", (score.measure.goal, "random", "untargeted"))
    return e.correlation(score.means().value, needed.means().value)


def _unrelated(e: Matrices) -> Effect:
    if "wordnet" not in e.tables:
        raise Missing("the classes are not ImageNet's")
    found = e.tables["wordnet"]
    # The paper's model where it is there; one row an image either way.
    model = "inception_v1" if (found["model"] == "inception_v1").any() else found["model"].iloc[0]
    rows = found[found["model"] == model]
    return e.proportion(float(rows["unrelated"].sum()), len(rows), str(model))


# Where each table and figure of the paper stands on the page (sections begin with #, else names of figures).
PLACES = {
    "Table 1": ("the 18 models", ("#models", "#paper")),
    "Fig. 1": ("success against the attacks' parameters", ("sweeps", "#attacks")),
    "Fig. 2": ("robustness against accuracy, with the frontier", ("frontier", "#robustness")),
    "Fig. 3": ("transfer of FGSM", ("transfer-fgsm", "matching-fgsm", "#matrix")),
    "Figs. 4, 9 and 10": ("transfer of I-FGSM", ("transfer-i_fgsm", "matching-i_fgsm", "#matrix")),
    "Fig. 5": ("transfer of EAD-L1", ("transfer-ead", "matching-ead", "#matrix")),
    "Fig. 6": ("robustness on the images all models get right", ("frontier",)),
    "Fig. 7": ("robustness against least-likely targets", ("frontier",)),
    "Fig. 8": ("transfer of C&W", ("transfer-carlini_wagner", "matching-carlini_wagner", "#matrix")),
    "Fig. 11": ("distance of least-likely classes in WordNet", ("wordnet",)),
}

CLAIMS = (
    Claim(
        "linf_scales", "The Linf distance grows linearly with the logarithm of the error: the slope is positive.",
        "section 3.2, Fig. 2(a)", partial(_slope, attack="minimal_i_fgsm"), unit="Linf per unit of ln(error)",
    ),
    Claim(
        "l2_scales", "So does the L2 distance.", "section 3.2, Fig. 2(b)", partial(_slope, attack="carlini_wagner"),
        unit="1e-4 L2 / values per unit of ln(error)",
    ),
    Claim(
        "clever_scales", "So does the CLEVER score.", "section 3.2, Fig. 2(c)", partial(_slope, attack="clever_l2"),
        unit="1e-4 score / values per unit of ln(error)",
    ),
    Claim(
        "most_accurate_most_prone", "The most accurate model is more easily attacked than the others.",
        "section 3.2, Fig. 2; section 5.2", partial(_ends, most=True), unit="share of the others' distance",
    ),
    Claim(
        "least_accurate_most_robust", "The least accurate model is more robust than the others.",
        "section 3.3", partial(_ends, most=False), unit="share of the others' distance",
    ),
    Claim(
        "architecture_over_size", "Architecture matters more to robustness than size.", "section 3.3", _architecture,
        unit="share of variance",
    ),
    Claim(
        "deeper_is_robuster", "Deeper ResNets, Inceptions and DenseNets are slightly more robust in Linf.", "section 3.3",
        _depth, unit="share of the shallower's distance",
    ),
    Claim(
        "fgsm_targeted_fails", "Targeted FGSM reaches its target in less than 3% of images, at every epsilon.",
        "section 3.1, Fig. 1(a)", _targeted_fgsm, above=-np.inf, below=0.03,
    ),
    Claim(
        "fgsm_targeted_falls", "A larger epsilon makes targeted FGSM succeed less.", "section 3.1, Fig. 1(a)",
        partial(_sweep, attack="fgsm", parameter="epsilon", of="success", falling=True, goal="targeted"),
    ),
    Claim(
        "ifgsm_targeted_succeeds", "Targeted I-FGSM of 10 steps succeeds on nearly all images: more than 95%.",
        "section 3.1, Fig. 1(c)", partial(_white_box, attack="i_fgsm", goal="targeted", steps=10), above=0.95,
    ),
    Claim(
        "cw_succeeds", "Targeted C&W without confidence succeeds on nearly all images: more than 95%.",
        "section 3.1, Fig. 1", partial(_white_box, attack="carlini_wagner", goal="targeted", confidence=0), above=0.95,
    ),
    Claim(
        "ead_succeeds", "So does EAD-L1.", "section 3.1, Fig. 1",
        partial(_white_box, attack="ead", goal="targeted", confidence=0), above=0.95,
    ),
    Claim(
        "confidence_costs_success", "More confidence makes C&W succeed less.", "section 3.1, Fig. 1",
        partial(_sweep, attack="carlini_wagner", parameter="confidence", of="success", falling=True),
    ),
    Claim(
        "fgsm_transfers_best", "Untargeted FGSM transfers better than I-FGSM.", "section 3.4, finding 1",
        partial(_better_transfer, first="fgsm", second="i_fgsm"),
    ),
    Claim(
        "ifgsm_transfers_better_than_ead", "I-FGSM transfers better than EAD-L1.", "section 3.4, finding 1",
        partial(_better_transfer, first="i_fgsm", second="ead"),
    ),
    Claim(
        "ead_transfers_better_than_cw", "EAD-L1 transfers better than C&W.", "section 3.4, finding 1",
        partial(_better_transfer, first="ead", second="carlini_wagner"),
    ),
    Claim(
        "fgsm_epsilon_transfers", "A larger epsilon makes FGSM transfer better.", "section 3.4, finding 2",
        partial(_sweep, attack="fgsm", parameter="epsilon", of="transfer"),
    ),
    Claim(
        "ifgsm_epsilon_transfers", "A larger epsilon makes I-FGSM transfer better.", "section 5.4, Figs. 4, 9 and 10",
        partial(_sweep, attack="i_fgsm", parameter="epsilon", of="transfer"),
    ),
    Claim(
        "fewer_steps_transfer", "Fewer iterations make I-FGSM transfer better.", "section 3.4, finding 2",
        partial(_sweep, attack="i_fgsm", parameter="steps", of="transfer", falling=True),
    ),
    Claim(
        "confidence_transfers", "More confidence makes EAD-L1 transfer better.", "section 3.4, finding 2",
        partial(_sweep, attack="ead", parameter="confidence", of="transfer"),
    ),
    Claim(
        "untargeted_transfers_better", "Untargeted examples transfer better than targeted ones.",
        "section 3.4, Figs. 3 to 5", _untargeted_above_targeted,
    ),
    Claim(
        "asymmetric", "Transfer is asymmetric: the two directions of a pair differ beyond chance.",
        "section 3.4, finding 3", _asymmetry, unit="rate",
    ),
    Claim(
        "vgg_transfers_best", "I-FGSM examples of VGG transfer better than those of any other family.",
        "section 3.4, finding 4", partial(_vgg, attack="i_fgsm"),
    ),
    Claim(
        "vgg_transfers_best_fgsm", "So do FGSM examples.", "section 3.4, finding 4", partial(_vgg, attack="fgsm"),
    ),
    Claim(
        "within_families", "Examples transfer better within a family than across.", "section 3.4, finding 5", _families,
        unit="rate",
    ),
    Claim(
        "clever_is_a_bound", "CLEVER's score is below what C&W needs on most images.", "section 2.2", _clever_is_below,
        above=0.5,
    ),
    Claim(
        "clever_ranks_alike", "CLEVER ranks models as C&W does.", "Fig. 2(b) and (c)", _clever_ranks,
        unit="rank correlation",
    ),
    Claim(
        "least_likely_unrelated", "Least-likely classes are unrelated to the true ones: in more than 90% of images.",
        "section 5.5, Fig. 11", _unrelated, above=0.9,
    ),
)  # fmt: skip
