"""The command ``advatlas``: what there is, what it would cost, why jobs would run, and a look at results.

Running is Snakemake's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import yaml

from advatlas.errors import AdvatlasError, one_line_errors


def project(arguments: argparse.Namespace) -> Path:
    """Return the folder with the Snakefile: the one asked for, this one, or the one the library was installed from.

    Raises:
        AdvatlasError: there is none.
    """
    for folder in [arguments.project] if arguments.project else (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / "Snakefile").is_file():
            return folder
    raise AdvatlasError("no Snakefile there; run this in the folder of the project, or name it with --project")


def studies(arguments: argparse.Namespace) -> int:
    """List the studies that come with the project."""
    for path in sorted((project(arguments) / "studies").glob("*.yaml")):
        description = " ".join(str(yaml.safe_load(path.read_text(encoding="utf-8")).get("description", "")).split())
        print(f"{path.stem}\n    {description}")
    return 0


def cost(arguments: argparse.Namespace) -> int:
    """Print what a study would cost."""
    # Only here, as it takes seconds to import.
    from advatlas.estimate import describe, estimate
    from advatlas.reading.study import open_study

    base = project(arguments)
    config = yaml.safe_load((base / "config.yaml").read_text(encoding="utf-8"))
    _, study = open_study({**config, "study": arguments.study or config["study"]}, base, dry_run=True)
    print(describe(study, estimate(study)))
    return 0


def why(arguments: argparse.Namespace) -> int:
    """Print a line for each job that would run, with the reason."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--snakefile", str(project(arguments) / "Snakefile")]
    command += arguments.targets
    if arguments.config:
        command += ["--config", *arguments.config]
    done = subprocess.run(command, env={**os.environ, "ADVATLAS_WHY": "1"}, capture_output=True, text=True, check=False)
    said = [line.removeprefix("why: ") for line in done.stdout.splitlines() if line.startswith("why: ")]
    if done.returncode:
        print(done.stderr or done.stdout, file=sys.stderr)
    else:
        print("\n".join(said) if said else "nothing would run: all is there and up to date")
    return done.returncode


def show(arguments: argparse.Namespace) -> int:
    """Show a pair: examples made on a source, and what source and target say of them."""
    from advatlas.results import open_study
    from advatlas.terminal import show_pair

    parts = Path(arguments.pair.removesuffix(".parquet")).parts
    if len(parts) < 3:
        raise AdvatlasError(f"{arguments.pair}: expected SETTING/SOURCE/TARGET, as the files below transfer/ are named")
    setting, source, target = parts[-3:]
    # The path of a pair's file names its study as well.
    inside = len(parts) > 4 and parts[-4] == "transfer"
    study = open_study(Path(*parts[:-4]) if inside else arguments.study)
    if arguments.output is None:
        show_pair(study, setting, source, target, arguments.count)
    else:
        figure = study.show_pair(setting, source, target, arguments.count)
        figure.savefig(arguments.output, dpi=150, bbox_inches="tight")
        print(arguments.output)
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """Say what differs between two runs, with intervals."""
    from advatlas.comparison import compare as compare_studies
    from advatlas.results import open_study

    found = compare_studies(open_study(arguments.first), open_study(arguments.second))
    print(found.describe(changed_only=not arguments.all))
    return 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="advatlas", description=__doc__)
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument("--project", type=Path, help="the folder with the Snakefile (default: here)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser(
        "studies", parents=[everywhere], help="the studies there are", description=studies.__doc__
    )
    listing.set_defaults(run=studies)
    costing = commands.add_parser(
        "estimate", parents=[everywhere], help="what a study would cost", description=cost.__doc__
    )
    costing.add_argument("study", nargs="?", help="name or path (default: that of config.yaml)")
    costing.set_defaults(run=cost)
    reason = commands.add_parser("why", parents=[everywhere], help="why jobs would run", description=why.__doc__)
    reason.add_argument("targets", nargs="*", metavar="TARGET", help="file or rule (default: everything)")
    reason.add_argument("--config", nargs="+", metavar="KEY=VALUE", help="as Snakemake's: study=NAME, ...")
    reason.set_defaults(run=why)
    showing = commands.add_parser("show", help="a pair in the terminal, or as a PNG", description=show.__doc__)
    showing.add_argument("pair", metavar="PAIR", help="SETTING/SOURCE/TARGET, or the path of the pair's file")
    showing.add_argument(
        "--study", type=Path, default=Path("results/mnist_quick"), help="folder of results (default: %(default)s)"
    )
    showing.add_argument("--count", type=int, default=4, help="how many images (default: %(default)s)")
    showing.add_argument("--output", type=Path, metavar="FILE", help="write a picture (PNG, SVG, PDF) instead")
    showing.set_defaults(run=show)
    comparing = commands.add_parser("compare", help="what differs between two runs", description=compare.__doc__)
    comparing.add_argument("first", type=Path, help="folder of results, for instance results/mnist_quick")
    comparing.add_argument("second", type=Path)
    comparing.add_argument("--all", action="store_true", help="rows that do not differ as well")
    comparing.set_defaults(run=compare)
    arguments = parser.parse_args()
    with one_line_errors():
        return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
