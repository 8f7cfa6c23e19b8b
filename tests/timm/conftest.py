"""timm, and what builds on it, in an environment that has it: `.ci/timm`. Elsewhere nothing here is collected."""

from importlib.util import find_spec

import torch

collect_ignore_glob = [] if find_spec("timm") else ["test_*.py"]


def _import_torchvision() -> None:
    """timm imports torchvision, whose wheels on PyPI are built for torch with CUDA. Beside torch's CPU build its own
    operators are missing, and it refuses to import for two of them, which nothing here calls: declare these."""
    try:
        import torchvision
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")
        import torchvision  # noqa: F401


if find_spec("timm"):
    _import_torchvision()
