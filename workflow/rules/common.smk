# The study, and from it every name the rules use. Config reaches jobs through params, so that Snakemake tracks it; what
# must not make results stale (where data lies, the device, the batch size) is read by the scripts from config itself.
import dataclasses
import functools
import os
import re
import shutil
import sys
from pathlib import Path

from advatlas.analyses import ANALYSES
from advatlas.attacks import ATTACKS
from advatlas.clock import date_now
from advatlas.devices import ALLOCATOR, uses_gpu
from advatlas.errors import AdvatlasError
from advatlas.estimate import Costs, describe, estimate, minutes
from advatlas.failures import Failures
from advatlas.data.views import NATIVE
from advatlas.figures import FIGURES as FIGURE_REGISTRY
from advatlas.locks import clear_stale_locks, sockets
from advatlas.defenses import DEFENSES
from advatlas.models.pretrained import PretrainedRecipe
from advatlas.models.small import ARCHITECTURES
from advatlas.models.zoo import DefendedRecipe, ModelRecipe
from advatlas.reasons import Reasons
from advatlas.storage.atomic import check_writable
from advatlas.storage.fingerprint import fingerprint
from advatlas.reading.study import open_study


configfile: "config.yaml"


BASE = Path(workflow.basedir)

# While the rules are read Snakemake does not say yet whether anything will run.
DRY_RUN = any(
    re.fullmatch(r"--dry-?run|-[a-mo-z]*n[a-z]*", argument) for argument in sys.argv
)

try:
    completed, STUDY = open_study(config, BASE, dry_run=DRY_RUN)
    config.update(completed)
except AdvatlasError as error:
    print(f"advatlas: {error}", file=sys.stderr)
    sys.exit(1)

WEIGHTS_DIR = Path(config["weights_dir"]) if config["weights_dir"] else None

FAILURES = Failures.listen()
if "ADVATLAS_WHY" in os.environ:
    Reasons.listen()
DATASET = STUDY.dataset.dataset

os.environ.setdefault("GLIBC_TUNABLES", ALLOCATOR)

EVALUATOR_CODE = fingerprint(
    "advatlas.evaluator.server",
    *(
        ARCHITECTURES[recipe.architecture].__module__
        for recipe in STUDY.models
        if isinstance(recipe, ModelRecipe) and recipe.pretrained is None
    ),
    *(
        DEFENSES[recipe.defense].module
        for recipe in STUDY.models
        if isinstance(recipe, DefendedRecipe)
    ),
)

if workflow.is_main_process and clear_stale_locks(Path(".snakemake")) and not DRY_RUN:
    try:
        check_writable(Path(config["results_dir"]))
        date_now(Path(config["results_dir"]))
    except AdvatlasError as error:
        print(f"advatlas: {error}", file=sys.stderr)
        sys.exit(1)

GPU = 1 if uses_gpu(config["device"]) else 0
ROOT = Path(config["results_dir"])
RESULTS = ROOT / STUDY.name

# What the clients of the warm evaluator need and Snakemake must not track: an evaluator for each GPU or core.
os.environ["ADVATLAS_EVALUATOR"] = config["evaluator"]
os.environ["ADVATLAS_RUN_PID"] = str(os.getpid())
GPUS = workflow.global_resources.get("gpu") if GPU else None
os.environ["ADVATLAS_SLOTS"] = str(
    GPUS.value if GPUS else workflow.resource_settings.cores or os.cpu_count()
)
os.environ["ADVATLAS_SOCKETS"] = str(sockets(EVALUATOR_CODE))
os.environ["ADVATLAS_LOGS"] = str(RESULTS / "logs" / "evaluators")
DATA = ROOT / "data" / STUDY.dataset.identifier
VIEWS = STUDY.views()
MODELS = [recipe.name for recipe in STUDY.models]
MODEL_OF_FOLDER = {STUDY.model_folder(recipe.name): recipe for recipe in STUDY.models}
TRAINED = [name for name in MODELS if isinstance(STUDY.model(name), ModelRecipe)]
PRETRAINED = [
    name for name in MODELS if isinstance(STUDY.model(name), PretrainedRecipe)
]
DEFENDED = [name for name in MODELS if isinstance(STUDY.model(name), DefendedRecipe)]
DEFENDED_BY_TRAINING = [name for name in DEFENDED if STUDY.trained_here(name)]
WRAPPED = [name for name in DEFENDED if name not in DEFENDED_BY_TRAINING]
WITH_HISTORY = [*TRAINED, *DEFENDED_BY_TRAINING]
SETTINGS = [setting.name for setting in STUDY.settings]
TABLE_NAMES = [
    "models",
    "predictions",
    "success",
    "adversarials",
    "transfer",
    "outcomes",
    "timing",
    "examples",
    "strips",
    "gallery",
    "answers",
    "cost",
]
TABLE_NAMES += ["training"] if WITH_HISTORY else []
TABLE_NAMES += ["classification", "prediction_times"] if DEFENDED else []
TABLE_NAMES += ["clever"] if STUDY.clever else []
ANALYSIS_NAMES = [
    name for name, analysis in ANALYSES.items() if analysis.needs <= STUDY.features()
]
TABLE_NAMES += ANALYSIS_NAMES
TABLES = [RESULTS / "tables" / f"{name}.parquet" for name in TABLE_NAMES]
FIGURES = [
    RESULTS / "figures" / f"{name}.{extension}"
    for name in STUDY.figure_names()
    for extension in ("png", "svg")
]


REPORT = RESULTS / "report.html"
# Those with one value a cell; Snakemake's own report shows them.
CSV_TABLES = [
    name
    for name in (
        "models",
        "success",
        "ranking",
        "verdicts",
        "claims",
        "reproduction",
        "cost",
    )
    if name in TABLE_NAMES
]
CSV = [RESULTS / "csv" / f"{name}.csv" for name in CSV_TABLES]


ANY_MODEL = "|".join(map(re.escape, MODELS))


wildcard_constraints:
    model=ANY_MODEL,
    source=ANY_MODEL,
    target=ANY_MODEL,
    setting="|".join(map(re.escape, SETTINGS)),
    analysis="|".join(ANALYSIS_NAMES),
    view="|".join(map(re.escape, VIEWS)),
    figure="|".join(map(re.escape, STUDY.figure_names())),


def model_file(name, file):
    """Return a file of a trained model by the model's name."""
    return ROOT / "models" / STUDY.model_folder(name) / file


def folders(models):
    """Return a pattern for the folders of some models; one that matches nothing where there are none."""
    return "|".join(re.escape(STUDY.model_folder(name)) for name in models) or "(?!x)x"


def local_weights(recipe):
    """Return the file of weights_dir that a pretrained network's weights are read from; none where a library has them."""
    if recipe is None:
        return []
    library, _, name = recipe.weights.partition(":")
    return [WEIGHTS_DIR / name] if library == "folder" else []


def base_file(folder, file):
    """Return a file of the model that the defended model of a folder is made from."""
    return model_file(MODEL_OF_FOLDER[folder].of, file)


def candidates(view):
    """Return the file of a view of all candidate images."""
    return DATA / f"{view}.parquet"


def selected(model):
    """Return the file of the selected images as a model sees them."""
    return RESULTS / "images" / f"{STUDY.view(model)}.parquet"


CARDS = [model_file(name, "card.json") for name in MODELS]
HISTORIES = [model_file(name, "training.parquet") for name in WITH_HISTORY]
ADVERSARIALS = [
    RESULTS / "adversarials" / setting / f"{source}.parquet"
    for setting in SETTINGS
    for source in STUDY.sources(setting)
]
SUCCESSFUL = [
    RESULTS / "successful" / setting / f"{source}.parquet"
    for setting in SETTINGS
    for source in STUDY.sources(setting)
    if config["keep_adversarials"] == "successful"
]
PAIRS = [
    RESULTS / "transfer" / setting / source / f"{target}.parquet"
    for setting in SETTINGS
    for source in STUDY.sources(setting)
    for target in MODELS
]


CLEVER_PARTS = [
    RESULTS / "clever" / name / f"{part}.parquet"
    for name in MODELS
    for part in range(STUDY.clever.parts if STUDY.clever else 0)
]


def passing(adversarials):
    """Return an output that goes once everything that needs it is there, unless all adversarials are kept."""
    return adversarials if config["keep_adversarials"] == "all" else temp(adversarials)


def model_modules(name):
    """Return the modules of a model's network and defenses, which are part of what its results depend on."""
    recipe = STUDY.undefended(name)
    if isinstance(recipe, PretrainedRecipe) or recipe.pretrained is not None:
        network = "advatlas.models.building"
    else:
        network = ARCHITECTURES[recipe.architecture].__module__
    modules = [network]
    for defended in STUDY.defenses(name):
        modules.append(DEFENSES[defended.defense].module)
        for attack in defended.parameters.get("attacks", []):
            modules += ATTACKS[attack["attack"]].modules
    return [module.removeprefix("advatlas.") for module in modules]


def attack_modules(setting):
    """Return the modules of a setting's attack."""
    modules = ATTACKS[STUDY.setting(setting).attack].modules
    return [module.removeprefix("advatlas.") for module in modules]


@functools.cache
def code(*roots):
    """Return the fingerprint of the library code behind a rule: an edit there, and no other, makes its files stale."""
    return fingerprint(*(f"advatlas.{root}" for root in roots))


def model_code(stage, name, *more):
    """Return the fingerprint of a stage that runs one model."""
    return code(stage, *model_modules(name), *more)


def table_file(name):
    """Return the file of a table; of the published numbers, the paper's, which come with the project."""
    if name == "published":
        return BASE / "resources" / "published" / f"{STUDY.paper}.csv"
    return RESULTS / "tables" / f"{name}.parquet"


def analysis_tables(name):
    """Return the names of the tables an analysis reads, of those the study has."""
    analysis = ANALYSES[name]
    return [
        *analysis.tables,
        *(table for table in analysis.also if table in TABLE_NAMES),
    ]


def figure_of(file):
    """Return the registry's figure and the attack, from a figure file's name."""
    name, _, attack = file.partition("-")
    return FIGURE_REGISTRY[name], attack or None


def pictures_found():
    """Return how many pictures there are, where that follows from a folder that is there."""
    data = Path(config["data_dir"])
    of_any_number = set(VIEWS) != {NATIVE} and DATASET.present(data)
    return len(DATASET.find(data)) if of_any_number else None


@functools.cache
def costs():
    """Return what every job of the study takes."""
    return Costs(STUDY, pictures_found())


def runtime(work, least=10):
    """Return the minutes to ask a cluster for; nobody is asked where jobs run on this machine."""
    if workflow.local_exec:
        return least
    return minutes(work(costs()), "gpu" if GPU else "cpu", least)


def submitted_together(group):
    """Return the group of jobs that a cluster gets as one. On the node where it runs they are local jobs of one Snakemake:
    otherwise each would get a Snakemake of its own, and pairs an evaluator each."""
    return None if workflow.remote_exec else group


def print_estimate():
    """Say what the study will cost."""
    there = ROOT if ROOT.exists() else Path()
    free = shutil.disk_usage(there).free
    print(describe(STUDY, estimate(STUDY, pictures_found()), free), file=sys.stderr)


if DRY_RUN and workflow.is_main_process:
    print_estimate()


def print_summary():
    """Say where to look, at the end of a run that made the tables."""
    if all(table.exists() for table in TABLES):
        shell("{sys.executable:q} -m advatlas.summary {RESULTS:q}")


def print_failures():
    """Say what failed, at the end of a run that did not make everything; if that was for damaged files, run again."""
    if workflow.is_main_process:
        FAILURES.end()


def lift_job_rate_limit():
    """Let short local jobs run as fast as they can.

    After each round Snakemake 9 schedules one more round a second later, for its limit on jobs per time: the rounds grow
    with the jobs done, and thousands of short jobs get slower and slower. On a cluster the limit is of use and stays.
    """
    if workflow.local_exec and getattr(workflow, "scheduler", None) is not None:
        workflow.scheduler.job_rate_limiter = None
