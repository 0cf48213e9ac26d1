"""Claims of the papers on studies of which the truth is known: in both directions, and how often they err."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from advatlas.analyses import ANALYSES
from advatlas.analyses.claims import MODULES
from advatlas.analyses.frontier import PAPER_SIX
from advatlas.analyses.reproduction import LOOKUPS
from advatlas.claims import PAPERS
from advatlas.claims.claim import FAILS, HOLDS, NOT_RUN, OPEN, Claim, Effect, Missing, holm, judge_all
from advatlas.claims.evidence import Matrices
from advatlas.models.pretrained import groups, zoo
from advatlas.storage.artifacts import read_published
from tests.conftest import SHARED
from tests.synthetic import Made, models_table, transfer_tables

ROOT = Path(__file__).resolve().parents[2]
LEAST = {"su2018": 12, "bendaya2020": 8, "juraev2023": 8, "campbell2024": 8, "donoghue2020": 6}


def judged(paper, tables, dataset):
    options = {"seed": 3, "contrasts": [], "paper": paper, "dataset": dataset}
    return ANALYSES["claims"].table(tables, options).set_index("claim")


@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_has_its_claims_each_named_once(paper):
    claims = MODULES[paper].CLAIMS
    assert len(claims) >= LEAST[paper]
    assert len({claim.name for claim in claims}) == len(claims)
    assert all(claim.sentence.endswith((".", ")")) and claim.where for claim in claims)


def test_a_claim_is_judged_by_its_interval():
    def of(low, high):
        draws = np.linspace(low - 0.026 * (high - low), high + 0.026 * (high - low), 2001)
        return Claim("x", "x", "x", lambda _e: Effect((low + high) / 2, draws, 10, over="models"), above=0.1, below=0.5)

    assert of(0.2, 0.4).judge(None)["verdict"] == HOLDS
    assert of(0.0, 0.05).judge(None)["verdict"] == FAILS
    assert of(0.6, 0.7).judge(None)["verdict"] == FAILS
    assert of(0.0, 0.2).judge(None)["verdict"] == OPEN
    assert of(0.4, 0.6).judge(None)["verdict"] == OPEN


def test_where_no_image_differs_few_images_decide_nothing():
    few = Effect(0.0, np.zeros(100), 20)
    assert few.interval == pytest.approx((-0.1425, 0.1425), abs=1e-3)
    many = Effect(1.0, np.ones(100), 1000)
    assert many.interval[0] > 0.997
    assert many.interval[1] == 1.0


def test_the_p_value_agrees_with_the_interval():
    rng = np.random.default_rng(0)
    for mean in (-0.5, 0.0, 0.15, 0.3, 1.0):
        effect = Effect(mean, rng.normal(mean, 0.1, 4000), 100)
        for above, below in ((0.0, np.inf), (-0.2, 0.2), (-np.inf, 0.1)):
            row = Claim("x", "x", "x", lambda _e, effect=effect: effect, above=above, below=below).judge(None)
            assert (row["p_value"] < 0.05) == (row["verdict"] in (HOLDS, FAILS))


def test_holm_is_the_textbooks():
    assert holm([0.01, 0.04, 0.03, np.nan, 0.005]) == pytest.approx([0.03, 0.06, 0.06, np.nan, 0.02], nan_ok=True)


def test_all_tested_together_err_seldom():
    """Of many families of claims that lie on their bound, at most a few have any verdict after correction."""
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(300):
        claims = [
            Claim(f"c{i}", "x", "x", lambda _e, at=at: Effect(at, rng.normal(at, 1, 2000), 100))
            for i, at in enumerate(rng.normal(0, 1, 10))
        ]
        wrong += any(row["verdict_holm"] in (HOLDS, FAILS) for row in judge_all(claims, None))
    assert wrong <= 27  # of 300; below 1 in 1,000 if the rate is 5%


# ---- su2018


def su2018(*, true: bool, images: int = 250) -> dict[str, pd.DataFrame]:
    """The 18 models, with everything the paper found (or its contrary)."""
    cards = [zoo()[name] for name in groups()["su2018"]]
    models = models_table(
        [
            {
                "model": card.name, "family": card.family, "layers": card.layers, "parameters": card.parameters,
                "published_top1": card.top1 / 100, "test_accuracy": card.top1 / 100, "input_size": card.view.size,
            }
            for card in cards
        ]
    )  # fmt: skip
    families = models["family"].to_numpy()
    n = len(models)
    own = np.eye(n, dtype=bool)
    same = families[:, None] == families[None]
    vgg = (families == "VGG")[:, None] & np.ones((n, n), bool)
    rng = np.random.default_rng(5)
    error = np.log(1 - models["published_top1"].to_numpy(np.float64))
    robust = 0.1 + 0.02 * (error if true else error.min() + error.max() - error)
    if not true:
        # Depth makes ResNets and the like less robust, and families do not matter.
        robust = rng.permutation(robust)
        robust[np.argmax(models["published_top1"])] = 2 * robust.max()
        robust[np.argmin(models["published_top1"])] = 0.5 * robust.min()
    for family in ("ResNet", "Inception", "DenseNet"):
        places = models.index[models["family"] == family]
        order = list(models.loc[places].sort_values("layers", kind="stable").index)
        base = robust[order].mean()
        robust[order] = base * (1 + (0.02 if true else -0.1) * np.arange(len(order)))

    def rates(success, transfer):
        if true:
            found = np.full((n, n), float(transfer)) + 0.15 * (same & ~own) + 0.15 * vgg
        else:
            found = np.full((n, n), float(transfer)) - 0.1 * vgg
        found[own] = success
        return found.clip(0, 1)

    def distances(scale):
        size = models["input_size"].to_numpy(np.float64)[:, None] if scale != 1 else 1.0
        return scale * size**2 * robust[:, None] * rng.lognormal(0, 0.1, (n, images))

    settings = [
        *(Made("fgsm", rates(s, t), parameters={"epsilon": e}) for e, s, t in zip(
            (0.1, 0.2, 0.3), (0.7, 0.8, 0.9), (0.5, 0.6, 0.7) if true else (0.3, 0.2, 0.15), strict=True)),
        *(Made("fgsm", rates(s, 0.004 if true else 0.3), "random", {"epsilon": e})
          for e, s in zip((0.1, 0.2, 0.3), (0.024, 0.014, 0.006) if true else (0.05, 0.1, 0.2), strict=True)),
        *(Made("i_fgsm", rates(0.99, t), parameters={"epsilon": 0.3, "steps": k})
          for k, t in zip((10, 30, 50), (0.5, 0.42, 0.35) if true else (0.2, 0.3, 0.4), strict=True)),
        *(Made("i_fgsm", rates(0.99, t), parameters={"epsilon": e, "steps": 10})
          for e, t in zip((0.1, 0.2), (0.3, 0.4) if true else (0.4, 0.3), strict=True)),
        Made("i_fgsm", rates(0.99 if true else 0.6, 0.01 if true else 0.5), "random", {"epsilon": 0.3, "steps": 10}),
        *(Made("carlini_wagner", rates(s, t), parameters={"confidence": k})
          for k, s, t in zip((0, 20, 40), (0.98, 0.8, 0.4) if true else (0.4, 0.8, 0.98), (0.02, 0.03, 0.04)
                             if true else (0.7, 0.72, 0.75), strict=True)),
        Made("carlini_wagner", rates(0.995 if true else 0.7, 0.01), "random", {"confidence": 0}, distances(1e-4)),
        *(Made("ead", rates(0.98, t), parameters={"confidence": k})
          for k, t in zip((0, 20, 40), (0.1, 0.16, 0.22) if true else (0.6, 0.5, 0.4), strict=True)),
        Made("ead", rates(0.995 if true else 0.7, 0.01), "random", {"confidence": 0}),
        Made("minimal_i_fgsm", rates(1.0, 0.01), "random", {"initial_epsilon": 0.02}, distances(1)),
    ]  # fmt: skip
    tables = transfer_tables(models, settings, images)
    needed = distances(1e-4)
    rows = []
    for place, name in enumerate(models["model"]):
        # The contrary: above what C&W needs, and ranked against it but for the paper's six, where the slope is wrong too.
        against = 3 * needed.max() ** 2 / needed[place] / needed.min()
        score = 0.3 * needed[place] if true else 3 * needed[place] if name in PAPER_SIX else against
        rows.append(pd.DataFrame({"image_id": [f"image{i:04d}" for i in range(images)], "label": 0, "goal": "random",
                                  "model": name, "norm": "l2", "score": score}))  # fmt: skip
    tables["clever"] = pd.concat(rows, ignore_index=True)
    tables["wordnet"] = pd.DataFrame(
        {"model": "inception_v1", "image_id": range(1000), "unrelated": rng.random(1000) < (0.966 if true else 0.7)}
    )
    return tables


def test_the_findings_of_su2018_hold_where_they_are_true():
    found = judged("su2018", su2018(true=True), "imagenet")
    assert set(found["verdict"]) == {HOLDS}, found[["verdict", "effect", "low", "high", "detail"]]


def test_the_findings_of_su2018_fail_where_they_are_false():
    found = judged("su2018", su2018(true=False), "imagenet")
    # These two are true here; below they are not.
    assert HOLDS not in set(found["verdict"].drop(["architecture_over_size", "asymmetric"])), found["verdict"]
    assert (found["verdict"] == FAILS).sum() >= 20, found[["verdict", "effect", "low", "high"]]


def test_transfer_that_is_the_same_both_ways_is_not_asymmetric():
    tables = six([(0.3, np.full((6, 6), 0.4))], 200, 0)
    for name in ("success", "outcomes"):
        tables[name]["attack"] = "i_fgsm"
    by_pair = tables["outcomes"].set_index(["source", "target"])["reached"]
    same = [
        by_pair[min(pair), max(pair)]
        for pair in zip(tables["outcomes"]["source"], tables["outcomes"]["target"], strict=True)
    ]
    tables["outcomes"]["reached"] = same
    found = judged("su2018", tables, "imagenet").loc["asymmetric"]
    assert (found["verdict"], found["effect"]) == (OPEN, 0.0)


def test_where_size_alone_matters_architecture_does_not():
    rows = [
        {
            "model": f"m{i}",
            "family": f"f{i % 3}",
            "parameters": 1e6 * (1 + 10 * (i >= 6)),
            "test_accuracy": 0.5 + 0.01 * i,
        }
        for i in range(12)
    ]
    rng = np.random.default_rng(0)
    robust = np.repeat([0.05, 0.2], 6)[:, None] * rng.lognormal(0, 0.1, (12, 200))
    setting = Made("minimal_i_fgsm", np.ones((12, 12)), "random", {"initial_epsilon": 0.02}, robust)
    found = judged("su2018", transfer_tables(models_table(rows), [setting], 200), "imagenet")
    assert found.loc["architecture_over_size", "verdict"] == FAILS


# ---- bendaya2020

ARCHITECTURES = ("alexnet", "googlenet", "lenet", "nin", "resnet20", "squeezenet")
KINDS = ("gaussian", "msra", "xavier")


def bendaya2020(*, true: bool, dataset: str, images: int = 400) -> dict[str, pd.DataFrame]:
    """Eighteen networks with everything the paper found on a data set (or its contrary)."""
    architectures = (
        ARCHITECTURES if dataset == "mnist" else ("alexnet", "googlenet", "lenet5", "nin", "squeezenet", "vgg16")
    )
    rng = np.random.default_rng(2)
    rows = []
    better = np.zeros((len(architectures), 3))
    for a, architecture in enumerate(architectures):
        # Which initialisation gives the best network differs; where the paper names a Gaussian one it is as there.
        shift = {"alexnet": 2, "lenet": 2, "lenet5": 0}.get(architecture, a % 3)
        for k, kind in enumerate(KINDS):
            size = 10 ** ((7 * a) % 5) if true else 10**a
            better[a, k] = (k + shift) % 3 if true else k
            # Size says nothing of success; within an architecture the better network is the more robust one.
            rows.append({"model": f"{architecture}_{kind}", "architecture": architecture, "family": architecture,
                         "initialisation": kind, "macs": size * 1e6 * (1 + 0.01 * k),
                         "parameters": size * 1e5 * (1 + 0.01 * k),
                         "test_accuracy": 0.9 + 0.01 * ((5 * a) % 7) + 0.004 * better[a, k]})  # fmt: skip
    models = models_table(rows)
    n = len(models)
    weak = {"mnist": "resnet20", "cifar10": "lenet5"}[dataset]
    robust = {"mnist": ("alexnet", "nin", "squeezenet"), "cifar10": ("nin", "squeezenet")}[dataset]
    base = np.empty(n)
    for i, row in models.iterrows():
        place = architectures.index(row["architecture"])
        if true:
            level = 0.75 if row["architecture"] == weak else 0.35 if row["architecture"] in robust else 0.55
            base[i] = level - 0.07 * better[place, KINDS.index(row["initialisation"])] + 0.005 * rng.standard_normal()
        else:
            level = 0.2 if row["architecture"] == weak else 0.7 if row["architecture"] in robust else 0.4
            base[i] = level * 0.3 + 0.1 + 0.02 * place + 0.3 * KINDS.index(row["initialisation"]) / 2
    if dataset == "cifar10":
        base[models["model"] == "alexnet_gaussian"] = 0.2 if true else 0.8
        base[models["model"] == "lenet5_gaussian"] = 0.77 if true else 0.15
    quiet = models["model"].isin(["alexnet_gaussian", "lenet_gaussian"]).to_numpy()
    more = dataset == "cifar10"

    def rates(own_shift, transfer, *, silent=True):
        found = np.full((n, n), float(transfer))
        gaussian = (models["initialisation"] == "gaussian").to_numpy()
        found += (0.08 if true else -0.01) * gaussian[None]
        if dataset == "cifar10":
            found += (0.1 if true else -0.08) * (models["architecture"] == "alexnet").to_numpy()[:, None]
        success = (base + own_shift).clip(0, 1)
        if dataset == "mnist" and true and silent:
            success[quiet] = 0.002
        found[np.eye(n, dtype=bool)] = success
        return found.clip(0, 1)

    sign = 1 if true else -1
    settings = []
    for step, epsilon in enumerate((0.1, 0.2, 0.3) if dataset == "mnist" else (2 / 255, 4 / 255, 8 / 255)):
        shift = sign * 0.06 * (step - 1)
        iterated = sign * (0.05 if more else -0.05)
        settings.append(Made("fgsm", rates(shift - sign * 0.04, 0.3 + shift), parameters={"epsilon": epsilon}))
        settings.append(
            Made("i_fgsm", rates(shift + sign * 0.04, 0.3 + shift + iterated), parameters={"epsilon": epsilon})
        )
    pixel = np.full((n, n), 0.005 if (dataset == "mnist") == true else 0.1)
    pixel[0, 0] = {("mnist", True): 0.02, ("mnist", False): 0.2, ("cifar10", True): 0.48, ("cifar10", False): 0.1}[
        dataset, true
    ]
    settings.append(Made("one_pixel", pixel, parameters={"population": 20}))
    return transfer_tables(models, settings, images)


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_the_findings_of_bendaya2020_in_both_directions(dataset):
    found = judged("bendaya2020", bendaya2020(true=True, dataset=dataset), dataset)
    run = found[found["verdict"] != NOT_RUN]
    assert len(run) >= 15
    # Eighteen networks are too few to rule out a rank correlation of one half.
    correlations = ["macs_and_success", "parameters_and_success", "accuracy_across"]
    sure = run.drop(correlations)
    assert set(sure["verdict"]) == {HOLDS}, sure[["verdict", "effect", "low", "high", "detail"]]
    assert FAILS not in set(run["verdict"])
    elsewhere = "a finding on cifar10" if dataset == "mnist" else "a finding on mnist"
    assert found.loc[found["verdict"] == NOT_RUN, "detail"].str.startswith(elsewhere).all()
    found = judged("bendaya2020", bendaya2020(true=False, dataset=dataset), dataset)
    run = found[found["verdict"] != NOT_RUN]
    # On CIFAR-10 the planted exceptions make architectures differ; on MNIST this one is false too.
    may_hold = [*correlations, *(["architecture_over_initialisation"] if dataset == "cifar10" else [])]
    assert HOLDS not in set(run["verdict"].drop(may_hold)), run[run["verdict"] == HOLDS]
    assert (run["verdict"] == FAILS).sum() >= 10, run[["verdict", "effect", "low", "high"]]


# ---- juraev2023


def juraev2023(*, true: bool, images: int = 400) -> dict[str, pd.DataFrame]:
    """The 14 models with everything the paper found (or its contrary)."""
    names = groups()["juraev2023"]
    level = {f"vgg{d}": 0.80 - 0.05 * i for i, d in enumerate((11, 13, 16, 19))}
    level |= {f"{name}_bn": value + 0.06 for name, value in level.items()}
    level |= {"inception_v3_torchvision": 0.73, "inception_v4": 0.49, "inception_resnet_v2": 0.40,
              "mobilenet_v2": 0.97, "mobilenet_v3_small": 0.9, "mobilenet_v3_large": 0.89}  # fmt: skip
    seconds = {f"vgg{d}{bn}": 1.0 + 0.4 * i for i, d in enumerate((11, 13, 16, 19)) for bn in ("", "_bn")}
    seconds |= {"inception_v3_torchvision": 1.9, "inception_v4": 2.6, "inception_resnet_v2": 4.0}
    noise = {"inception_v3_torchvision": 0.009, "inception_v4": 0.0125, "inception_resnet_v2": 0.013}
    models = models_table(
        [{"model": name, "family": "x", "top5_accuracy": 0.95 if ("_bn" in name) == true else 0.88} for name in names]
    )
    value = np.array([level[name] for name in names])
    time = np.array([seconds.get(name, 1.0) for name in names])
    loud = np.array([noise.get(name, 0.010) for name in names])
    if not true:
        value, time = 1 - value, 1 / time
        loud = np.where([name.endswith("_bn") for name in names], 0.02, loud)
        loud = np.where([name.startswith("vgg19") for name in names], loud + 0.01, loud)
        loud = np.where(["inception_v3" in name for name in names], 0.02, loud)
        time *= np.where([name.endswith("_bn") for name in names], 3.0, 1.0)
    rng = np.random.default_rng(0)
    settings = []
    for attack in ("fgsm", "pgd", "carlini_wagner"):
        rates = np.full((len(names), len(names)), 0.2)
        rates[np.eye(len(names), dtype=bool)] = value
        jitter = np.exp(0.05 * rng.standard_normal(len(names)))
        settings.append(Made(attack, rates, parameters={"confidence": 0}, seconds=time * jitter, noise=loud))
    return transfer_tables(models, settings, images)


def test_the_findings_of_juraev2023_in_both_directions():
    found = judged("juraev2023", juraev2023(true=True), "imagenet")
    assert set(found["verdict"]) == {HOLDS}, found[["verdict", "effect", "low", "high", "detail"]]
    found = judged("juraev2023", juraev2023(true=False), "imagenet")
    assert set(found["verdict"]) == {FAILS}, found[["verdict", "effect", "low", "high", "detail"]]


# ---- how often the kinds of test err


def six(rates, images, seed, **more):
    rows = [{"model": f"m{i}", "architecture": f"a{i // 2}", "family": f"f{i // 2}", **more} for i in range(6)]
    return transfer_tables(
        models_table(rows), [Made("fgsm", r, parameters={"epsilon": e}) for e, r in rates], images, seed
    )


def pooled_difference(seed):
    """Two settings that transfer alike."""
    same = np.full((6, 6), 0.3)
    evidence = Matrices(six([(0.1, same), (0.2, same)], 60, seed), seed)
    found, n = evidence.rates(evidence.those("fgsm"))
    return (found[0].mean(~evidence.own) - found[1].mean(~evidence.own)).effect(n)


def rising(seed):
    same = np.full((6, 6), 0.3)
    evidence = Matrices(six([(0.1, same), (0.2, same), (0.3, same)], 60, seed), seed)
    return evidence.rising(evidence.sweep("fgsm", "epsilon"), ~evidence.own, "epsilon")


def proportion(seed):
    count = np.random.default_rng(seed).binomial(80, 0.3)
    evidence = Matrices(six([(0.1, np.full((6, 6), 0.3))], 2, seed), seed)
    found = evidence.proportion(count, 80)
    return Effect(found.value - 0.3, found.draws - 0.3, 80)


def correlation(seed):
    rng = np.random.default_rng(seed)
    evidence = Matrices(six([(0.1, np.full((6, 6), 0.3))], 2, 0), seed)
    return evidence.correlation(rng.random(14), rng.random(14))


def correlation_within(seed):
    rng = np.random.default_rng(seed)
    evidence = Matrices(six([(0.1, np.full((6, 6), 0.3))], 2, 0), seed)
    groups = [f"g{i // 3}" for i in range(15)]
    shift = np.repeat(10 * rng.random(5), 3)
    return evidence.correlation(shift + rng.standard_normal(15), shift + rng.standard_normal(15), groups=groups)


def over_models(seed):
    rng = np.random.default_rng(seed)
    evidence = Matrices(six([(0.1, np.full((6, 6), 0.3))], 2, 0), seed)
    return evidence.over_models(rng.standard_normal(6))


def families(seed):
    """Transfer that has nothing to do with families, between models that differ."""
    rng = np.random.default_rng(seed)
    rates = (0.2 + 0.3 * rng.random((6, 1)) + 0.2 * rng.random((1, 6))) * np.ones((6, 6))
    tables = six([(0.1, rates)], 40, seed)
    for name in ("success", "outcomes"):
        tables[name]["attack"] = "i_fgsm"
    return MODULES["su2018"]._families(Matrices(tables, seed))


@pytest.mark.parametrize(
    "kind", [pooled_difference, rising, proportion, correlation, correlation_within, over_models, families]
)
def test_a_finding_that_is_on_its_bound_is_seldom_said_to_hold(kind):
    """Each kind of test, 200 times where the effect is exactly the bound: a share of 2.5% may hold by chance."""
    claim = Claim("x", "x", "x", kind)
    held = sum(claim.judge(seed)["verdict"] == HOLDS for seed in range(200))
    assert held <= 13  # below 1 in 1,000 if the rate is 2.5%; a rate of 7% would be seen nearly always


def test_what_a_study_lacks_is_not_run_and_said():
    tables = six([(0.1, np.full((6, 6), 0.3))], 20, 0)
    found = judged("bendaya2020", tables, "mnist")
    assert found.loc["iterating_raises_success", "verdict"] == NOT_RUN
    assert "i_fgsm" in found.loc["iterating_raises_success", "detail"]
    with pytest.raises(Missing, match="family VGG"):
        Matrices(tables, 0).where("family", "VGG")


# ---- published numbers


@pytest.mark.parametrize("paper", PAPERS)
def test_published_numbers_are_readable_and_known(paper):
    rows = read_published(ROOT / "resources" / "published" / f"{paper}.csv").to_dict("records")
    assert {"text", "picture"} <= {row["printed_in"] for row in rows} <= {"table", "text", "picture"}
    claims = {claim.name for claim in MODULES[paper].CLAIMS}
    named = {row["model"] for row in rows if row["quantity"] == "parameters"}
    if paper in groups() and named:
        # Papers of pretrained models: every model of the group, by the name it has here.
        assert named == set(groups()[paper]), named ^ set(groups()[paper])
    for row in rows:
        if row["printed_in"] == "picture":
            assert row["value"] == ""
            continue
        assert row["quantity"] in LOOKUPS
        assert row["wording"]
        assert row["quantity"] == "trains" or np.isfinite(float(row["value"]))
        assert row["quantity"] != "claim" or row["model"] in claims, row


@pytest.mark.skipif(
    not (SHARED / "papers").is_dir(), reason="no papers at ADVATLAS_SHARED: numbers are not looked up there"
)
@pytest.mark.parametrize("paper", PAPERS)
def test_published_numbers_stand_in_the_paper(paper):
    """Each value as it is printed; those that we rescaled (millions, 255ths) are looked for as printed."""
    text = (SHARED / "papers" / f"{paper}.md").read_text(encoding="utf-8").replace(",", "")
    with open(ROOT / "resources" / "published" / f"{paper}.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["value"] and row["quantity"] != "common_images":
                value = float(row["value"])
                forms = {row["value"], f"{value:g}", f"{value * 1e6:.0f}", f"{value:.1f}", f"{value:.2f}", f"{value:.4f}",
                         f"{100 * value:g}", f".{row['value'].partition('.')[2]}"}  # fmt: skip
                assert any(form and form in text for form in forms), row


def test_the_papers_numbers_stand_beside_ours():
    cards = [zoo()[name] for name in PAPER_SIX]
    models = models_table(
        [
            {"model": card.name, "family": card.family, "parameters": card.parameters, "published_top1": card.top1 / 100,
             "test_accuracy": card.top1 / 100 + 0.05}
            for card in cards
        ]
    )  # fmt: skip
    error = np.log(1 - models["published_top1"].to_numpy(np.float64))
    distance = (0.1 + 0.02 * error)[:, None] * np.random.default_rng(0).lognormal(0, 0.05, (6, 150))
    settings = [
        Made("minimal_i_fgsm", np.ones((6, 6)), "random", {"initial_epsilon": 0.02}, distance),
        Made("i_fgsm", np.ones((6, 6)), parameters={"epsilon": 0.3, "steps": 10}),
    ]
    tables = transfer_tables(models, settings, 150)
    options = {"seed": 3, "contrasts": [], "paper": "su2018", "dataset": "imagenet"}
    for name in ("claims", "frontier"):
        tables[name] = ANALYSES[name].table(tables, options)
    tables["published"] = read_published(ROOT / "resources" / "published" / "su2018.csv")
    found = ANALYSES["reproduction"].table(tables, options)
    vgg = found[(found["model"] == "vgg16") & (found["quantity"] == "top1")].iloc[0]
    assert (vgg["published"], vgg["ours"], vgg["inside"]) == (71.5, pytest.approx(76.5), False)
    parameters = found[(found["model"] == "alexnet") & (found["quantity"] == "parameters")].iloc[0]
    assert parameters["ours"] == pytest.approx(61.10084)
    assert parameters["difference"] == pytest.approx(1.10084)
    slope = found[(found["quantity"] == "fit_b") & (found["where"].str.startswith("Fig. 2(a)"))].iloc[0]
    assert slope["low"] < 2.0 < slope["high"], "planted: 0.02 for each unit of ln(error)"
    assert (slope["published"], slope["note"][:8]) == (2.9, "6 models")
    success = found[(found["attack"] == "i_fgsm") & (found["quantity"] == "success")].iloc[0]
    assert (success["ours"], success["inside"]) == (100.0, True)
    assert found[found["printed_in"] == "picture"]["note"].str.contains("picture").all()
    assert found[found["attack"] == "ead"]["note"].str.contains("was not run").all()
