"""A few rounds of the soak, some two dozen faults; ADVATLAS_FAULTS says how many rounds."""

from __future__ import annotations

import os

import pytest

from tests.faults.soak import soak

pytestmark = pytest.mark.workflow


def test_a_disturbed_run_comes_back_to_the_same_tables(tmp_path):
    faults = soak(tmp_path, range(int(os.environ.get("ADVATLAS_FAULTS", "5"))))
    assert sum(faults.values()) >= len(faults) > 0
