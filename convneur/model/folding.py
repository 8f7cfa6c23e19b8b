"""The same net in fewer multiply-adds, for inference: products of constant matrices are multiplied out beforehand."""

import copy

from convneur.model.global_branches import FoldedGlobalBranch, GlobalBranch
from convneur.model.network import ConvNeur, ConvNeurBlock
from convneur.variants import ConvNeurConfig

__all__ = ["fold", "folds"]


def fold(model: ConvNeur) -> ConvNeur:
    """A copy for inference that computes the same in fewer multiply-adds, as far as rounding goes.

    Choice: where C <= C_m, which always saves multiply-adds, see `FoldedGlobalBranch`; the products are taken in
    float64, on the weights' device. What cannot be folded stays as it is: other branches than a linear memory, and one
    with `max_state_norm`, which looks at the state itself. The copy is in eval mode and its weights ask for no
    gradient; hooks on what is folded do not come along. `save_checkpoint` refuses it: fold what is loaded.

    >>> import torch
    >>> from convneur import VARIANTS, ConvNeur, fold
    >>> x = torch.rand(1, 3, 64, 64)
    >>> model = ConvNeur(VARIANTS["m1"]).eval()
    >>> torch.allclose(fold(model)(x), model(x), atol=1e-5)
    True
    """
    folded = copy.deepcopy(model).eval()
    for stage, blocks in enumerate(folded.stages, start=1):
        if not folds(folded.config, stage):
            continue
        block: ConvNeurBlock
        for block in blocks.children():  # type: ignore[assignment]
            if isinstance(block.global_branch, GlobalBranch):
                block.global_branch = FoldedGlobalBranch(block.global_branch)
    return folded.requires_grad_(False)


def folds(config: ConvNeurConfig, stage: int) -> bool:
    """Whether `fold` changes a stage, 1 to 4: it has a global branch that can be folded, and always gains by it."""
    linear = config.global_branch == "neural-memory" and config.memory_layers == 1 and config.max_state_norm is None
    return config.memory != "none" and linear and config.dims[stage - 1] <= config.mem_dim
