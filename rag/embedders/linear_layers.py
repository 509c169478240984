"""Let oneDNN compute a model's linear layers, in the precision that this CPU is quickest in.

PyTorch hands float32 to MKL, which on many CPUs is half as quick, and lets oneDNN bring the weights
into its own order at every call, which is most of the time that a short question takes. Here they
are brought into that order once. Float32 stays exact.

Imports torch: import it only where a model is loaded.
"""

import torch
from django.core.exceptions import ImproperlyConfigured
from torch import nn

PRECISIONS = ("auto", "float32", "bfloat16")
# Rows of a matrix product for which the order of the weights is chosen. Measured from 16 to
# 2,048: no difference.
_TYPICAL_ROWS = 512


def precision(wanted: str | None) -> torch.dtype:
    """Return the type to compute in. "auto": bfloat16 on a CPU that multiplies it in hardware."""
    wanted = wanted or "auto"
    if wanted not in PRECISIONS:
        raise ImproperlyConfigured(
            f"EMBEDDING_PRECISION is {wanted}: it takes {', '.join(PRECISIONS)}."
        )
    if wanted == "auto":
        can = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        has_bfloat16 = can.get("avx512_bf16") or can.get("amx_bf16")
        return torch.bfloat16 if has_bfloat16 else torch.float32
    return getattr(torch, wanted)


class PackedLinear(nn.Module):
    """A linear layer whose weights lie in the order that oneDNN wants."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight, _TYPICAL_ROWS)
        self._bias = layer.bias

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, "none", [], "")


@torch.inference_mode()
def pack_linear_layers(model: nn.Module) -> None:
    """Replace the linear layers of a model, one by one, so that no weight is held twice."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear:
                setattr(parent, name, PackedLinear(layer))
