"""Muon in float32 beside PyTorch's own, and its directions beside a singular value decomposition."""

from pathlib import Path

import pytest
import torch
import torch.distributed
from earspan.speech.pocket.muon import Muon, orthogonalised
from torch.multiprocessing.spawn import start_processes


@pytest.mark.parametrize("shape", [(16, 16), (64, 16), (16, 64)])
def test_takes_the_steps_of_pytorchs_own(shape: tuple[int, int]):
    torch.manual_seed(3)
    mine = torch.nn.Parameter(torch.randn(shape))
    theirs = torch.nn.Parameter(mine.detach().clone())
    optimisers = (
        Muon([mine], lr=0.01, weight_decay=0.1),
        torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    start = mine.detach().clone()
    for _ in range(4):
        gradient = torch.randn(shape)
        for matrix, optimiser in zip((mine, theirs), optimisers, strict=True):
            matrix.grad = gradient.clone()
            optimiser.step()
    moved = (theirs - start).detach()
    # PyTorch's has the three digits of bfloat16.
    assert float((mine - theirs).detach().norm()) < 0.02 * float(moved.norm())


@pytest.mark.parametrize("shape", [(32, 32), (48, 12), (12, 48)])
def test_directions_are_nearly_orthogonal(shape: tuple[int, int]):
    torch.manual_seed(4)
    matrices = torch.randn(3, *shape) * torch.tensor([1e-3, 1.0, 50.0])[:, None, None]
    for matrix, direction in zip(matrices, orthogonalised(matrices), strict=True):
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        along = torch.diagonal(left.T @ direction @ right.T)
        # Small singular values need more than five iterations.
        assert float(along.median()) == pytest.approx(0.95, abs=0.25)
        assert float(along.max()) < 1.25
        assert float(along.min()) > 0


def test_matrices_without_a_gradient_stay():
    matrix = torch.nn.Parameter(torch.ones(4, 4))
    Muon([matrix], lr=1.0, weight_decay=1.0).step()
    assert torch.equal(matrix, torch.ones(4, 4))


def _steps(worker: int, workers: int, folder: Path) -> None:
    """Three steps of three matrices; leaves them in `folder`."""
    if workers > 1:
        torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=worker, world_size=workers)
    generator = torch.Generator().manual_seed(5)
    matrices = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((8, 8), (16, 4), (4, 12))]
    optimiser = Muon(matrices, lr=0.1, weight_decay=0.1, worker=worker, workers=workers)
    for _ in range(3):
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=generator)
        optimiser.step()
    torch.save([matrix.detach() for matrix in matrices], folder / f"{worker}-of-{workers}.pt")
    if workers > 1:
        torch.distributed.destroy_process_group()


def test_workers_that_share_the_work_take_the_steps_of_one(tmp_path: Path):
    _steps(0, 1, tmp_path)
    start_processes(_steps, (2, tmp_path), nprocs=2, start_method="fork")
    alone = torch.load(tmp_path / "0-of-1.pt", weights_only=True)
    for worker in range(2):
        for matrix, other in zip(torch.load(tmp_path / f"{worker}-of-2.pt", weights_only=True), alone, strict=True):
            torch.testing.assert_close(matrix, other, rtol=0, atol=0)
