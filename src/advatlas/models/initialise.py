"""The three weight initialisations of bendaya2020."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import init

GAUSSIAN_STD = 0.01


def gaussian(weight: torch.Tensor, generator: torch.Generator, std: float = GAUSSIAN_STD) -> None:
    """Draw from N(0, std^2), the same for every layer (Caffe's ``gaussian`` filler; AlexNet's std is 0.01)."""
    init.normal_(weight, 0.0, std, generator=generator)


def msra(weight: torch.Tensor, generator: torch.Generator) -> None:
    """Draw from N(0, 2 / fan_in) (He et al. 2015)."""
    init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


def xavier(weight: torch.Tensor, generator: torch.Generator) -> None:
    """Draw uniformly with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""
    init.xavier_uniform_(weight, generator=generator)


INITIALISATIONS: dict[str, Callable[..., None]] = {"gaussian": gaussian, "msra": msra, "xavier": xavier}


def initialise(network: nn.Module, scheme: str, generator: torch.Generator, std: float = GAUSSIAN_STD) -> None:
    """Draw every convolution's and linear layer's weights by the scheme; biases are 0, batch norm is the identity.

    Args:
        network: changed in place.
        scheme: a key of :data:`INITIALISATIONS`.
        generator: a CPU generator; the network must be on the CPU.
        std: the standard deviation of the ``gaussian`` scheme.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if scheme == "gaussian":
                gaussian(module.weight, generator, std)
            else:
                INITIALISATIONS[scheme](module.weight, generator)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
