"""torchvision's models, also beside a torch of another build."""

from typing import Any

import pytest
import torch

KEPT: list[torch.library.Library] = []  # a library's definitions end with it


def torchvision_models() -> Any:
    """``torchvision.models``; without torchvision, the test is skipped."""
    try:
        import torchvision  # noqa: F401, PLC0415
    except ImportError:
        pass
    except RuntimeError:
        # Its compiled operators do not load beside a torch of another build; models need none of
        # them, but torchvision wants to see these two before it can be imported.
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        KEPT.append(operators)
    return pytest.importorskip("torchvision.models")
