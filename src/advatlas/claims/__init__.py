"""Findings of the papers, each put to the test on a study's tables: one module a paper, one name here for each."""

from __future__ import annotations

PAPERS = ("bendaya2020", "campbell2024", "donoghue2020", "juraev2023", "su2018")
