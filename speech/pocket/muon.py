"""The optimiser Muon (Jordan et al. 2024), in float32.

PyTorch 2.11's own orthogonalises in bfloat16, always: on a processor without instructions for it that takes most
of a training step (`LOG.md`). A test compares the two. Orthogonalising is a seventh of a step, so workers share it.
"""

from collections.abc import Sequence

import torch
import torch.distributed
from torch import Tensor

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of Jordan et al. 2024, for five iterations
ITERATIONS = 5


def orthogonalised(matrices: Tensor) -> Tensor:
    """About U V^T of each one's singular value decomposition U S V^T; shape = (matrices, rows, columns), as given.

    As in the paper, singular values do not become 1 but lie between about 0.7 and 1.2.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _orthogonalised_by_shape(matrices: Sequence[Tensor], own: Sequence[int]) -> list[Tensor]:
    """Each of `matrices` orthogonalised, those not at `own` places 0: all of a shape at once, as a GPU likes it."""
    found = [torch.zeros_like(matrix) for matrix in matrices]
    of_shape: dict[torch.Size, list[int]] = {}
    for place in own:
        of_shape.setdefault(matrices[place].shape, []).append(place)
    for places in of_shape.values():
        together = orthogonalised(torch.stack([matrices[place] for place in places]))
        for place, direction in zip(places, together, strict=True):
            found[place] = direction
    return found


def sum_over_workers(tensors: Sequence[Tensor]) -> None:
    """Replace each of `tensors` by its sum over the workers of the `torch.distributed` group, in one message."""
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    torch.distributed.all_reduce(flat)
    for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(total.view_as(tensor))


class Muon(torch.optim.Optimizer):
    """As `torch.optim.Muon(..., adjust_lr_fn="match_rms_adamw")`: steps as large as AdamW's (Liu et al. 2025).

    Of `workers` that have the same gradients each orthogonalises every `workers`-th matrix, from `worker` on.
    """

    def __init__(
        self, matrices: Sequence[Tensor], lr: float, weight_decay: float, worker: int = 0, workers: int = 1
    ) -> None:
        super().__init__(list(matrices), {"lr": lr, "weight_decay": weight_decay})
        self.worker, self.workers = worker, workers

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step down the gradients; with Nesterov's momentum."""
        for group in self.param_groups:
            rate = group["lr"]
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            directions = []
            for matrix in matrices:
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                momentum = state["momentum_buffer"]
                momentum.lerp_(matrix.grad, 1 - MOMENTUM)
                directions.append(matrix.grad.lerp(momentum, MOMENTUM))
            own = range(self.worker, len(directions), self.workers)
            directions = _orthogonalised_by_shape(directions, own)
            if self.workers > 1:
                sum_over_workers(directions)
            for matrix, direction in zip(matrices, directions, strict=True):
                matrix.mul_(1 - rate * group["weight_decay"])
                matrix.add_(direction, alpha=-rate * 0.2 * max(matrix.shape) ** 0.5)
