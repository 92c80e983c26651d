"""Makes packed_linear.pt: oneDNN's prepacked linear layers as a TorchScript module of a few lines.

libtorch holds them as operators that only its dispatcher reaches, not as functions of its C++ interface.
Run with torch 2.11.0:

    python crates/grail-torch/kernels/packed_linear.py

Shapes: x [rows, in], w packed from [out, in], bias [out], residual [rows, out]; results [rows, out].
"""

from pathlib import Path

import torch


class PackedLinear(torch.nn.Module):
    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], None)

    @torch.jit.export
    def with_bias(self, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, w, bias, "none", [], None)

    @torch.jit.export
    def onto(self, x: torch.Tensor, w: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, residual, w, None, "add")

    @torch.jit.export
    def pack(self, w: torch.Tensor) -> torch.Tensor:
        # Any number of rows may follow; the layout chosen for this many is the fastest one for few rows too.
        return torch.ops.mkldnn._reorder_linear_weight(w, 2048)


if __name__ == "__main__":
    torch.jit.script(PackedLinear()).save(str(Path(__file__).parent / "packed_linear.pt"))
