"""The attack library against torchattacks, foolbox, ART and adv-lib: same process, model, images, goal and budget.

    python -m benchmarks.attacks                          # every case; hours on two cores
    python -m benchmarks.attacks --networks lenet         # one network
    python -m benchmarks.attacks --only bim carlini_wagner_9x100

Each row is one library on one case. Its time holds the attack and one look at what it returned, which tells the
successes: libraries that tell them themselves have looked already, for the others this script does. "times faster" is
the fastest rival that reaches our success and our mean distortion to within 2%, over us; rivals that do not are marked.
Results are kept in benchmarks/results/attacks.json as they come; a case that is there is not run again without --again.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from advatlas.attacks import ATTACKS, Goal, Targeted, Untargeted
from advatlas.metrics.clever import clever_scores
from advatlas.metrics.clever_sampling import Sampling, collect_maxima
from benchmarks import victims
from benchmarks.rivals import load

RESULTS = Path(__file__).parent / "results" / "attacks.json"
WITHIN = 0.02


class Counted(nn.Module):
    """A classifier that counts the images of its forward passes, and those of them that can be differentiated."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.forwards, self.differentiable = inner, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        self.forwards += len(x)
        self.differentiable += len(x) if x.requires_grad and torch.is_grad_enabled() else 0
        out: Tensor = self.inner(x)
        return out


# An attack as a benchmark sees it: from model, images and goal to adversarial images.
Run = Callable[[nn.Module, Tensor, Goal], Tensor]


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        norm: of the distortion that is compared; None where the budget fixes it.
        images: how many, by network.
        repeats: runs of each, in turn, of which the median time counts.
        rivals: by library.
        looks: the libraries whose own call tells success already.
    """

    name: str
    ours: Run
    rivals: dict[str, Run]
    norm: str | None = None
    images: dict[str, int] = field(default_factory=lambda: {"lenet": 64, "mobilenet_v2": 16})
    repeats: int = 1
    targeted: bool = False
    looks: tuple[str, ...] = ("advatlas", "foolbox", "foolbox, no abort")


def ours(name: str, **parameters: Any) -> Run:
    return lambda model, x, goal: ATTACKS[name](model, x, goal, **parameters).images


def foolbox(name: str, epsilon: float | None = None, **parameters: Any) -> Run:
    def run(model: nn.Module, x: Tensor, goal: Goal) -> Tensor:
        library = load("foolbox")
        wrapped = library.PyTorchModel(model, bounds=(0, 1), device=x.device)
        criterion = (
            library.criteria.Misclassification(goal.labels)
            if goal.targets is None
            else library.criteria.TargetedMisclassification(goal.targets)
        )
        _, clipped, _ = getattr(library.attacks, name)(**parameters)(wrapped, x, criterion, epsilons=epsilon)
        return clipped

    return run


def torchattacks(name: str, **parameters: Any) -> Run:
    def run(model: nn.Module, x: Tensor, goal: Goal) -> Tensor:
        attack = getattr(load("torchattacks"), name)(model, **parameters)
        if goal.targets is None:
            return attack(x, goal.labels)
        attack.set_mode_targeted_by_label(quiet=True)
        return attack(x, goal.targets)

    return run


def adv_lib(name: str, **parameters: Any) -> Run:
    def run(model: nn.Module, x: Tensor, goal: Goal) -> Tensor:
        function = getattr(load("adv_lib.attacks"), name)
        more = {} if name == "df" else {"targeted": goal.targets is not None}
        return function(model, x, goal.labels if goal.targets is None else goal.targets, **more, **parameters)

    return run


def art_classifier(model: nn.Module, x: Tensor) -> Any:
    with torch.no_grad():
        classes = model(x[:1]).shape[1]
    estimators = load("art.estimators.classification")
    device = "gpu" if x.is_cuda else "cpu"
    return estimators.PyTorchClassifier(
        model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), classes, clip_values=(0.0, 1.0), device_type=device
    )


def art(name: str, **parameters: Any) -> Run:
    def run(model: nn.Module, x: Tensor, goal: Goal) -> Tensor:
        targeted = {"targeted": True} if goal.targets is not None else {}
        attack = getattr(load("art.attacks.evasion"), name)(art_classifier(model, x), **targeted, **parameters)
        attack.__dict__["verbose"] = False
        wanted = goal.labels if goal.targets is None else goal.targets
        return torch.from_numpy(attack.generate(x.cpu().numpy(), wanted.cpu().numpy())).to(x)

    return run


def constant_search(steps: int) -> dict[str, Any]:
    return {"steps": steps, "search_steps": 9, "initial_const": 0.01, "learning_rate": 0.01}


def cases() -> list[Case]:
    """Return every comparison; the settings are the same number for number where libraries have the same parameter."""
    e = 8 / 255
    found = [
        Case(
            "fgsm",
            ours("fgsm", epsilon=e),
            {
                "torchattacks": torchattacks("FGSM", eps=e),
                "foolbox": foolbox("FGSM", e),
                "ART": art("FastGradientMethod", eps=e, batch_size=64),
            },
            repeats=15,
        ),
        Case(
            "bim",
            ours("bim", epsilon=e, step_size=e / 10, steps=10),
            {
                "torchattacks": torchattacks("BIM", eps=e, alpha=e / 10, steps=10),
                "foolbox": foolbox("LinfBasicIterativeAttack", e, abs_stepsize=e / 10, steps=10),
                "ART": art("BasicIterativeMethod", eps=e, eps_step=e / 10, max_iter=10, batch_size=64, verbose=False),
            },
            repeats=7,
        ),
        Case(
            "pgd",
            ours("pgd", epsilon=e, step_size=e / 10, steps=40),
            {
                "torchattacks": torchattacks("PGD", eps=e, alpha=e / 10, steps=40),
                "foolbox": foolbox("LinfPGD", e, abs_stepsize=e / 10, steps=40),
                "adv-lib": adv_lib("pgd_linf", ε=e, steps=40, relative_step_size=0.1),
                "ART": art(
                    "ProjectedGradientDescentPyTorch",
                    eps=e,
                    eps_step=e / 10,
                    max_iter=40,
                    num_random_init=1,
                    batch_size=64,
                    verbose=False,
                ),
            },
            repeats=3,
        ),
    ]
    for steps in (100, 1000):
        few = {"lenet": 64, "mobilenet_v2": 3 if steps == 100 else 1}
        search = {"binary_search_steps": 9, "initial_const": 0.01}
        for targeted in (False, True):
            suffix = f"_9x{steps}" + ("_targeted" if targeted else "")
            rivals = {
                "foolbox": foolbox("L2CarliniWagnerAttack", steps=steps, stepsize=0.01, **search),
                "adv-lib": adv_lib("carlini_wagner_l2", max_iterations=steps, learning_rate=0.01, **search),
                # Their early abort looks at the whole batch's loss, and can end a run before it has begun.
                "adv-lib, no abort": adv_lib(
                    "carlini_wagner_l2", max_iterations=steps, learning_rate=0.01, abort_early=False, **search
                ),
            }
            if steps == 100:
                rivals["torchattacks"] = torchattacks("CW", c=1, steps=900, lr=0.01)
            found.append(
                Case(
                    "carlini_wagner" + suffix,
                    ours("carlini_wagner", **constant_search(steps)),
                    rivals,
                    norm="l2",
                    images=few,
                    targeted=targeted,
                )
            )
            rivals = {
                "foolbox": foolbox(
                    "EADAttack",
                    steps=steps,
                    initial_stepsize=0.01,
                    regularization=1e-3,
                    decision_rule="L1",
                    **search,
                ),
                "foolbox, no abort": foolbox(
                    "EADAttack",
                    steps=steps,
                    initial_stepsize=0.01,
                    regularization=1e-3,
                    decision_rule="L1",
                    abort_early=False,
                    **search,
                ),
                "torchattacks": torchattacks(
                    "EADL1", max_iterations=steps, lr=0.01, beta=1e-3, binary_search_steps=9, initial_const=0.01
                ),
            }
            found.append(
                Case(
                    "ead" + suffix,
                    ours("ead", **constant_search(steps)),
                    rivals,
                    norm="l1",
                    images=few,
                    targeted=targeted,
                )
            )
    found += [
        Case(
            "deepfool",
            ours("deepfool", steps=50, top_k=10, overshoot=0.02),
            {
                "foolbox": foolbox("L2DeepFoolAttack", steps=50, candidates=10, overshoot=0.02),
                "adv-lib": adv_lib("df", steps=50, overshoot=0.02, norm=2),
                "torchattacks": torchattacks("DeepFool", steps=50, overshoot=0.02),
            },
            norm="l2",
            images={"lenet": 64, "mobilenet_v2": 2},
        ),
        Case(
            "deepfool_top10",
            ours("deepfool", steps=50, top_k=10, overshoot=0.02),
            {"foolbox": foolbox("L2DeepFoolAttack", steps=50, candidates=10, overshoot=0.02)},
            norm="l2",
            images={"lenet": 64, "mobilenet_v2": 24},
            repeats=3,
        ),
        Case(
            "fmn_l2_300",
            ours("fmn", norm="l2", steps=300),
            {"adv-lib": adv_lib("fmn", norm=2, steps=300)},
            norm="l2",
            images={"lenet": 64, "mobilenet_v2": 4},
        ),
        Case(
            "one_pixel_10x10",
            ours("one_pixel", population=10, generations=10),
            {"torchattacks": torchattacks("OnePixel", pixels=1, steps=10, popsize=10, inf_batch=128)},
            images={"lenet": 64, "mobilenet_v2": 4},
        ),
        Case(
            "pixel_swap_200",
            ours("pixel_swap", max_swaps=200),
            {
                "torchattacks": torchattacks(
                    "Pixle", x_dimensions=(1, 1), y_dimensions=(1, 1), restarts=200, max_iterations=1
                )
            },
            images={"lenet": 64, "mobilenet_v2": 4},
        ),
        Case(
            "square_1000",
            ours("square", epsilon=0.1, queries=1000),
            {"torchattacks": torchattacks("Square", eps=0.1, n_queries=1000)},
            images={"lenet": 64, "mobilenet_v2": 2},
        ),
        Case(
            "apgd_dlr_100",
            ours("apgd", epsilon=0.1, steps=100),
            {
                "torchattacks": torchattacks("APGD", eps=0.1, steps=100, loss="dlr"),
                "adv-lib": adv_lib("apgd", eps=0.1, norm=math.inf, n_iter=100, loss_function="dlr"),
            },
            images={"lenet": 64, "mobilenet_v2": 2},
        ),
    ]
    return found


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def compare(case: Case, network: str, model: nn.Module, images: Tensor, labels: Tensor) -> list[dict[str, Any]]:
    """Run one case on one network; return a row for each library."""
    count = min(case.images[network], len(images))
    x, y = images[:count], labels[:count]
    with torch.no_grad():
        classes = model(x[:1]).shape[1]
    goal: Goal = Targeted(y, (y + classes // 3) % classes) if case.targeted else Untargeted(y)
    runs = {"advatlas": case.ours, **case.rivals}
    rows: dict[str, dict[str, Any]] = {}
    times: dict[str, list[float]] = {who: [] for who in runs}
    ATTACKS["fgsm"](model, x, goal, epsilon=0.1)  # the first pass of a process is slow
    order = list(runs)
    for repeat in range(case.repeats):
        for who in order[repeat % len(order) :] + order[: repeat % len(order)]:
            run = runs[who]
            counted = Counted(model).eval()
            torch.manual_seed(0)
            np.random.seed(0)
            synchronise()
            started = time.perf_counter()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    adversarial = run(counted, x.clone(), goal).detach()
                with torch.no_grad():
                    if who not in case.looks:
                        counted(adversarial)
                synchronise()
            except Exception as error:  # a rival that breaks is a row, not the end
                rows[who] = {
                    "network": network,
                    "case": case.name,
                    "who": who,
                    "error": f"{type(error).__name__}: {error}",
                }
                continue
            times[who].append(time.perf_counter() - started)
            rows[who] = {
                "network": network,
                "case": case.name,
                "who": who,
                "images": count,
                "seconds": statistics.median(times[who]),
                "forwards": counted.forwards / count,
                "differentiable": counted.differentiable / count,
                **quality(model, x, adversarial, goal, case.norm),
            }
            print(json.dumps(rows[who]), flush=True)
    mine = rows["advatlas"]
    for row in rows.values():
        if "error" not in row:
            row["comparable"] = row["success"] >= mine["success"] - WITHIN and (
                case.norm is None or row["distortion"] <= mine["distortion"] * (1 + WITHIN)
            )
            row["times_slower"] = row["seconds"] / mine["seconds"]
    return list(rows.values())


def quality(model: nn.Module, x: Tensor, adversarial: Tensor, goal: Goal, norm: str | None) -> dict[str, Any]:
    """Return success and mean distortion of the successful; images of zeros are no success."""
    with torch.no_grad():
        success = goal.success(model(adversarial)) & (adversarial.flatten(1).amax(1) > 0)
    order = {"l1": 1.0, "l2": 2.0, None: math.inf}[norm]
    distance = torch.linalg.vector_norm((adversarial - x).flatten(1), ord=order, dim=1)[success]
    return {
        "success": float(success.float().mean()),
        "distortion": float(distance.mean()) if len(distance) else math.nan,
    }


def clever(network: str, model: nn.Module, images: Tensor, labels: Tensor) -> list[dict[str, Any]]:
    """CLEVER against ART: seconds for one image and target at equal samples; ours gives three norms, ART's one."""
    rows = []
    for targets_each in (1, 9) if network == "lenet" else (1, 2):
        rows += clever_case(network, model, images, labels, targets_each)
    return rows


def clever_case(
    network: str, model: nn.Module, images: Tensor, labels: Tensor, targets_each: int
) -> list[dict[str, Any]]:
    """CLEVER for some targets of each of two images; seconds are for one image and target."""
    blocks, size = (20, 128) if network == "lenet" else (5, 64)
    x, y = images[:2], labels[:2]
    with torch.no_grad():
        classes = model(x[:1]).shape[1]
    targets = (y.unsqueeze(1) + 1 + torch.arange(targets_each, device=y.device)) % classes
    units = len(x) * targets_each
    sampling = Sampling(blocks=blocks, block_size=size, radius=1.0)
    counted = Counted(model).eval()
    synchronise()
    started = time.perf_counter()
    scores = clever_scores(collect_maxima(counted, x, y, targets, sampling))
    synchronise()
    base = {"network": network, "case": f"clever_{blocks}x{size}_{targets_each}", "images": len(x)}
    rows = [
        {
            **base,
            "who": "advatlas",
            "seconds": (time.perf_counter() - started) / units,
            "forwards": counted.forwards / units,
            "differentiable": counted.differentiable / units,
            "score_l2": float(scores[scores.norm == "l2"]["score"].mean()),
        }
    ]
    metrics = load("art.metrics")
    if metrics is not None:
        for norms in ((2,), (1, 2, np.inf)):
            counted = Counted(model).eval()
            classifier = art_classifier(counted, x)
            np.random.seed(0)
            started = time.perf_counter()
            values = [
                metrics.clever_t(
                    classifier, image.cpu().numpy(), int(target), blocks, size, 1.0, norm=norm, pool_factor=10
                )
                for image, wanted in zip(x, targets, strict=True)
                for target in wanted
                for norm in norms
            ]
            seconds = (time.perf_counter() - started) / units
            rows.append(
                {
                    **base,
                    "who": f"ART, {'L2' if len(norms) == 1 else 'three norms'}",
                    "seconds": seconds,
                    "forwards": counted.forwards / units,
                    "differentiable": counted.differentiable / units,
                    "score_l2": float(np.mean(values[:: len(norms)] if len(norms) == 1 else values[1 :: len(norms)])),
                    "times_slower": seconds / rows[0]["seconds"],
                }
            )
    return rows


def minimal_passes(network: str, model: nn.Module, images: Tensor, labels: Tensor) -> list[dict[str, Any]]:
    """The smallest-epsilon search: forward passes of a batch of 100 against those of its slowest image alone."""
    count = min(100 if network == "lenet" else 8, len(images))
    goal = Untargeted(labels[:count])

    class Passes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.calls = model, 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            out: Tensor = self.inner(x)
            return out

    def passes(chosen: slice) -> int:
        counting = Passes().eval()
        ATTACKS["minimal_i_fgsm"](counting, images[:count][chosen], goal.select(chosen), steps=10, attempts=9)
        return counting.calls

    batch = passes(slice(None))
    slowest = max(passes(slice(i, i + 1)) for i in range(count))
    row = {"network": network, "case": "minimal_i_fgsm_passes", "who": "advatlas", "images": count}
    return [{**row, "batch_passes": batch, "slowest_passes": slowest, "ratio": batch / slowest}]


COLUMNS = (
    "network",
    "case",
    "who",
    "images",
    "seconds",
    "forwards",
    "success",
    "distortion",
    "times_slower",
    "comparable",
)


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table."""

    def cell(row: dict[str, Any], column: str) -> str:
        value = row.get(column, row.get("error", "")[:60] if column == "seconds" else "")
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    return "\n".join(lines + ["| " + " | ".join(cell(row, c) for c in COLUMNS) + " |" for row in rows])


def main() -> None:
    """Run the comparisons that are asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["lenet", "mobilenet_v2"], choices=["lenet", "mobilenet_v2"])
    parser.add_argument("--only", nargs="+", help="names of cases")
    parser.add_argument("--again", action="store_true", help="run cases whose results are there already")
    parser.add_argument("--table", action="store_true", help="print the kept results as Markdown and run nothing")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(json.loads(RESULTS.read_text())["rows"]))
        return

    machine = {
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else platform.processor() or "CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    for name in ("torchattacks", "foolbox", "art", "adv_lib"):
        library = load(name)
        machine[name] = getattr(library, "__version__", "installed") if library else "not installed: skipped"
        if library is None:
            print(f"{name} is not installed: its rows are left out (make test installs it)")
    rows = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []

    special = {"clever": clever, "minimal": minimal_passes}
    for network in arguments.networks:
        load_victim = victims.mobilenet_v2 if network == "mobilenet_v2" else partial(victims.digits, network)
        found = load_victim(arguments.device)
        if found is None:
            print(f"{network}: no weights, images or timm here (set ADVATLAS_SHARED): skipped")
            continue
        model, images, labels = found
        tasks: dict[str, Callable[[], list[dict[str, Any]]]] = {
            case.name: partial(compare, case, network, model, images, labels) for case in cases()
        }
        tasks |= {name: partial(function, network, model, images, labels) for name, function in special.items()}
        for name, task in tasks.items():
            there = any(row["network"] == network and row["case"].startswith(name) for row in rows)
            if (arguments.only and name not in arguments.only) or (there and not arguments.again):
                continue
            print(f"== {network}: {name}", flush=True)
            new = task()
            same = {(row["network"], row["case"]) for row in new}
            rows = [row for row in rows if (row["network"], row["case"]) not in same] + new
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
            print(table(new), flush=True)
    print(f"\n{table(rows)}\n\nkept in {RESULTS}")


if __name__ == "__main__":
    main()
