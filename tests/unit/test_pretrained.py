"""Pretrained models: which there are, where weights come from, and what is said where they are not as they must be."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from advatlas.data import DATASETS
from advatlas.data.pictures import decode
from advatlas.errors import AdvatlasError
from advatlas.models.building import build_library_network, parse
from advatlas.models.classifier import Classifier, predict_logits
from advatlas.models.folding import fold_batch_norm
from advatlas.models.pretrained import fetch, groups, local_models, located, pretrained, zoo
from advatlas.models.zoo import load_card, load_classifier, save_model

SMALL = "timm.models.efficientnet._gen_mobilenet_v1('mobilenetv1_100', channel_multiplier=0.25, pad_type='same')"


@pytest.fixture
def folder(tmp_path):
    """A local folder of weights with one small network."""
    network = build_library_network(SMALL)
    save_file(network.state_dict(), tmp_path / "small.safetensors")
    row = {
        "model": "small", "file": "small.safetensors", "family": "mobilenet", "build": SMALL, "input_size": "96",
        "crop_pct": "0.875", "interpolation": "bicubic", "mean": "0.5", "std": "0.1 0.2 0.3",
        "sha256": hashlib.sha256((tmp_path / "small.safetensors").read_bytes()).hexdigest(),
    }  # fmt: skip

    def write(**changes: str) -> Path:
        with open(tmp_path / "models.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, [*row, *(set(changes) - set(row))])
            writer.writeheader()
            writer.writerow({**row, **changes})
        return tmp_path

    write()
    return write


def test_the_papers_models_are_there():
    assert len(groups()["su2018"]) == 18
    assert len(groups()["juraev2023"]) == 14
    assert {name for group in groups().values() for name in group} == set(zoo())
    for name, recipe in zoo().items():
        parse(recipe.build)
        assert recipe.name == name
        assert recipe.macs
        assert recipe.licence
        if recipe.paper_parameters:
            # The paper counts 1,001 classes and batch-norm statistics, and rounds.
            assert recipe.parameters == pytest.approx(1e6 * recipe.paper_parameters, rel=0.065), name
    for name in groups()["juraev2023"]:
        if name not in groups()["su2018"]:
            assert zoo()[name].parameters == round(1e6 * zoo()[name].paper_parameters), name
    assert [zoo()[n].view.size for n in ("mobilenet_0.25_128", "mobilenet_0.50_160", "nasnet")] == [128, 160, 331]


def test_a_name_is_found_or_the_nearest_is_named(folder):
    assert pretrained("vgg16").build.startswith("torchvision.models.vgg16")
    assert pretrained("small", folder()).weights == "folder:small.safetensors"
    recipe = pretrained("timm:resnet18.a1_in1k")
    assert recipe.view.name == "224-0.95-bicubic"
    assert recipe.weights == "timm:resnet18.a1_in1k"
    with pytest.raises(AdvatlasError, match="unknown model 'vgg_16'.*did you mean 'vgg16'"):
        pretrained("vgg_16")
    with pytest.raises(AdvatlasError, match="timm has no model 'resnet19'"):
        pretrained("timm:resnet19")
    with pytest.raises(AdvatlasError, match="timm has no weights 'resnet18.nobody'"):
        pretrained("timm:resnet18.nobody")


@pytest.mark.parametrize(
    "build",
    [
        "os.system('true')",
        "torchvision.models.vgg16",
        "torchvision.models.vgg16(open('x'))",
        "timm.create_model('x')(1)",
        "torchvision.models.nothing()",
        "__import__('os').getcwd()",
        "torchvision.models.vgg16(colour=3)",
        "torchvision.models.list_models()",
    ],
)
def test_only_calls_that_build_networks_are_made(build):
    with pytest.raises(AdvatlasError, match="build: "):
        build_library_network(build)


def test_weights_of_a_local_folder(folder):
    where = folder()
    network, card = fetch(pretrained("small", where), where)
    assert card["parameters"] == 470_072
    assert card["input_size"] == [3, 96, 96]
    assert card["std"] == [0.1, 0.2, 0.3]
    state = load_file(where / "small.safetensors")
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_weights_that_are_not_as_they_must_be(folder):
    where = folder(sha256="0" * 64)
    with pytest.raises(AdvatlasError, match=r"small.safetensors: its SHA-256 is .*, models.csv says 000"):
        fetch(pretrained("small", where), where)
    where = folder(build="torchvision.models.squeezenet1_1()")
    with pytest.raises(
        AdvatlasError, match=r"small: the weights folder:small.safetensors are not those of torchvision"
    ):
        fetch(pretrained("small", where), where)
    where = folder(sha256="")
    (where / "small.safetensors").write_bytes((where / "small.safetensors").read_bytes()[:1000])
    with pytest.raises(AdvatlasError, match="not readable as weights"):
        fetch(pretrained("small", where), where)
    with pytest.raises(AdvatlasError, match="line 2: .*gone.safetensors: no such file"):
        local_models(folder(file="gone.safetensors"))
    with pytest.raises(AdvatlasError, match="line 2: the column 'family' is missing"):
        local_models(folder(family=""))
    with pytest.raises(AdvatlasError, match="line 2: interpolation: 'cubic' is not one of"):
        local_models(folder(interpolation="cubic"))
    with pytest.raises(AdvatlasError, match="line 2: build: "):
        local_models(folder(build="eval('1')"))
    with pytest.raises(AdvatlasError, match="has no models.csv"):
        local_models(where / "nowhere")


def test_weights_that_are_not_finite_are_refused(folder):
    where = folder(sha256="")
    state = load_file(where / "small.safetensors")
    state["conv_stem.weight"].view(-1)[0] = float("nan")
    save_file(state, where / "small.safetensors")
    with pytest.raises(AdvatlasError, match="values that are not finite"):
        fetch(pretrained("small", where), where)


def test_pickles_are_not_executed(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    with open(tmp_path / "trap.pth", "wb") as file:
        pickle.dump({"state_dict": Trap()}, file)
    where = folder(file="trap.pth", sha256="")
    with pytest.raises(AdvatlasError, match=r"trap.pth"):
        fetch(pretrained("small", where), where)
    assert not (tmp_path / "executed").exists()


def test_random_weights_are_seeded():
    recipe = dataclasses.replace(pretrained("mobilenet_0.25_128"), weights="random", seed=3)
    first, second = fetch(recipe)[0].state_dict(), fetch(recipe)[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = fetch(dataclasses.replace(recipe, seed=4))[0].state_dict()
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert located(recipe, None)


class Background(nn.Module):
    """A network of 1,001 classes whose first is the background and always wins."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        values = torch.arange(1001.0).expand(len(x), -1) * self.scale
        return values.index_fill(1, torch.tensor([0]), 1e6)


def test_models_of_1001_and_1000_classes_agree_on_labels():
    classifier = Classifier(
        Background(),
        name="b",
        family="b",
        num_classes=1000,
        input_size=(3, 8, 8),
        mean=[0.0] * 3,
        std=[1.0] * 3,
        first_class=1,
    )
    logits = classifier(torch.zeros(2, 3, 8, 8))
    assert logits.shape == (2, 1000)
    assert logits.argmax(1).tolist() == [999, 999]  # their class 1000, which is 999 of the thousand


@pytest.mark.parametrize("name", ["efficientnet_lite0", "inception_v1", "resnet_v2_50", "densenet121_k32"])
def test_folding_changes_no_logit(name):
    recipe = zoo()[name]
    torch.manual_seed(0)
    network = build_library_network(recipe.build)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
    folded = fold_batch_norm(network, (3, 64, 64))
    left = [sum(isinstance(m, nn.BatchNorm2d) for m in n.modules()) for n in (folded, network)]
    assert left[0] < left[1]
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert folded(x) == pytest.approx(network(x), rel=1e-3, abs=1e-3 * float(network(x).abs().max()))


def test_embedded_weights_read_embedded_pictures(tmp_path):
    """EfficientNet-Lite0 and the 20 pictures come with the installation: most of them it gets right."""
    recipe = pretrained("efficientnet_lite0")
    network, card = fetch(recipe)
    save_model(network, card, tmp_path / "w.safetensors", tmp_path / "card.json")
    classifier = load_classifier(tmp_path / "w.safetensors", load_card(tmp_path / "card.json"))
    pictures = DATASETS["imagenet_sample"].find(Path("unused"))
    images = torch.from_numpy(decode(pictures, recipe.view)).float() / 255
    right = predict_logits(classifier, images, 10).argmax(1) == torch.tensor([p.label for p in pictures])
    assert right.sum() >= 15


@pytest.mark.parametrize("name", ["mobilenet_v1_025_128", "mobilenet_v1_050_160"])
def test_local_weights_have_the_accuracy_their_table_says(shared, name, tmp_path):
    with open(shared / "weights" / "models.csv", newline="") as file:
        expected = {row["model"]: float(row["top1"]) for row in csv.DictReader(file)}
    recipe = pretrained(name, shared / "weights")
    network, card = fetch(recipe, shared / "weights")
    save_model(network, card, tmp_path / "w.safetensors", tmp_path / "card.json")
    classifier = load_classifier(tmp_path / "w.safetensors", load_card(tmp_path / "card.json"))
    pictures = DATASETS["imagenet"].find(shared)
    images = torch.from_numpy(decode(pictures, recipe.view)).float() / 255
    right = predict_logits(classifier, images, 16).argmax(1) == torch.tensor([p.label for p in pictures])
    assert float(right.float().mean()) == pytest.approx(expected[name], abs=1 / 320)
