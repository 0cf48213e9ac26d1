"""Batch normalisation folded into the convolution before it: the same function in evaluation, in less time and memory."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

# Logits of the folded network may differ by this much of the largest one before folding is given up.
TOLERANCE = 1e-3


def fold_batch_norm(network: nn.Module, input_size: tuple[int, int, int]) -> nn.Module:
    """Return a copy of a network in which each batch norm that follows a convolution has become part of it.

    Which convolution feeds which batch norm is seen in a forward pass, not guessed from names. The folded network is
    compared with the given one on a random image; where it differs, the given one is returned.

    Args:
        network: in ``eval()`` mode.
        input_size: C, H, W.
    """
    generator = torch.Generator().manual_seed(0)
    sample = torch.rand(1, *input_size, generator=generator) * 2 - 1
    folded = copy.deepcopy(network)
    with torch.no_grad():
        expected = network(sample)
        for convolution, norm in _pairs(folded, sample):
            _fold(folded, convolution, norm)
        found = folded(sample)
    close = bool((found - expected).abs().max() <= TOLERANCE * expected.abs().max())
    return folded if close else network


def _pairs(network: nn.Module, sample: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Return each batch norm with the convolution whose output it takes; both are called once."""
    made_by: dict[int, nn.Conv2d] = {}
    kept: list[Tensor] = []  # holds outputs, so that no address is used twice
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    calls: dict[nn.Module, int] = {}

    def after_convolution(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        made_by[id(output)] = module  # type: ignore[assignment]
        kept.append(output)

    def before_norm(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls[module] = calls.get(module, 0) + 1
        if id(inputs[0]) in made_by:
            pairs.append((made_by[id(inputs[0])], module))  # type: ignore[arg-type]

    handles = [m.register_forward_hook(after_convolution) for m in network.modules() if isinstance(m, nn.Conv2d)]
    handles += [m.register_forward_pre_hook(before_norm) for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    try:
        network(sample)
    finally:
        for handle in handles:
            handle.remove()
    return [pair for pair in pairs if all(calls[module] == 1 for module in pair) and pair[1].running_mean is not None]


def _fold(network: nn.Module, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    # timm's batch norm carries the activation that follows it.
    activation = getattr(norm, "act", None)
    replacement = activation if isinstance(activation, nn.Module) else nn.Identity()
    for parent in network.modules():
        for name, child in parent.named_children():
            if child is norm:
                setattr(parent, name, replacement)
