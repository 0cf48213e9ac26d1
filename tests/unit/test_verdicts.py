"""F1, verdicts on defenses and claims of papers, on tables of which the truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from advatlas.analyses import ANALYSES
from advatlas.claims.claim import FAILS, HOLDS, NOT_RUN, OPEN
from advatlas.claims.evidence import Defended
from advatlas.metrics.classification import macro_f1, macro_f1_interval
from advatlas.metrics.intervals import with_interval

OPTIONS = {"seed": 3, "contrasts": [], "paper": "campbell2024", "dataset": "mnist"}
N = 400


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    labels, said = rng.integers(0, 7, 60), rng.integers(0, 9, 60)
    assert macro_f1(labels, said, 10) == pytest.approx(f1_score(labels, said, average="macro", zero_division=0))
    assert macro_f1(labels, labels, 10) == 1
    assert np.isnan(macro_f1(labels[:0], said[:0], 10))


@pytest.mark.parametrize(("classes", "images"), [(4, 250), (43, 300)])
def test_the_interval_of_macro_f1_covers_the_truth(classes, images):
    """Over repeated samples of one population the 95% interval misses the F1 of the population seldom."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, 20_000)
    said = np.where(rng.random(20_000) < 0.7, labels, rng.integers(0, classes, 20_000))
    truth = macro_f1(labels, said, classes)
    hits = 0
    for repeat in range(60):
        chosen = rng.choice(20_000, images, replace=False)
        low, high = macro_f1_interval(labels[chosen], said[chosen], classes, repeat)
        hits += low <= truth <= high
    assert hits >= 51  # of 60; below 1 in 1,000 if each is 95%


def models(**defenses):
    """The table of models: an undefended one, and for each name its defense and the model its attacks are made on."""
    rows = [{"model": "cnn", "defense": "", "undefended": "cnn", "attacked_as": "cnn", "excluded": False}]
    for name, (defense, attacked_as) in defenses.items():
        rows.append(
            {"model": name, "defense": defense, "undefended": "cnn", "attacked_as": attacked_as, "excluded": False}
        )
    return pd.DataFrame(rows)


def said(*rows, n=N, seed=0, alike=False):
    """The table of answers, from (target, source, setting, attack, epsilon, adaptive, accuracy).

    Images are right or wrong each by itself, or (``alike``) the same ones are easy for every model under every attack.
    """
    rng = np.random.default_rng(seed)
    ease = rng.permutation(n) / n
    made = []
    for target, source, setting, attack, epsilon, adaptive, accuracy in rows:
        right = (ease if alike else rng.random(n)) < accuracy
        made.append(
            {
                "setting": setting, "attack": attack, "goal": "untargeted" if setting else "", "epsilon": epsilon,
                "adaptive": adaptive, "source": source, "target": target, "attacked": n, "target_share": np.nan,
                "target_share_low": np.nan, "target_share_high": np.nan, "count": right.sum(), "n": n,
                "image": np.arange(n), "right": right,
            }
        )  # fmt: skip
    return with_interval(pd.DataFrame(made))


def verdict(table_of_models, rows):
    found = ANALYSES["verdicts"].table({"models": table_of_models, "classification": said(*rows)}, OPTIONS)
    assert len(found) == 1
    return found.iloc[0]


def _runs(model, source, *, direct, adaptive, square, transferred, base=0.05):
    """Attacks at one epsilon on a defended model and on the undefended one."""
    e = 0.1
    return [
        ("cnn", "", "", "", np.nan, False, 0.95),
        (model, "", "", "", np.nan, False, 0.94),
        ("cnn", "cnn", "i_fgsm", "i_fgsm", e, False, base),
        ("cnn", "cnn", "pgd", "pgd", e, True, base),
        ("cnn", "cnn", "square", "square", e, False, base + 0.2),
        (model, "cnn", "i_fgsm", "i_fgsm", e, False, transferred),
        (model, model, "i_fgsm", "i_fgsm", e, False, direct),
        (model, model, "pgd", "pgd", e, True, adaptive),
        (model, model, "square", "square", e, False, square),
    ]


def test_a_defense_that_holds():
    rows = _runs("trained", "trained", direct=0.7, adaptive=0.69, square=0.75, transferred=0.9)
    found = verdict(models(trained=("adversarial_training", "trained")), rows)
    assert (found["verdict"], found["gradient_hidden"]) == ("holds", False)
    assert found["paper_setting"] == "i_fgsm"
    assert found["adaptive_gain"] == pytest.approx(0.64, abs=0.06)


def test_a_defense_that_hid_its_gradient():
    rows = _runs("rounded", "rounded", direct=0.9, adaptive=0.06, square=0.2, transferred=0.4)
    found = verdict(models(rounded=("distillation", "rounded")), rows)
    assert (found["verdict"], found["gradient_hidden"]) == ("only the gradient was hidden", True)
    assert found["hidden_by"] == "square"
    assert found["hidden_low"] > 0.5
    assert (found["adaptive_setting"], found["adaptive_source"]) == ("pgd", "rounded")


def test_a_defense_that_only_an_attacker_who_does_not_know_of_it_fails_against():
    rows = _runs("smoothed", "cnn", direct=0.05, adaptive=0.05, square=0.3, transferred=0.6)
    found = verdict(models(smoothed=("feature_smoothing", "cnn")), rows)
    assert (found["paper_source"], found["paper"]) == ("cnn", pytest.approx(0.6, abs=0.08))
    assert (found["verdict"], found["gradient_hidden"]) == ("falls to an attacker who knows", False)


def test_a_defense_that_does_nothing_and_one_that_keeps_a_part():
    rows = _runs("masked", "masked", direct=0.05, adaptive=0.05, square=0.3, transferred=0.06)
    assert verdict(models(masked=("gradient_masking", "masked")), rows)["verdict"] == "no gain"
    rows = _runs("part", "part", direct=0.9, adaptive=0.5, square=0.6, transferred=0.8)
    assert verdict(models(part=("adversarial_training", "part")), rows)["verdict"] == "holds in part"


def test_a_defense_is_seldom_praised_by_chance():
    """Where defended and undefended keep the same, at most a few of a hundred verdicts may say that it holds."""
    table_of_models = models(same=("feature_smoothing", "cnn"))
    praised = 0
    for seed in range(100):
        rows = [
            ("same", "", "", "", np.nan, False, 0.95),
            ("cnn", "", "", "", np.nan, False, 0.95),
            ("cnn", "cnn", "pgd", "pgd", 0.1, True, 0.3),
            ("same", "cnn", "pgd2", "pgd", 0.1, False, 0.6),
            ("same", "same", "pgd", "pgd", 0.1, True, 0.3),
        ]
        found = ANALYSES["verdicts"].table(
            {"models": table_of_models, "classification": said(*rows, n=100, seed=seed)}, OPTIONS
        )
        praised += found.iloc[0]["verdict"].startswith("holds")
    assert praised <= 8


ATTACKS = ("mi_fgsm", "deepfool", "carlini_wagner", "pixel_swap")


def campbell(kept, knowing):
    """A whole study: what each model keeps under each of the four attacks, and under adaptive PGD."""
    table_of_models = models(
        trained=("adversarial_training", "trained"),
        smoothed=("feature_smoothing", "cnn"),
        masked=("gradient_masking", "masked"),
        distilled=("distillation", "distilled"),
        both=("adversarial_training + feature_smoothing", "trained"),
    )
    rows = []
    for model, shares in kept.items():
        source = table_of_models.set_index("model").loc[model, "attacked_as"]
        rows.append((model, "", "", "", np.nan, False, 0.95))
        rows += [
            (model, source, a, a, 0.1 if a == "mi_fgsm" else np.nan, False, s)
            for a, s in zip(ATTACKS, shares, strict=True)
        ]
        rows.append((model, model, "pgd-adaptive", "pgd", 0.1, True, knowing[model]))
    seconds = dict(zip(ATTACKS, (0.1, 0.2, 0.8, 1.6), strict=True))
    made = pd.DataFrame(
        [
            {"setting": a, "attack": a, "source": model, "seconds": seconds[a] * (1 + 0.1 * i)}
            for i, model in enumerate(kept)
            for a in ATTACKS
        ]
    )
    return {"models": table_of_models, "classification": said(*rows, alike=True), "adversarials": made}


PAPER = {
    "cnn": (0.05, 0.02, 0.1, 0.15),
    "trained": (0.7, 0.6, 0.7, 0.7),
    "smoothed": (0.2, 0.6, 0.25, 0.5),
    "masked": (0.05, 0.02, 0.1, 0.15),
    "distilled": (0.3, 0.9, 0.1, 0.3),
    "both": (0.8, 0.75, 0.8, 0.8),
}


def test_the_findings_of_campbell2024_hold_where_they_are_true():
    tables = campbell(PAPER, dict.fromkeys(PAPER, 0.05) | {"trained": 0.5})
    found = ANALYSES["claims"].table(tables, OPTIONS).set_index("claim")
    paper = found[~found["knowing"]]
    assert set(paper["verdict"]) == {HOLDS}, paper["verdict"]
    assert found.loc["training_best_knowing", "verdict"] == HOLDS
    assert found.loc["adversarial_training_knowing", "verdict"] == HOLDS
    assert found.loc["distillation_knowing", "verdict"] != HOLDS


def test_the_findings_of_campbell2024_fail_where_they_are_false():
    turned = {model: (0.9, 0.5, 0.9, 0.9) if model == "cnn" else (0.95, 0.3, 0.95, 0.95) for model in PAPER}
    turned |= {"trained": (0.5, 0.1, 0.5, 0.5), "masked": (0.99, 0.99, 0.99, 0.99), "smoothed": (0.99, 0.2, 0.99, 0.99)}
    turned["both"] = (0.2, 0.2, 0.2, 0.2)
    tables = campbell(turned, dict.fromkeys(PAPER, 0.6) | {"trained": 0.2})
    tables["adversarials"]["seconds"] = 1 / tables["adversarials"]["seconds"]
    found = ANALYSES["claims"].table(tables, OPTIONS).set_index("claim")
    wrong = found.drop(index=["distillation_fails_against_cw"])
    wrong = wrong[~wrong.index.str.endswith(("smoothing_knowing", "masking_knowing", "distillation_knowing"))]
    assert HOLDS not in set(wrong["verdict"]), wrong[wrong["verdict"] == HOLDS]
    assert (wrong["verdict"] == FAILS).sum() >= 9


def test_what_was_not_run_is_said_so():
    tables = campbell(PAPER, dict.fromkeys(PAPER, 0.1))
    tables["models"] = tables["models"][tables["models"]["model"] == "cnn"]
    found = ANALYSES["claims"].table(tables, OPTIONS).set_index("claim")
    assert found.loc["stacking_helps", "verdict"] == NOT_RUN
    assert "adversarial_training + feature_smoothing" in found.loc["stacking_helps", "detail"]


def donoghue(*, share, base, averaged, trained, clean_trained=0.9):
    """FGSM and DGSM on an undefended, an averaging and an adversarially trained network."""
    table_of_models = models(averaged=("prediction_averaging", "cnn"), trained=("adversarial_training", "trained"))
    rows = [
        ("cnn", "", "", "", np.nan, False, 0.97),
        ("averaged", "", "", "", np.nan, False, 0.96),
        ("trained", "", "", "", np.nan, False, clean_trained),
    ]
    for e, k in ((0.01, 1.3), (0.025, 1.0), (0.05, 0.8)):
        name = f"fgsm-epsilon{e}"
        rows.append(("cnn", "cnn", name, "fgsm", e, False, min(1, k * base)))
        rows.append(("averaged", "cnn", name, "fgsm", e, False, min(0.96, 0.96 - (0.96 - averaged) * e / 0.025)))
        rows.append(("trained", "trained", name, "fgsm", e, False, min(1, k * trained)))
    for model in ("cnn", "averaged", "trained"):
        rows.append((model, model, "pgd", "pgd", 0.025, True, 0.1 if model != "trained" else 0.4))
    table = said(*rows, alike=True)
    for model, source, adaptive in (
        ("cnn", "cnn", False), ("averaged", "cnn", False), ("averaged", "averaged", True), ("trained", "trained", False),
    ):  # fmt: skip
        hits = share[(model, adaptive)]
        table = pd.concat(
            [
                table,
                said((model, source, f"dgsm{adaptive}", "dgsm", 0.014, adaptive, 0.5)).assign(
                    goal="class", target_share=hits, target_share_low=hits - 0.005, target_share_high=hits + 0.005
                ),
            ],
            ignore_index=True,
        )
    made = pd.DataFrame({"setting": [], "attack": [], "source": [], "seconds": []})
    return {"models": table_of_models, "classification": table, "adversarials": made}


def test_the_findings_of_donoghue2020_in_both_directions():
    options = {**OPTIONS, "paper": "donoghue2020"}
    share = {("cnn", False): 0.99, ("averaged", False): 0.0025, ("averaged", True): 0.9, ("trained", False): 0.01}
    tables = donoghue(share=share, base=0.3, averaged=0.7, trained=0.6)
    found = ANALYSES["claims"].table(tables, options).set_index("claim")["verdict"]
    assert found["fgsm_drops_second"] == NOT_RUN
    holding = found[~found.index.isin(["fgsm_drops_second"])]
    assert set(holding[holding == FAILS].index) == {"averaging_stops_dgsm_knowing"}
    assert set(holding[holding == OPEN].index) == {"averaging_helps_knowing"}, (
        "exactly the same kept on the same images"
    )
    assert set(holding.drop(index=["averaging_stops_dgsm_knowing", "averaging_helps_knowing"])) == {HOLDS}
    turned = {("cnn", False): 0.3, ("averaged", False): 0.9, ("averaged", True): 0.9, ("trained", False): 0.9}
    tables = donoghue(share=turned, base=0.8, averaged=0.5, trained=0.4, clean_trained=0.999)
    found = ANALYSES["claims"].table(tables, options).set_index("claim")["verdict"]
    for claim in ("fgsm_drops_first", "dgsm_saturates", "averaging_helps_fgsm", "averaging_stops_dgsm",
                  "training_costs_accuracy", "training_helps_fgsm", "training_stops_dgsm"):  # fmt: skip
        assert found[claim] == FAILS, claim


def test_evidence_takes_the_nearest_epsilon():
    share = dict.fromkeys([("cnn", False), ("averaged", False), ("averaged", True), ("trained", False)], 0.5)
    tables = donoghue(share=share, base=0.3, averaged=0.7, trained=0.6)
    evidence = Defended(tables, 0)
    near = evidence.under("cnn", "fgsm", epsilon=0.026)
    assert np.array_equal(near, evidence.under("cnn", "fgsm", epsilon=0.025))
    assert not np.array_equal(near, evidence.under("cnn", "fgsm", epsilon=0.05))
