"""Pretrained networks brought to other classes: a new last layer, and as many first layers frozen as one likes."""

from __future__ import annotations

import torch
from torch import nn

from advatlas.errors import AdvatlasError


def replace_head(network: nn.Module, outputs: int, num_classes: int, seed: int = 0) -> nn.Module:
    """Put a layer with ``num_classes`` outputs in place of the last layer with ``outputs``, and return the network.

    The last layer is a linear one, or a 1x1 convolution as in SqueezeNet. Its new weights are normal with 0.01, its bias is
    zero.

    Raises:
        AdvatlasError: the network has no such layer.
    """
    found = [
        (name, module)
        for name, module in network.named_modules()
        if (isinstance(module, nn.Linear) and module.out_features == outputs)
        or (isinstance(module, nn.Conv2d) and module.out_channels == outputs and module.kernel_size == (1, 1))
    ]
    if not found:
        raise AdvatlasError(f"{type(network).__name__} has no last layer with {outputs} outputs that could be replaced")
    name, last = found[-1]
    with torch.random.fork_rng(devices=[]):
        head = (
            nn.Linear(last.in_features, num_classes)
            if isinstance(last, nn.Linear)
            else nn.Conv2d(last.in_channels, num_classes, 1)
        )
    nn.init.normal_(head.weight, 0.0, 0.01, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(head.bias)  # type: ignore[arg-type]
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, head)
    if hasattr(network, "num_classes"):
        network.num_classes = num_classes  # type: ignore[assignment]
    return network


def freeze(network: nn.Module, children: int) -> None:
    """Let the first children of a network stay as they are in training (donoghue2020's code: those up to number 6).

    Raises:
        AdvatlasError: nothing would be left to train.
    """
    parts = list(network.children())
    for child in parts[:children]:
        child.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise AdvatlasError(
            f"freeze: {children} leaves nothing of {type(network).__name__} to train: it has {len(parts)} children"
        )
