# The study, and from it every name the rules use.
import dataclasses
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from advatlas.devices import uses_gpu
from advatlas.errors import AdvatlasError
from advatlas.figures import FIGURES as FIGURE_REGISTRY
from advatlas.storage.fingerprint import fingerprint
from advatlas.studies import find_study, load_study
from advatlas.validation import check_schema


configfile: "config.yaml"


SCHEMAS = Path(workflow.basedir) / "workflow" / "schemas"

try:
    check_schema(config, SCHEMAS / "config.schema.yaml", "config.yaml")
    STUDY = load_study(
        find_study(config["study"], Path(workflow.basedir) / "studies"),
        SCHEMAS / "study.schema.yaml",
    )
    DATASET = STUDY.dataset.dataset
    DATA_DIR = Path(os.environ.get("ADVATLAS_DATA") or config.get("data_dir", "data"))
    check_data(DATASET, DATA_DIR, config.get("download", True))
except AdvatlasError as error:
    raise WorkflowError(str(error)) from None
