"""Analyses on tables of which the truth is known."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from advatlas.analyses import ANALYSES
from advatlas.analyses.families import permutation_p
from advatlas.analyses.frontier import fit_log, pareto
from advatlas.analyses.robustness import divided, norm_of
from advatlas.metrics.outcomes import image_weights, interval, outcomes_of, sign_p_value
from advatlas.metrics.wordnet import wordnet_distances

NAMES = ["a1", "a2", "b1", "b2", "b3", "c"]
FAMILIES = ["A", "A", "B", "B", "B", "C"]
OPTIONS = {"seed": 1, "contrasts": [{"name": "x", "of": ["a1"], "against": ["b1"]}]}


def models(size=32):
    return pd.DataFrame(
        {
            "model": NAMES,
            "family": FAMILIES,
            "excluded": False,
            "input_size": size,
            "published_top1": [0.5, 0.6, 0.7, 0.75, 0.8, 0.55],
            "test_accuracy": [0.5, 0.6, 0.7, 0.75, 0.8, 0.55],
        }
    )


def outcomes(rate, n=200, setting="fgsm", seed=0, attack="fgsm", **more):
    """A table of outcomes with a rate for each source and target."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, source in enumerate(NAMES):
        for j, target in enumerate(NAMES):
            rows.append(
                {
                    "setting": setting, "attack": attack, "goal": "untargeted", "epsilon": np.nan, "source": source,
                    "target": target, "fit": "white", "image": np.arange(n), "reached": rng.random(n) < rate(i, j),
                    "clean_error": np.zeros(n, bool), **more,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def within(i, j):
    return 0.8 if FAMILIES[i] == FAMILIES[j] else 0.3


def run(name, **tables):
    return ANALYSES[name].table({"models": models(), **tables}, OPTIONS)


def test_families_are_found_where_they_are_and_not_where_they_are_not():
    (row,) = run("families", outcomes=outcomes(within)).to_dict("records")
    assert row["pairs_within"] == 2 + 6
    assert row["difference"] == pytest.approx(0.5, abs=0.05)
    assert row["low"] < 0.5 < row["high"]
    assert row["p_value"] < 0.05
    (row,) = run("families", outcomes=outcomes(lambda i, j: 0.4)).to_dict("records")
    assert row["low"] < 0 < row["high"]
    assert row["p_value"] > 0.05


def test_the_permutation_test_keeps_its_level():
    rng = np.random.default_rng(0)
    families = np.array(list("AABBBCC"))
    p_values = [permutation_p(rng.random((7, 7)), families, seed, 199) for seed in range(200)]
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.06)


def test_asymmetry_is_more_than_chance_only_where_it_is_there():
    (row,) = run("asymmetry", outcomes=outcomes(lambda i, j: 0.7 if i < j else 0.3)).to_dict("records")
    assert row["mean_difference"] == pytest.approx(0.4, abs=0.05)
    assert row["p_value"] < 0.01
    assert row["widest_rate"] > row["widest_rate_back"]
    (row,) = run("asymmetry", outcomes=outcomes(within)).to_dict("records")
    assert row["p_value"] > 0.05
    assert row["mean_difference"] == pytest.approx(row["by_chance"], rel=0.3)


def success_of(*settings):
    rows = [
        {"setting": s, "attack": a, "goal": "untargeted", "source": m, "n": 200, "count": 100, "excluded": False,
         "attack_parameters": json.dumps(p)}
        for s, a, p in settings
        for m in NAMES
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_ranking_puts_the_best_first_and_says_how_surely():
    tables = [
        outcomes(lambda i, j, r=r: r, setting=s, seed=k)
        for k, (s, r) in enumerate((("low", 0.2), ("high", 0.6), ("mid", 0.59)))
    ]
    success = success_of(("low", "fgsm", {}), ("high", "fgsm", {}), ("mid", "fgsm", {}))
    ranking = run("ranking", outcomes=pd.concat(tables), success=success)
    assert ranking["setting"].iloc[-1] == "low"
    assert ranking["p_value"].iloc[1] < 0.01
    assert ranking["to_next_low"].iloc[1] > 0.3
    assert (ranking["images"] == 200).all()
    assert np.isnan(ranking["to_next"].iloc[-1])


def test_sweeps_find_what_varies_alone():
    settings = [(f"s{e}-{t}", "i_fgsm", {"epsilon": e, "steps": t, "loss": "ce"}) for e in (0.1, 0.2) for t in (5, 10)]
    tables = [
        outcomes(lambda i, j, k=k: 0.2 + 0.2 * k, setting=s, seed=k, attack="i_fgsm")
        for k, (s, _, _) in enumerate(settings)
    ]
    found = run("sweeps", outcomes=pd.concat(tables), success=success_of(*settings))
    assert len(found.groupby(["parameter", "fixed"])) == 4
    steps = found[(found["parameter"] == "steps") & (found["fixed"].str.contains('"epsilon": 0.1'))]
    assert steps["value"].tolist() == [5, 10]
    assert steps["to_previous"].iloc[1] == pytest.approx(0.2, abs=0.05)
    assert steps["to_previous_low"].iloc[1] > 0.1
    assert np.isnan(steps["to_previous"].iloc[0])


def test_contrasts_are_paired_by_image():
    rng = np.random.default_rng(0)
    easy = rng.random(300)
    made = pd.DataFrame(
        {
            "setting": "s", "attack": "fgsm", "goal": "untargeted",
            "source": ["a1"] * 300 + ["b1"] * 300,
            "image_id": [str(i) for i in range(300)] * 2,
            "success": np.concatenate([easy < 0.6, easy < 0.5]),
            "seconds": np.concatenate([easy + 2, easy + 1 + np.arange(300) % 2 / 1000]),
            "ssim": 0.9,
        }
    )  # fmt: skip
    found = run("contrasts", adversarials=made).set_index("measure")
    assert found.loc["seconds", "difference"] == pytest.approx(1, abs=1e-3)
    # The same images are easy for both, so the interval is far narrower than that of two independent samples.
    assert found.loc["seconds", "high"] - found.loc["seconds", "low"] < 1e-3
    in_one_batch = run("contrasts", adversarials=made.assign(seconds=[2.0] * 300 + [1.0] * 300)).set_index("measure")
    assert in_one_batch.loc["seconds", "difference"] == 1
    assert np.isnan(in_one_batch.loc["seconds", "low"])
    assert found.loc["success", "difference"] == pytest.approx(((easy < 0.6) & (easy >= 0.5)).mean())
    assert found.loc["success", "p_value"] < 0.01
    assert found.loc["noise", "difference"] == pytest.approx(0)


def test_pareto_and_fit_are_those_of_hand():
    accuracy = np.array([0.5, 0.6, 0.7, 0.8, np.nan])
    robustness = np.array([4.0, 1.0, 3.0, 2.0, 9.0])
    assert pareto(accuracy, robustness).tolist() == [True, False, True, True, False]
    a, b = fit_log(accuracy[:4], 6.2e-2 + 2.9e-2 * np.log(1 - accuracy[:4]))
    assert (a, b) == (pytest.approx(6.2e-2), pytest.approx(2.9e-2))
    assert np.isnan(fit_log(accuracy[:1], robustness[:1])).all()


def test_the_frontier_of_tables_is_the_line_they_were_made_from():
    rng = np.random.default_rng(0)
    accuracy = models()["published_top1"].to_numpy()
    true = 0.062 + 0.029 * np.log(1 - accuracy)
    made = pd.DataFrame(
        {
            "setting": "m", "source": np.repeat(NAMES, 200), "image_id": np.tile([str(i) for i in range(200)], 6),
            "success": True, "linf": np.repeat(true, 200) * rng.uniform(0.8, 1.2, 1200), "goal": "random",
        }
    )  # fmt: skip
    success = pd.DataFrame(
        {"setting": ["m"], "attack": ["minimal_i_fgsm"], "goal": ["random"], "attack_parameters": ["{}"]}
    )
    found = run("frontier", adversarials=made, success=success).set_index(["images", "accuracy", "models"])
    row = found.loc[("all", "published", "all")]
    assert row["b"] == pytest.approx(0.029, rel=0.05)
    assert row["b_low"] < 0.029 < row["b_high"]
    assert row["n_models"] == 6
    assert row["log_correlation"] > 0.99
    means = run("robustness", adversarials=made, success=success)
    assert set(means["images"]) == {"all", "common"}
    assert means["mean"].to_numpy()[:6] == pytest.approx(true, rel=0.05)


def test_what_is_divided_by_what():
    assert divided("l2", 10, "values") == 300
    assert divided("clever_l2", 10, "pixels") == 100
    assert divided("linf", 10, "values") == divided("clever_linf", 10, "values") == divided("l2", 10, "none") == 1
    assert norm_of("minimal_i_fgsm", {}) == "linf"
    assert norm_of("carlini_wagner", {"confidence": 0.0}) == "l2"
    assert norm_of("carlini_wagner", {"confidence": 10}) is None
    assert norm_of("deepfool", {"norm": "linf"}) == "linf"
    assert norm_of("fgsm", {"epsilon": 0.1}) is None


def test_resampling():
    weights = image_weights(50, 3, "x", draws=400)
    assert (weights.sum(1) == 50).all()
    assert np.array_equal(weights, image_weights(50, 3, "x", draws=400))
    table = outcomes(within, n=50)
    found = outcomes_of(table, NAMES, 60)
    assert np.isnan(found.reached[:, :, 50:]).all()
    assert found.rates(np.ones((1, 60)))[0] == pytest.approx(found.rates())
    covered = 0
    for seed in range(100):
        values = np.random.default_rng(seed).random(60) < 0.3
        low, high = interval(image_weights(60, seed, "c", draws=300) @ values / 60)
        covered += low <= 0.3 <= high
    assert covered >= 85
    assert sign_p_value(np.linspace(-1, 1, 101)) == pytest.approx(1, abs=0.02)
    assert sign_p_value(np.full(999, 0.2)) == pytest.approx(2 / 1000)


def test_wordnet_distances_are_those_of_the_tree():
    # Great white shark and tiger shark: by mackerel shark and requiem shark to "shark".
    assert wordnet_distances(np.array([2]), np.array([3])) == 4
    assert wordnet_distances(np.array([7, 281]), np.array([7, 282])).tolist() == [
        0,
        2,
    ]  # tabby and tiger cat: domestic cat
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 1000, (2, 200))
    assert np.array_equal(wordnet_distances(first, second), wordnet_distances(second, first))


def test_wordnet_counts_what_the_model_gets_right():
    said = pd.DataFrame(
        {"model": "m", "image_id": ["x", "y"], "label": [2, 2], "least_likely": [3, 900], "correct": [True, True]}
    )
    found = run("wordnet", predictions=pd.concat([said, said.assign(correct=False)]))
    assert found["distance"].tolist()[0] == 4
    assert found["unrelated"].tolist() == [False, True]
