"""The smallest epsilon at which a fixed-epsilon attack succeeds, for each image (su2018 section 4.2)."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, cast

import torch
from torch import Tensor, nn

from advatlas.attacks.attack import Attack, Attempt, attack, ticks_between
from advatlas.attacks.goal import Goal
from advatlas.attacks.parameters import PIXEL_RANGE, Count, Interval

FirstEpsilon = Annotated[float, Interval(1e-6, 1, unit=PIXEL_RANGE)]


def minimal(base: Attack) -> Attack:
    """Return an attack that searches each image's smallest epsilon for ``base``, under the name ``minimal_{base}``.

    It has the parameters of ``base`` without ``epsilon``, and two more:

    initial_epsilon: the first epsilon tried (su2018's code: 0.02).
    attempts: how many are tried; doubling until one succeeds, then halving of the interval. After nine attempts from
        0.02 an epsilon below 0.02 is known to 0.0001.

    All images are attacked as one batch with an epsilon each, so a batch takes as many passes as one image would. An
    image that is misclassified as it is comes back as it is. Of an image for which no attempt succeeds the last one is
    returned. The result is the success at the smallest epsilon tried, and every epsilon known to fail lies below it.
    """

    def search(
        classifier: nn.Module,
        images: Tensor,
        goal: Goal,
        *,
        initial_epsilon: float = 0.02,
        attempts: int = 9,
        **parameters: Any,
    ) -> Attempt:
        with torch.no_grad():
            settled = goal.success(classifier(images))
        result = images.clone()
        fails = torch.zeros(len(images), device=images.device)
        succeeds = torch.where(settled, 0.0, torch.inf)
        epsilon = torch.full_like(fails, initial_epsilon)
        iterations = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        forward, backward = torch.ones_like(iterations), torch.zeros_like(iterations)
        for attempt in range(attempts):
            active = torch.nonzero(~settled).squeeze(1)
            if len(active) == 0:
                break
            with ticks_between(attempt / attempts, (attempt + 1) / attempts):
                tried = base(classifier, images[active], goal.select(active), epsilon=epsilon[active], **parameters)
            iterations[active] += tried.iterations
            forward[active] += tried.forward_queries
            backward[active] += tried.backward_queries
            kept = tried.success | succeeds[active].isinf()
            result[active[kept]] = tried.images[kept]
            succeeds[active[tried.success]] = epsilon[active[tried.success]]
            fails[active[~tried.success]] = epsilon[active[~tried.success]]
            # Beyond 1 there is no image; where even 1 fails the search is over.
            settled = settled | (fails >= 1)
            epsilon = torch.where(succeeds.isfinite(), (fails + succeeds) / 2, (2 * epsilon).clamp(max=1))
        return Attempt(result, iterations, forward, backward)

    own = inspect.signature(search).parameters
    others = [p for p in inspect.signature(base).parameters.values() if p.name != "epsilon"]
    search.__name__ = search.__qualname__ = f"minimal_{base.__name__}"
    search.__doc__ = f"The smallest epsilon at which {base.__name__} succeeds; see :func:`advatlas.attacks.minimal`."
    search.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*others, own["initial_epsilon"], own["attempts"]]
    )
    search.__annotations__ = {
        **inspect.get_annotations(base, eval_str=True),
        "initial_epsilon": FirstEpsilon,
        "attempts": Count,
    }
    found = cast(Attack, attack(search))
    found.modules = (__name__, *base.modules)
    return found
