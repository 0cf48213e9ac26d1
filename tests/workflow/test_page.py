"""The page of a study in a real browser, from disk, without a network; and what else a finished study is opened with.

Chromium is Debian's (``apt install chromium``); where there is none the tests say so and are skipped. ``ADVATLAS_PAGE``
names another page to try instead of a small study's, for instance that of a run of ``mnist_quick``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from advatlas.analyses import ANALYSES
from advatlas.claims.claim import FAILS, HOLDS
from advatlas.comparison import compare, newcombe
from advatlas.errors import AdvatlasError
from advatlas.metrics.intervals import wilson
from advatlas.report.page import LIMIT, About, write_page
from advatlas.results import open_study
from tests.conftest import ROOT
from tests.synthetic import page_tables
from tests.workflow.running import MODELS, Run

pytestmark = pytest.mark.workflow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browsing = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here (apt install chromium): the page is not opened"
)


@pytest.fixture(scope="module")
def real(finished: Run) -> Path:
    return Path(os.environ.get("ADVATLAS_PAGE") or finished.results / "report.html").resolve()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study of 18 models and 30 settings that was never run."""
    path = tmp_path_factory.mktemp("large") / "report.html"
    about = About("synthetic", "a study that was never run", "", {"models": "17 of 18"}, {"seed": "1"})
    write_page(page_tables(models=18, settings=30), about, path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Opened:
    """A page opened from disk without a network, and what went wrong on it."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        self.page = context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda r: self.asked(r.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_function("document.documentElement.dataset.ready === 'yes'", timeout=30_000)

    def asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(f"asked for {url}")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.page.evaluate(script, *arguments)

    def matrix(self) -> str:
        return str(self.run("document.getElementById('matrix-table').innerText"))

    def choose(self, control: str, value: str) -> float:
        """Choose an option and return the milliseconds until it is drawn."""
        script = """([id, value]) => {
            const select = document.getElementById(id), before = performance.now();
            select.value = value;
            select.dispatchEvent(new Event('change'));
            document.body.getBoundingClientRect();
            return performance.now() - before;
        }"""
        return float(self.run(script, [control, value]))

    def options(self, control: str) -> list[str]:
        return list(self.run("id => [...document.getElementById(id).options].map(o => o.value)", control))


@browsing
@pytest.mark.parametrize("which", ["real", "large"])
def test_the_page_opens_from_disk_without_a_word(which, browser, request):
    path = request.getfixturevalue(which)
    assert path.stat().st_size < LIMIT
    opened = Opened(browser, path)
    assert opened.wrong == []
    assert opened.run("performance.getEntriesByName('first-contentful-paint')[0].startTime") < 2000
    assert opened.run("document.querySelectorAll('.findings li').length") >= 2


@browsing
def test_every_control_changes_the_picture_at_once(large, browser):
    """18 models and 30 settings: each option of each control shows another matrix, within 200 ms."""
    opened = Opened(browser, large)
    for control in ("attack", "goal", "setting", "measure", "denominator", "precision", "order"):
        if control in ("goal", "measure"):
            opened.choose("attack", "i_fgsm")  # the targeted one has more measures
        for value in opened.options(control)[1:][:4]:
            before = opened.matrix()
            taken = opened.choose(control, value)
            assert opened.matrix() != before, (control, value)
            assert taken < 200, (control, value)
    for control, plot in (
        ("robustness-measure", "robustness-plot"),
        ("attack-measure", "attack-plot"),
        ("training-measure", "training-plot"),
    ):
        before = opened.run(f"document.getElementById('{plot}').innerHTML")
        taken = opened.choose(control, opened.options(control)[1])
        assert opened.run(f"document.getElementById('{plot}').innerHTML") != before
        assert taken < 200, control
    assert opened.wrong == []


@browsing
def test_a_real_study_shows_another_matrix_for_each_setting(real, browser):
    opened = Opened(browser, real)
    seen = set()
    for attack in opened.options("attack"):
        opened.choose("attack", attack)
        for value in opened.options("setting"):
            opened.choose("setting", value)
            seen.add(opened.matrix())
    assert len(seen) >= 3
    assert opened.wrong == []


@browsing
def test_a_clicked_cell_shows_its_images(real, browser):
    opened = Opened(browser, real)
    opened.page.locator("#matrix-table td[data-at='0,1']").click()
    assert opened.run("document.getElementById('pair').open")
    names = opened.run("[...document.querySelectorAll('#matrix-table tbody th')].slice(0, 2).map(e => e.innerText)")
    assert opened.page.locator("#pair-title").inner_text() == f"{names[0]} → {names[1]}"
    said = re.search(r"\[([\d.]+)%, ([\d.]+)%\], (\d+) of (\d+)", opened.page.locator("#pair-rates").inner_text())
    low, high = wilson(int(said[3]), int(said[4]))
    assert (float(said[1]), float(said[2])) == pytest.approx((100 * float(low), 100 * float(high)), abs=0.051)
    opened.page.wait_for_function("[...document.querySelectorAll('#pair-images img')].every(i => i.complete)")
    widths = opened.run("[...document.querySelectorAll('#pair-images img')].map(i => i.naturalWidth)")
    assert len(widths) >= 3
    assert len(widths) % 3 == 0
    assert min(widths) >= 28
    text = opened.page.locator("#pair-images").inner_text()
    assert f"{names[0]} says" in text
    assert f"{names[1]} says" in text
    opened.page.keyboard.press("Escape")
    assert not opened.run("document.getElementById('pair').open")
    assert opened.wrong == []


@browsing
def test_it_can_be_used_by_keyboard(real, browser):
    opened = Opened(browser, real)
    opened.page.locator("#matrix-table td[data-at='0,0']").focus()
    assert "of" in opened.page.locator("#tip").inner_text(), "a focused cell says its n"
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("ArrowDown")
    assert opened.run("document.activeElement.dataset.at") == "1,1"
    opened.page.keyboard.press("Enter")
    assert opened.run("document.getElementById('pair').open")
    opened.page.keyboard.press("Escape")
    heading = opened.page.locator("#models th button").first
    heading.focus()
    first = opened.page.locator("#models tbody td").first.inner_text()
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#models tbody td").first.inner_text() != first


@browsing
def test_light_and_dark_phone_and_paper(real, browser):
    light, dark = (Opened(browser, real, scheme=scheme) for scheme in ("light", "dark"))
    ground = "getComputedStyle(document.body).backgroundColor"
    assert light.run(ground) != dark.run(ground)
    cell = "getComputedStyle(document.querySelector('#matrix-table td[data-at=\"0,0\"]')).backgroundColor"
    before = light.run(cell)
    light.page.locator("#theme").click()
    assert light.run(ground) == dark.run(ground)
    assert light.run(cell) != before
    phone = Opened(browser, real, width=360)
    assert phone.run("document.documentElement.scrollWidth") <= 360
    phone.page.emulate_media(media="print")
    assert not phone.page.locator("#controls").is_visible()
    assert phone.wrong == []


def test_the_page_says_what_the_paper_has_where(finished):
    text = (finished.results / "report.html").read_text(encoding="utf-8")
    for words in (
        "Tables 1 and 2",
        "Figs. 1 and 2",
        "Fig. 3",
        'id="figure-transfer-fgsm"',
        "Success goes up with the noise level.",
    ):
        assert words in text
    assert "findings of the paper" in finished.output
    assert "report.html" in finished.output


def test_the_page_stays_small(finished, tmp_path):
    """Figures are made smaller, then left out, until it does."""
    study = open_study(finished.results)
    tables = {name: study[name] for name in study.names}
    figures = [("a figure", path) for path in (finished.results / "figures").glob("*.png")]
    sizes = []
    for limit in (20_000_000, 5_400_000, 1):
        about = About("mine", "", "bendaya2020", {}, {}, figures=figures)
        write_page(tables, about, tmp_path / "report.html", limit)
        sizes.append((tmp_path / "report.html").stat().st_size)
    assert sizes[0] > sizes[2]
    assert sizes[1] <= sizes[0]
    assert b"<figure" not in (tmp_path / "report.html").read_bytes()


# ---- claims on a study that was run


def test_a_planted_change_turns_the_verdict(finished):
    study = open_study(finished.results)
    analysis = ANALYSES["claims"]
    tables = {name: study[name] for name in analysis.tables}
    options = {"seed": 1, "contrasts": [], "paper": "bendaya2020", "dataset": "mnist_sample"}
    found = study["claims"].set_index("claim")["verdict"]
    assert found["iterating_raises_success"] == HOLDS
    assert found["epsilon_raises_transfer"] == HOLDS
    outcomes = tables["outcomes"].copy()
    swapped = {"fgsm-epsilon0.1": "fgsm-epsilon0.2", "fgsm-epsilon0.2": "fgsm-epsilon0.1"}
    outcomes["setting"] = outcomes["setting"].replace(swapped)
    turned = analysis.table({**tables, "outcomes": outcomes}, options).set_index("claim")["verdict"]
    assert turned["epsilon_raises_transfer"] == FAILS
    assert turned["iterating_raises_success"] == HOLDS, "the other claim stands"
    outcomes = tables["outcomes"].copy()
    own = outcomes["attack"].eq("i_fgsm") & outcomes["source"].eq(outcomes["target"])
    none = outcomes["reached"].map(lambda row: np.zeros(len(row), bool))
    outcomes["reached"] = outcomes["reached"].where(~own, none)
    turned = analysis.table({**tables, "outcomes": outcomes}, options).set_index("claim")["verdict"]
    assert turned["iterating_raises_success"] == FAILS
    assert turned["epsilon_raises_transfer"] == HOLDS


def test_published_numbers_stand_beside_ours(finished):
    found = finished.table("reproduction")
    lenet = found[
        (found["model"] == "lenet_xavier") & (found["dataset"] == "mnist") & (found["quantity"] == "accuracy")
    ]
    assert lenet["published"].item() == 0.9904
    models = finished.table("models").set_index("model")
    assert lenet["ours"].item() == pytest.approx(models.loc["lenet_xavier", "test_accuracy"])
    assert found.loc[found["dataset"] == "cifar10", "note"].str.contains("cifar10|picture").all()


# ---- opened from Python and from the command line


def test_the_example_in_the_docs_runs(finished, tmp_path):
    script = ROOT / "docs" / "examples" / "open_study.py"
    done = subprocess.run(
        [sys.executable, script, finished.results], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "examples fool lenet_xavier" in done.stdout
    assert (tmp_path / "transfer.png").stat().st_size > 5000
    assert (tmp_path / "pair.png").stat().st_size > 5000


def test_a_study_is_opened(finished):
    study = open_study(finished.results)
    assert study.models == MODELS
    matrix = study.matrix("fgsm-epsilon0.2")
    success = study["success"].set_index(["setting", "source"])["rate"]
    assert matrix.loc["lenet_never"].isna().all()
    for model in study.models[:2]:
        assert matrix.loc[model, model] == success["fgsm-epsilon0.2", model]
        made = study.adversarials("fgsm-epsilon0.2", model)
        said = study.classifier(model)(made.images).argmax(1)
        assert float((said != made.labels).float().mean()) == pytest.approx(matrix.loc[model, model])
        assert float(made.perturbations.abs().max()) <= 0.2 + 1e-6
    # What a target said is what the classifier says, with the same confidence.
    answers = study.answers("fgsm-epsilon0.2", "lenet_msra", "lenet_xavier")
    made = study.adversarials("fgsm-epsilon0.2", "lenet_msra")
    probabilities = study.classifier("lenet_xavier")(made.images).softmax(1)
    assert (answers["prediction"].to_numpy() == probabilities.argmax(1).numpy()).all()
    assert np.allclose(answers["confidence"], probabilities.amax(1).detach().numpy(), atol=1e-5)
    fooled, matched = study.matrix("i_fgsm-random", measure="fooled"), study.matrix("i_fgsm-random")
    assert (fooled.iloc[:2, :2] >= matched.iloc[:2, :2]).all().all()
    for wrong, message in (
        (lambda: study["nothing"], "has no table 'nothing'"),
        (lambda: study.matrix("nothing"), "has no attack setting 'nothing'; it has fgsm-epsilon0.1"),
        (lambda: study.adversarials("fgsm-epsilon0.1", "nothing"), "has no model"),
        (lambda: study.figure("nothing"), "has no figure"),
        (lambda: open_study(finished.folder), "no study with tables"),
    ):
        with pytest.raises(AdvatlasError, match=message):
            wrong()


def _advatlas(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "advatlas.cli", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_pair_is_shown(finished, tmp_path):
    pair = finished.results / "transfer" / "fgsm-epsilon0.2" / "lenet_msra" / "lenet_xavier.parquet"
    done = _advatlas("show", pair, "--count", 2)
    assert done.returncode == 0, done.stderr
    assert "lenet_msra → lenet_xavier" in done.stdout
    assert done.stdout.count("▀") > 200
    assert done.stdout.count("true class") == 2
    picture = tmp_path / "pair.png"
    done = _advatlas(
        "show", "fgsm-epsilon0.2/lenet_msra/lenet_xavier", "--study", finished.results, "--output", picture
    )
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 5000
    done = _advatlas("show", "fgsm/lenet", "--study", finished.results)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "SETTING/SOURCE/TARGET" in done.stderr


def test_two_runs_are_compared(finished, tmp_path):
    study = open_study(finished.results)
    same = compare(study, study)
    assert same.paired
    assert (same.transfer["difference"] == 0).all()
    assert not (same.success["low"] > 0).any()
    other = tmp_path / "other"
    shutil.copytree(finished.results / "tables", other / "tables")
    success = study["success"].copy()
    planted = (success["setting"] == "fgsm-epsilon0.1") & (success["source"] == "lenet_msra")
    success.loc[planted, "count"] = success.loc[planted, "n"]
    changed = open_study(other)
    changed._tables["success"] = success
    found = compare(study, changed).success
    differ = found[(found["low"] > 0) | (found["high"] < 0)]
    assert differ[["setting", "source"]].to_numpy().tolist() == [["fgsm-epsilon0.1", "lenet_msra"]]
    done = _advatlas("compare", finished.results, other)
    assert done.returncode == 0, done.stderr
    assert "success: 10 shared, 0 differ" in done.stdout


def test_newcombe_covers_the_difference():
    """Over repeated samples the 95% interval misses the true difference seldom."""
    rng = np.random.default_rng(0)
    first, second = rng.binomial(40, 0.2, 2000), rng.binomial(60, 0.5, 2000)
    low, high = newcombe(first, np.full(2000, 40.0), second, np.full(2000, 60.0))
    assert 0.93 < ((low <= 0.3) & (high >= 0.3)).mean() < 0.975


def test_snakemakes_own_report_has_figures_and_tables(finished):
    finished.snakemake("--report", "report.zip")
    shutil.unpack_archive(finished.folder / "report.zip", finished.folder / "unpacked")
    names = {path.name for path in (finished.folder / "unpacked").rglob("*")}
    assert {"transfer-fgsm.png", "claims.csv", "models.csv", "report.html"} <= names


def test_tables_are_there_as_csv(finished):
    claims = pd.read_csv(finished.results / "csv" / "claims.csv")
    assert list(claims["claim"]) == list(finished.table("claims")["claim"])
