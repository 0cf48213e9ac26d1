"""Studies: the embedded ones are valid, and every mistake is one clear line."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import yaml

from advatlas.errors import AdvatlasError
from advatlas.reading.study import open_study
from tests.conftest import ROOT

GOOD = {
    "description": "a study",
    "seed": 1,
    "dataset": {"name": "mnist_sample", "train": 500, "validation": 100, "test": 200},
    "training": {"epochs": 2},
    "models": [
        {"architecture": "lenet", "initialisation": ["msra", "xavier"]},
        {"architecture": "nin", "initialisation": "gaussian", "width": 0.5, "gaussian_std": 0.05},
    ],
    "selection": {"images": "common", "n": 50},
    "attacks": [
        {"attack": "fgsm", "epsilon": [0.1, "8/255"]},
        {"attack": "i_fgsm", "epsilon": 0.1, "goal": "least_likely"},
        {"attack": "one_pixel", "goal": {"class": 3}},
    ],
}


def opened(tmp_path, content, config=None, monkeypatch=None):
    path = tmp_path / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return open_study({"study": str(path), **(config or {})}, ROOT)[1]


def changed(path, value):
    """Return the good study with one entry replaced (or removed, for ...)."""
    study = copy.deepcopy(GOOD)
    inner = study
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return study


def test_a_good_study(tmp_path):
    study = opened(tmp_path, GOOD)
    assert [m.name for m in study.models] == ["lenet_msra", "lenet_xavier", "nin_gaussian"]
    assert [s.name for s in study.settings] == [
        "fgsm-epsilon0.1",
        "fgsm-epsilon8_255",
        "i_fgsm-least_likely",
        "one_pixel-class3",
    ]
    assert study.settings[1].parameters == {"epsilon": 8 / 255, "loss": "cross_entropy"}
    assert study.settings[2].parameters == {"epsilon": 0.1, "steps": 10, "step_size": None, "loss": "cross_entropy"}
    assert study.settings[3].parameters["population"] == 400
    assert study.settings[3].parameters["seed"] > 0
    assert study.models[2].gaussian_std == 0.05
    assert study.model("lenet_msra").training.epochs == 2
    assert study.top_k == (5,)
    assert "transfer-one_pixel" in study.figure_names()


def test_goals_and_presets_are_sweeps(tmp_path):
    attacks = [
        {"attack": "i_fgsm", "epsilon": 0.1, "goal": ["untargeted", "random", {"class": 0}], "name": "mine"},
        {"preset": "su2018-code", "attack": "fgsm", "epsilon": 0.2},
        {"preset": "campbell2024", "name": "campbell"},
    ]
    with pytest.raises(AdvatlasError, match="two settings are called 'campbell'"):
        opened(tmp_path, changed(["attacks"], attacks))
    study = opened(tmp_path, changed(["attacks"], [*attacks[:2], {"preset": "campbell2024"}]))
    assert [s.name for s in study.settings] == [
        "mine",
        "mine-random",
        "mine-class0",
        "fgsm",
        "fgsm-random",
        "fgsm-least_likely",
        "mi_fgsm-epsilon8_255",
        "mi_fgsm-epsilon0.3",
        "deepfool",
        "carlini_wagner",
        "pixel_swap",
    ]
    assert study.setting("fgsm-random").parameters == {"epsilon": 0.2, "loss": "logit"}
    assert study.setting("mi_fgsm-epsilon0.3").parameters["stop_at_success"] is True


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_embedded_studies_are_valid(path):
    _, study = open_study({"study": path.stem}, ROOT, dry_run=True)
    assert study.name == path.stem


def test_the_default_study_is_as_large_as_promised():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config, study = open_study(config, ROOT)
    assert config["study"] == "mnist_quick"
    assert len(study.models) >= 12
    attacks = {s.attack for s in study.settings}
    assert attacks == {"fgsm", "i_fgsm", "one_pixel"}
    for attack in ("fgsm", "i_fgsm"):
        assert {s.parameters["epsilon"] for s in study.settings if s.attack == attack} == {0.1, 0.2, 0.3}


def test_the_full_studies_are_those_of_the_paper():
    mnist = open_study({"study": "bendaya2020_mnist"}, ROOT)[1]
    assert len(mnist.models) == 18
    assert mnist.selection.n == 1000
    assert {m.architecture for m in mnist.models} == {
        "alexnet",
        "googlenet",
        "lenet",
        "nin",
        "resnet20",
        "squeezenet",
    }
    cifar = open_study({"study": "bendaya2020_cifar10"}, ROOT)[1]
    assert {m.architecture for m in cifar.models} == {
        "alexnet",
        "googlenet",
        "lenet5",
        "nin",
        "squeezenet",
        "vgg16",
    }
    epsilons = {s.parameters.get("epsilon") for s in cifar.settings if s.attack != "one_pixel"}
    assert epsilons == {2 / 255, 4 / 255, 8 / 255}
    for small in ("mnist", "cifar10"):
        full, variant = (open_study({"study": f"bendaya2020_{small}{end}"}, ROOT)[1] for end in ("", "_small"))
        assert [m.name for m in full.models] == [m.name for m in variant.models]
        assert [(s.attack, s.goal) for s in full.settings] == [(s.attack, s.goal) for s in variant.settings]


def test_equal_recipes_share_a_folder_and_others_do_not(tmp_path):
    one = opened(tmp_path, GOOD)
    other = opened(tmp_path, changed(["attacks"], [{"attack": "fgsm", "epsilon": 0.2}]))
    assert one.model_folder("lenet_msra") == other.model_folder("lenet_msra")
    for path, value in ((["seed"], 2), (["training", "epochs"], 3), (["dataset", "train"], 400)):
        assert opened(tmp_path, changed(path, value)).model_folder("lenet_msra") != one.model_folder("lenet_msra")


def test_settings_do_not_depend_on_their_order(tmp_path):
    one = opened(tmp_path, GOOD)
    turned = opened(tmp_path, changed(["attacks"], GOOD["attacks"][::-1]))
    assert {dataclasses.astuple(s)[:4] for s in one.settings} == {dataclasses.astuple(s)[:4] for s in turned.settings}
    assert one.setting("one_pixel-class3") == turned.setting("one_pixel-class3")


MISTAKES = [
    # structure
    ("not: [valid", r"line \d+: not valid YAML"),
    ("just text", "expected a mapping of keys to values, found text"),
    ("", "expected a mapping of keys to values, found nothing"),
    ("seed: 1\nseed: 2\n", "the key 'seed' stands twice"),
    (changed(["models"], ...), "the key 'models' is missing"),
    (changed(["attacks"], ...), "the key 'attacks' is missing"),
    (changed(["dataset"], ...), "the key 'dataset' is missing"),
    (changed(["selection"], ...), "the key 'selection' is missing"),
    (changed(["seed"], ...), "the key 'seed' is missing"),
    (changed(["seed"], -1), "seed: -1 must be at least 0"),
    (changed(["seed"], "one"), "seed: expected a whole number, found text"),
    (changed(["atacks"], []), "unknown key 'atacks'.*did you mean 'attacks'"),
    (changed(["models"], []), "models: the list is empty"),
    (changed(["attacks"], []), "attacks: the list is empty"),
    (changed(["models"], {"lenet": 1}), "models: expected a list, found a mapping"),
    (changed(["description"], ""), "description: the text is empty"),
    # dataset
    (changed(["dataset", "name"], "mnist_sampl"), "dataset.name: unknown dataset 'mnist_sampl'.*did you mean 'mnist_sample'"),
    (changed(["dataset", "validation"], ...), "dataset: the key 'validation' is missing"),
    (changed(["dataset", "validation"], 0), "dataset.validation: 0 must be at least 1"),
    (changed(["dataset", "test"], ...), "dataset.test: must be given: mnist_sample has no test images of its own"),
    (changed(["dataset", "test"], 4950), "dataset: the validation split asks for 100 images, but 50"),
    (changed(["dataset", "train"], 9999), "dataset: the train split asks for 9999 images"),
    (changed(["dataset", "trian"], 5), "dataset: unknown key 'trian'.*did you mean 'train'"),
    # training
    (changed(["training", "optimizer"], "adan"), "training.optimizer: 'adan' is not one of: adam, sgd; did you mean 'adam'"),
    (changed(["training", "epochs"], 0), "training.epochs: 0 must be at least 1"),
    (changed(["training", "epochs"], 1.5), "training.epochs: expected a whole number, found a number"),
    (changed(["training", "learning_rate"], 0), "training.learning_rate: 0 must be more than 0"),
    (changed(["training", "min_accuracy"], 80), "training.min_accuracy: 80 must be at most 1"),
    (changed(["training", "lr"], 0.1), "training: unknown key 'lr'; allowed: epochs"),
    (changed(["training", "momentum"], 1), "training.momentum: 1 must be less than 1"),
    # models
    (changed(["models", 0, "architecture"], "lenett"), r"models\[0\].architecture: unknown architecture 'lenett'.*did you mean 'lenet'"),
    (changed(["models", 0, "architecture"], "vgg16"), r"models\[0\].architecture: 'vgg16' needs images of at least 32x32, mnist_sample has 28x28"),
    (changed(["models", 0, "initialisation"], ["msra", "xaver"]), r"models\[0\].initialisation\[1\]: unknown initialisation 'xaver'.*did you mean 'xavier'"),
    (changed(["models", 0, "initialisation"], "he"), r"models\[0\].initialisation: unknown initialisation 'he'"),
    (changed(["models", 0, "initialisation"], []), r"models\[0\].initialisation: the list is empty"),
    (changed(["models", 0, "initialisation"], 3), r"models\[0\].initialisation: expected text or a list, found a whole number"),
    (changed(["models", 0, "initialisation"], ["msra", "msra"]), r"models\[0\]: the model 'lenet_msra' stands twice"),
    (changed(["models", 0, "name"], "a"), r"models\[0\].name: cannot name several"),
    (changed(["models", 1, "name"], "Bad Name"), r"models\[1\].name: 'Bad Name' may hold lower-case"),
    (changed(["models", 1, "name"], "lenet_msra"), r"models\[1\]: the model 'lenet_msra' stands twice"),
    (changed(["models", 1, "width"], 0), r"models\[1\].width: 0 must be more than 0"),
    (changed(["models", 1, "initialisation"], "xavier"), r"models\[1\].gaussian_std: has no effect"),
    (changed(["models", 1, "widht"], 1), r"models\[1\]: unknown key 'widht'.*did you mean 'width'"),
    # selection
    (changed(["selection", "images"], "comon"), "selection.images: 'comon' is not one of: common.*did you mean 'common'"),
    (changed(["selection", "n"], 201), "selection.n: 201 is more than the 200 test images"),
    (changed(["selection"], {"images": "one_per_class", "n": 50}), "selection.n: 50 is more than the 10 classes"),
    # attacks
    (changed(["attacks", 0, "attack"], "fgms"), r"attacks\[0\].attack: unknown attack 'fgms'; known: apgd, .*did you mean 'fgsm'"),
    (changed(["attacks", 0, "epsilom"], 0.1), r"attacks\[0\].epsilom: fgsm has no such parameter; allowed: .*did you mean 'epsilon'"),
    (changed(["attacks", 0, "steps"], 10), r"attacks\[0\].steps: fgsm has no such parameter"),
    (changed(["attacks", 0, "epsilon"], ...), r"attacks\[0\]: fgsm needs the parameter 'epsilon'"),
    (changed(["attacks", 0, "epsilon"], 0), r"attacks\[0\].epsilon: 0 is outside \(0, 1\]"),
    (changed(["attacks", 0, "epsilon"], [0.1, 1.5]), r"attacks\[0\].epsilon\[1\]: 1.5 is outside \(0, 1\]"),
    (changed(["attacks", 0, "epsilon"], 8), r"attacks\[0\].epsilon: 8 is outside"),
    (changed(["attacks", 0, "epsilon"], "8/0"), r"attacks\[0\].epsilon: '8/0' is not a number"),
    (changed(["attacks", 0, "epsilon"], "big"), r"attacks\[0\].epsilon: 'big' is not a number"),
    (changed(["attacks", 0, "epsilon"], []), r"attacks\[0\].epsilon: the list is empty"),
    (changed(["attacks", 0, "epsilon"], True), r"attacks\[0\].epsilon: True is not a number"),
    (changed(["attacks", 0, "epsilon"], [0.1, 0.1]), r"attacks\[0\]: the setting 'fgsm-epsilon0.1' repeats"),
    (changed(["attacks", 0, "epsilon"], ["51/255", 0.2]), r"the setting 'fgsm-epsilon0.2' repeats 'fgsm-epsilon51_255'"),
    (changed(["attacks", 1], {"attack": "fgsm", "epsilon": 0.1}), "repeats 'fgsm-epsilon0.1'"),
    (changed(["attacks", 1], {"attack": "fgsm", "epsilon": 0.3, "name": "one_pixel-class3"}), r"attacks\[1\].name"),
    (
        changed(["attacks"], [{"attack": "fgsm", "epsilon": e, "name": "x"} for e in (0.1, 0.2)]),
        r"attacks\[1\]: two settings are called 'x'",
    ),
    (changed(["attacks", 0], {"attack": "dgsm", "epsilon": 0.1}), r"attacks\[0\].goal: dgsm has no untargeted form"),
    (changed(["attacks", 0], {"attack": "fgsm", "epsilon": 0.1, "loss": "directed"}), r"attacks\[0\].loss: 'directed' needs a target class"),
    (changed(["attacks", 0], {"preset": "su2019"}), r"attacks\[0\].preset: unknown preset 'su2019'; known: .*did you mean 'su2018"),
    (changed(["attacks", 0], {"preset": "su2018-code", "attack": "pgd"}), r"attacks\[0\].attack: 'pgd' is not in su2018_code"),
    (changed(["attacks", 0], {"preset": "campbell2024", "alpha": 1}), r"attacks\[0\].alpha: mi_fgsm has no such parameter"),
    (changed(["attacks", 0, "goal"], ["random", "randon"]), r"attacks\[0\].goal: unknown goal 'randon'"),
    (changed(["attacks", 0, "goal"], []), r"attacks\[0\].goal: the list is empty"),
    (changed(["attacks", 0], {"epsilon": 0.1}), r"attacks\[0\]"),
    (changed(["attacks", 0], {"attack": "mi_fgsm", "epsilon": 0.1, "stop_at_success": 1}), "1 is neither true nor false"),
    (changed(["attacks", 1, "steps"], 0), r"attacks\[1\].steps: 0 is outside at least 1"),
    (changed(["attacks", 1, "steps"], 2.5), r"attacks\[1\].steps: 2.5 is not a whole number"),
    (changed(["attacks", 1, "goal"], "leastlikely"), r"attacks\[1\].goal: unknown goal 'leastlikely'.*did you mean 'least_likely'"),
    (changed(["attacks", 2, "goal"], {"class": 10}), r"attacks\[2\].goal.class: 10 is not a class of mnist_sample: 0 to 9"),
    (changed(["attacks", 2, "goal"], {"clas": 1}), r"attacks\[2\].goal: unknown key 'clas'; allowed: class; did you mean 'class'"),
    (changed(["attacks", 2, "strategy"], "best2"), r"attacks\[2\].strategy: 'best2' is not one of: rand1, best1; did you mean 'best1'"),
    (changed(["attacks", 2, "population"], 2), r"attacks\[2\].population: 2 is outside"),
    # the rest
    (changed(["top_k"], 11), "top_k: 11 is more than the 10 classes"),
    (changed(["figures"], ["transfers"]), r"figures\[0\]: unknown figure 'transfers'.*did you mean 'transfer'"),
    (changed(["figures"], ["transfer", "transfer"]), "figures: an entry stands twice"),
]  # fmt: skip


@pytest.mark.parametrize(("study", "message"), MISTAKES, ids=[str(i) for i in range(len(MISTAKES))])
def test_a_mistaken_study_is_one_clear_line(tmp_path, study, message):
    with pytest.raises(AdvatlasError, match=message) as caught:
        opened(tmp_path, study)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"study": "mnist_quik"},
            "config.yaml: study: 'mnist_quik' is not one of:.*did you mean 'mnist_quick'",
        ),
        ({"study": "nowhere/mine.yaml"}, "config.yaml: study: nowhere/mine.yaml: no such file"),
        ({}, "config.yaml: the key 'study' is missing"),
        ({"study": 3}, "config.yaml: study: expected text, found a whole number"),
        (
            {"study": "mnist_quick", "devise": "cpu"},
            "config.yaml: unknown key 'devise'.*did you mean 'device'",
        ),
        (
            {"study": "mnist_quick", "device": "gpu"},
            "config.yaml: device: 'gpu' is not one of: auto, cpu, cuda",
        ),
        ({"study": "mnist_quick", "batch_size": 0}, "config.yaml: batch_size: 0 must be at least 1"),
        ({"study": "mnist_quick", "cpu_threads": "two"}, "config.yaml: cpu_threads: expected a whole number"),
        (
            {"study": "mnist_quick", "evaluator": "hot"},
            "config.yaml: evaluator: 'hot' is not one of: warm, cold",
        ),
        ({"study": "mnist_quick", "download": "yes"}, "config.yaml: download: expected true or false"),
        (
            {"study": "bendaya2020_mnist", "download": False, "data_dir": "nowhere"},
            "dataset 'mnist' is not in nowhere/ and config.yaml has download: false",
        ),
    ],
)
def test_a_mistaken_configuration_is_one_clear_line(monkeypatch, config, message):
    monkeypatch.delenv("ADVATLAS_DATA", raising=False)
    with pytest.raises(AdvatlasError, match=message) as caught:
        open_study(config, ROOT)
    assert "\n" not in str(caught.value)


def test_the_environment_variable_names_the_data(monkeypatch, tmp_path):
    monkeypatch.setenv("ADVATLAS_DATA", str(tmp_path))
    assert open_study({"study": "mnist_quick"}, ROOT)[0]["data_dir"] == str(tmp_path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AdvatlasError, match=r"mine\.yaml: cannot be read"):
        open_study({"study": str(path)}, ROOT)


DEFENDED = {
    "description": "defended",
    "seed": 1,
    "dataset": {"name": "mnist_sample", "size": 32, "rgb": True, "validation": 0.2, "test": 0.2},
    "models": [{"architecture": "campbell_cnn", "initialisation": "msra", "name": "cnn"}],
    "defenses": [
        {"defense": "feature_smoothing", "of": "trained", "name": "both", "sigma": 1.5},
        {"defense": "adversarial_training", "of": "cnn", "name": "trained", "training": {"epochs": 5},
         "attacks": [{"attack": "fgsm", "epsilon": 0.1}, {"attack": "deepfool"}]},
        {"defense": "prediction_averaging", "of": ["cnn", "trained"], "suffix": "mean", "epsilon": 0.1, "samples": 4},
    ],
    "selection": {"images": "per_source"},
    "attacks": [
        {"attack": "fgsm", "epsilon": [0.1, 0.2]},
        {"attack": "pgd", "epsilon": 0.1, "adaptive": True, "eot_samples": 3, "sources": "defended"},
        {"attack": "square", "epsilon": 0.1, "sources": ["cnn"]},
    ],
}  # fmt: skip


def test_a_study_of_defenses(tmp_path):
    study = opened(tmp_path, DEFENDED)
    assert [m.name for m in study.models] == ["cnn", "trained", "cnn_mean", "both", "trained_mean"]
    assert [d.defense for d in study.defenses("both")] == ["adversarial_training", "feature_smoothing"]
    assert study.undefended("both").name == "cnn"
    assert study.model("trained").training.epochs == 5
    assert study.model("trained").parameters["attacks"][0] == {
        "attack": "fgsm",
        "parameters": {"epsilon": 0.1, "loss": "cross_entropy"},
    }
    assert study.model("both").training is None
    assert study.model("both").parameters == {"sigma": 1.5, "kernel": 3}
    assert study.dataset.dataset.input_size == (3, 32, 32)
    adaptive = study.setting("pgd-adaptive")
    assert (adaptive.adaptive, study.setting("square").adaptive) == (3, None)
    assert study.sources("pgd-adaptive") == ("trained", "cnn_mean", "both", "trained_mean")
    assert study.sources("square") == ("cnn",)
    assert {"defenses", "epsilons", "trained"} <= study.features()
    assert "epsilons-fgsm" in study.figure_names()
    assert "epsilons-pgd" not in study.figure_names()
    # A defended model's folder follows from everything below it.
    other = copy.deepcopy(DEFENDED)
    other["models"][0]["training"] = {"epochs": 3}
    again = opened(tmp_path, other)
    assert all(again.model_folder(m.name) != study.model_folder(m.name) for m in study.models)


@pytest.mark.parametrize(
    ("index", "change", "message"),
    [
        (0, {"of": "both"}, r"the stack of 'both' contains itself: both <- both"),
        (0, {"of": "trained_mean", "name": "cnn2"}, ""),
        (1, {"of": "both"}, r"the stack of 'both' contains itself: both <- trained <- both"),
        (0, {"of": "nobody"}, "unknown model 'nobody'; known: cnn"),
        (0, {"sigma": 0}, r"defenses\[0\].sigma: 0 is outside"),
        (0, {"kernel": 4}, "4 is even; an odd number of pixels has a middle"),
        (0, {"kernal": 5}, "feature_smoothing has no such parameter.*did you mean 'kernel'"),
        (0, {"defense": "smoothing"}, "unknown defense 'smoothing'"),
        (0, {"training": {"epochs": 2}}, "feature_smoothing trains nothing"),
        (1, {"of": "cnn_mean"}, "adversarial_training trains a network and cannot wrap 'cnn_mean'.*train first, then wrap"),
        (1, {"attacks": [{"attack": "fgsm"}]}, r"defenses\[1\].attacks\[0\]: fgsm needs the parameter 'epsilon'"),
        (1, {"attacks": [{"attack": "fgsm", "epsilon": 2}]}, r"defenses\[1\].attacks\[0\].epsilon: 2 is outside"),
        (1, {"attacks": ["fgsm"]}, "expected an attack with its parameters"),
        (1, {"attacks": ...}, "adversarial_training needs the parameter 'attacks'"),
        (2, {"samples": 0}, r"defenses\[2\].samples: 0 is outside"),
        (2, {"epsilon": ...}, "prediction_averaging needs the parameter 'epsilon'"),
        (2, {"name": "x"}, "cannot name several models; give a suffix"),
        (2, {"of": ["cnn"], "suffix": None}, ""),
    ],
)  # fmt: skip
def test_mistakes_in_defenses_are_one_line(tmp_path, index, change, message):
    study = copy.deepcopy(DEFENDED)
    for key, value in change.items():
        if value is ... or value is None:
            del study["defenses"][index][key]
        else:
            study["defenses"][index][key] = value
    if not message:
        opened(tmp_path, study)
        return
    with pytest.raises(AdvatlasError, match=message) as caught:
        opened(tmp_path, study)
    assert "\n" not in str(caught.value)


def test_distillation_at_no_temperature_is_refused(tmp_path):
    study = {**DEFENDED, "defenses": [{"defense": "distillation", "of": "cnn", "temperature": 0}]}
    with pytest.raises(AdvatlasError, match=r"defenses\[0\].temperature: 0 is outside"):
        opened(tmp_path, study)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"attack": "pgd", "epsilon": 0.1, "sources": "nobody"}, "unknown model 'nobody'"),
        ({"attack": "pgd", "epsilon": 0.1, "eot_samples": 3}, "eot_samples: has no effect without adaptive: true"),
    ],
)
def test_mistakes_in_who_attacks_whom(tmp_path, entry, message):
    with pytest.raises(AdvatlasError, match=message):
        opened(tmp_path, {**DEFENDED, "attacks": [entry]})


def test_nothing_is_trained_on_pictures(tmp_path):
    study = {
        "description": "pretrained",
        "seed": 1,
        "dataset": {"name": "imagenet_sample", "not_rgb": "convert"},
        "models": [{"model": "efficientnet_lite0"}],
        "defenses": [{"defense": "feature_smoothing", "of": "efficientnet_lite0", "name": "smoothed"}],
        "selection": {"images": "per_source"},
        "attacks": [{"attack": "fgsm", "epsilon": 0.1}],
    }
    assert [m.name for m in opened(tmp_path, study).models] == ["efficientnet_lite0", "smoothed"]
    with pytest.raises(AdvatlasError, match=r"models\[0\].finetune: nothing is trained on imagenet_sample"):
        opened(tmp_path, {**study, "models": [{"finetune": "efficientnet_lite0"}]})
    study["defenses"] = [{"defense": "distillation", "of": "efficientnet_lite0"}]
    with pytest.raises(AdvatlasError, match="nothing is trained on imagenet_sample"):
        opened(tmp_path, study)


def test_a_study_extends_another_and_fills_in_values(tmp_path):
    (tmp_path / "base.yaml").write_text(
        yaml.safe_dump({**GOOD, "values": {"e": 0.1}, "attacks": [{"attack": "fgsm", "epsilon": "$e"}]})
    )
    study = opened(tmp_path, {"extends": str(tmp_path / "base.yaml"), "seed": 7, "values": {"e": "8/255"}})
    assert (study.seed, study.settings[0].parameters["epsilon"]) == (7, 8 / 255)
    with pytest.raises(AdvatlasError, match=r"'\$e' has no value; values has: f"):
        opened(tmp_path, {"extends": str(tmp_path / "base.yaml"), "values": {"f": 1}})
    quick = opened(tmp_path, {"extends": "mnist_quick", "seed": 5})
    assert (quick.seed, len(quick.models)) == (5, 12)
    with pytest.raises(AdvatlasError, match=r"extends: 'nothing' is not one of"):
        opened(tmp_path, {"extends": "nothing"})


def test_pretrained_networks_are_brought_to_other_classes(tmp_path):
    study = {
        "description": "finetuned",
        "seed": 1,
        "dataset": {"name": "cifar10", "size": 64, "validation": 100},
        "models": [{"finetune": ["efficientnet_lite0", "efficientnet_lite1"], "frozen": 2, "normalise": False}],
        "selection": {"images": "per_source"},
        "attacks": [{"attack": "fgsm", "epsilon": 0.1}],
    }
    models = opened(tmp_path, study).models
    assert [(m.name, m.frozen, m.initialisation) for m in models] == [
        ("efficientnet_lite0", 2, "pretrained"),
        ("efficientnet_lite1", 2, "pretrained"),
    ]
    study["dataset"] = {"name": "mnist", "validation": 100}
    with pytest.raises(AdvatlasError, match="mnist is grey; pretrained networks take rgb: true"):
        opened(tmp_path, study)
    study["dataset"] = {"name": "mnist_sample", "validation": 0.2, "test": 0.2, "pool": "merged", "rgb": True}
    with pytest.raises(AdvatlasError, match="there is nothing to merge"):
        opened(tmp_path, study)
