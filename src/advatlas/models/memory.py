"""When memory is short: the batch is halved and the work goes on."""

from __future__ import annotations

import logging

import torch

_log = logging.getLogger("advatlas")
# What torch says where the system refuses it memory for the CPU.
_CPU = ("can't allocate memory", "not enough memory")


def smaller_batch(error: Exception, size: int) -> int:
    """Return half of a batch's size if ``error`` says that memory is short, and log it; raise ``error`` otherwise.

    Raises:
        Exception: ``error`` itself, where it says something else or the batch is of one image.
    """
    short = isinstance(error, torch.OutOfMemoryError | MemoryError) or any(said in str(error) for said in _CPU)
    if not short or size < 2:
        raise error
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    _log.warning("out of memory with %d images at once; going on with %d", size, size // 2)
    return size // 2
