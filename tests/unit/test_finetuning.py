"""Pretrained networks brought to other classes, and torchvision's weights under their old names."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from advatlas.data import DATASETS
from advatlas.data.dataset import Source
from advatlas.data.splits import SplitSizes, prepare
from advatlas.errors import AdvatlasError
from advatlas.models.building import build_library_network
from advatlas.models.finetuning import freeze, replace_head
from advatlas.models.pretrained import load_checked, pretrained, zoo
from advatlas.models.training import TrainingOptions
from advatlas.models.zoo import ModelRecipe, load_card, load_classifier, save_model, train_model


@pytest.mark.parametrize(
    "build",
    [
        "torchvision.models.squeezenet1_1()",
        "torchvision.models.resnet18()",
        "torchvision.models.googlenet(aux_logits=False, transform_input=False, init_weights=False)",
        "timm.create_model('tf_efficientnet_lite0')",
        "timm.create_model('mobilenetv2_050')",
        "torchvision.models.vgg11(init_weights=False)",
    ],
)
def test_the_last_layer_is_replaced(build):
    network = replace_head(build_library_network(build), 1000, 7, seed=3)
    with torch.no_grad():
        assert network(torch.rand(2, 3, 64, 64)).shape == (2, 7)
    again = replace_head(build_library_network(build), 1000, 7, seed=3)
    heads = [[m for m in n.modules() if isinstance(m, nn.Linear | nn.Conv2d)] for n in (network, again)]
    new = [next(m for m in h if 7 in (getattr(m, "out_features", 0), getattr(m, "out_channels", 0))) for h in heads]
    assert torch.equal(new[0].weight, new[1].weight)


def test_a_network_without_such_a_layer_is_refused():
    with pytest.raises(AdvatlasError, match="no last layer with 1000 outputs"):
        replace_head(nn.Sequential(nn.Linear(3, 4)), 1000, 7)
    with pytest.raises(AdvatlasError, match="leaves nothing of Sequential to train: it has 1 children"):
        freeze(nn.Sequential(nn.Linear(3, 4)), 5)


def test_frozen_children_stay_as_they_are(tmp_path):
    """With their batch-norm statistics; the rest learns, and the saved model is the trained one."""
    dataset = DATASETS["mnist_sample"].at(64, rgb=True)
    splits = prepare(dataset, Source(tmp_path), SplitSizes(96, 40, 40), seed=0)
    base = dataclasses.replace(pretrained("efficientnet_lite0"), weights="random")
    recipe = ModelRecipe(
        "tuned", "efficientnet_lite0", "random", pretrained=base, frozen=3,
        training=TrainingOptions(epochs=1, batch_size=32, min_accuracy=0.0),
    )  # fmt: skip
    network, _, card = train_model(recipe, dataset, splits)
    before = load_checked(base).state_dict()
    after = network.state_dict()
    frozen = {name for name in before if name.startswith(("conv_stem", "bn1", "blocks"))}
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(before["conv_head.weight"], after["conv_head.weight"])
    assert tuple(card["mean"]) == tuple(base.mean)
    save_model(network, card, tmp_path / "weights.safetensors", tmp_path / "card.json")
    model = load_classifier(tmp_path / "weights.safetensors", load_card(tmp_path / "card.json"))
    images = splits["test"].pixels()[:4]
    with torch.no_grad():
        expected = network.eval()((images - model.mean) / model.std)
    assert model(images).shape == (4, 10)
    assert torch.allclose(model(images), expected, atol=1e-4)


def test_images_may_be_left_in_the_unit_range(tmp_path):
    dataset = DATASETS["mnist_sample"]
    splits = prepare(dataset, Source(tmp_path), SplitSizes(64, 20, 20), seed=0)
    recipe = ModelRecipe("x", "lenet", "msra", normalise=False, width=0.2, training=TrainingOptions(1, 32))
    card = train_model(recipe, dataset, splits)[2]
    assert (card["mean"], card["std"]) == ([0.0], [1.0])


@pytest.mark.parametrize("name", ["inception_v1", "densenet121_k32"])
def test_torchvisions_checkpoints_are_brought_to_todays_names(name, monkeypatch):
    """GoogLeNet's holds heads that take part in training alone, DenseNet's has names with dots in them."""
    from torchvision.models import _api, densenet121, googlenet

    if name == "inception_v1":
        state = googlenet(aux_logits=True, init_weights=False).state_dict()
        assert any(key.startswith("aux1.") for key in state)
    else:
        state = {}
        for key, value in densenet121().state_dict().items():
            parts = key.split(".")
            if "denselayer" in key and parts[-2][-1] in "12":
                parts[-2] = f"{parts[-2][:-1]}.{parts[-2][-1]}"
            if parts[-1] != "num_batches_tracked":  # the old checkpoints are from before torch counted batches
                state[".".join(parts)] = value
        assert any(".norm.1." in key for key in state)
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *_args, **_kwargs: dict(state))
    network = load_checked(zoo()[name])
    known = {key.replace("norm.1", "norm1").replace("norm.2", "norm2"): value for key, value in state.items()}
    known = {key.replace("conv.1", "conv1").replace("conv.2", "conv2"): value for key, value in known.items()}
    for key, value in network.state_dict().items():
        assert key.endswith("num_batches_tracked") or torch.equal(known[key], value), key
