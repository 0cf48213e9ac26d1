"""The page of studies that are small, large or odd; what is drawn in a browser is tested in tests/workflow/test_page.py."""

from __future__ import annotations

import base64
import gzip
import json
import re

import numpy as np
import pytest

from advatlas.report.content import clustered, content
from advatlas.report.findings import findings
from advatlas.report.page import About, render
from tests.synthetic import page_tables

ABOUT = About("mine", "a <b>study</b>", "", {"models": "2"}, {"seed": "1"})


@pytest.mark.parametrize(("models", "settings"), [(2, 1), (3, 2), (18, 30)])
def test_the_data_of_the_page_are_those_of_the_tables(models, settings):
    tables = page_tables(models, settings)
    text = render(tables, ABOUT, [])
    assert "a &lt;b&gt;study&lt;/b&gt;" in text, "what a study says is text"
    packed = re.search(r'id="data">([^<]*)<', text)
    data = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    names = [model["name"] for model in data["models"]]
    rates = tables["transfer"].sample(20, random_state=0)
    for row in rates.to_dict("records"):
        cell = data["matrix"][row["setting"]][row["fit"]][row["measure"]][row["precision"]][row["denominator"]]
        at = names.index(row["source"]) * len(names) + names.index(row["target"])
        assert (cell["count"][at], cell["of"][at]) == (row["count"], row["n"])
    for order in [*data["orders"].values(), *data["clusterings"].values()]:
        assert sorted(order) == list(range(len(names)))
    assert not re.search(r">\s*nan|nan%", text.partition('id="data"')[0], re.IGNORECASE)
    assert findings(tables)


def test_the_goals_own_measure_comes_first():
    data = content(page_tables(4, 3))
    for setting in data["settings"]:
        first = next(iter(data["matrix"][setting["name"]]["same"]))
        assert first == ("fooled" if setting["goal"] == "untargeted" else "matched_top1")


def test_models_that_transfer_to_each_other_stand_together():
    groups = np.array([0, 1, 0, 1, 2, 2])
    rates = np.where(groups[:, None] == groups[None], 0.9, 0.1)
    found = groups[clustered(rates)]
    assert (np.diff(found) != 0).sum() == 2
    rates[3] = rates[:, 3] = np.nan
    assert clustered(rates)[-1] == 3, "those that take no part come last"
