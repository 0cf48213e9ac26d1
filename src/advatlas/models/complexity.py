"""Parameters and multiply-accumulate operations of a network."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable values, with those of heads that take part in training alone.

    Buffers (batch-norm statistics) are not counted.
    """
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, input_size: tuple[int, int, int]) -> int:
    """Return the multiply-accumulate operations of one forward pass of one image of C x H x W.

    Counts matrix products and convolutions, as the papers do (half of torch's floating-point operations); biases,
    normalisation, activations and pooling are not counted.
    """
    parameter = next(model.parameters())
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, *input_size, device=parameter.device, dtype=parameter.dtype))
    finally:
        model.train(was_training)
    flops: int = counter.get_total_flops()
    return flops // 2
