"""Two gloo processes, forked from the test, do what one does with the whole batch."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from molvae import processes
from molvae.nn.latents.gaussian import GaussianLatent
from molvae.nn.latents.vq import VQLatent

H = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))


def _worker(rank: int, function: Callable[[], Any], folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.save(function(), folder / f"{rank}.pt")
    dist.destroy_process_group()


def in_two(function: Callable[[], Any], folder: Path) -> list[Any]:
    """What a function returns in each of two processes."""
    mp.start_processes(_worker, args=(function, folder), nprocs=2, start_method="fork")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def _reductions() -> dict[str, Any]:
    rank = processes.rank()
    counts, sums = torch.full((2,), float(rank + 1)), torch.full((2, 3), 10.0 * (rank + 1))
    processes.add_up(counts, sums)
    own = torch.tensor(float(rank), requires_grad=True)
    mean = processes.mean_over_processes(own * 4)
    mean.square().backward()
    return {
        "counts": counts,
        "sums": sums,
        "mean": mean.detach(),
        "gradient": own.grad,
        "greatest": processes.greatest([rank, 5 - rank]),
        "gathered": processes.gather(rank),
        "first": processes.in_first(os.getpid),
        "alone": processes.in_first(processes.count),
    }


def test_processes_add_up_agree_and_leave_work_to_the_first(tmp_path: Path) -> None:
    one, two = in_two(_reductions, tmp_path)
    for found in (one, two):
        assert found["counts"].tolist() == [3, 3]
        assert found["sums"].unique().tolist() == [30]
        assert found["mean"] == 2.0  # of 0 and 4
        assert found["gradient"] == 2 * 2.0 * 4  # of the square of the mean, through the own value
        assert found["greatest"] == [1, 5]
        assert found["gathered"] == [0, 1]
        assert found["alone"] == 1
    assert one["first"] == two["first"]


def _failing() -> str:
    def fail() -> None:
        raise ValueError("only the first has this")

    try:
        processes.in_first(fail)
    except (ValueError, processes.ProcessEndedError) as error:
        return str(error)
    return ""


def test_an_error_of_the_first_process_ends_the_others(tmp_path: Path) -> None:
    assert in_two(_failing, tmp_path) == ["only the first has this", "another process of this training has ended"]


def _codebooks() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    latent = VQLatent(6, n_slots=2, n_codes=16, code_dim=3, dead_below=0.5).train()
    torch.manual_seed(7)  # of the first codes
    rank, count = processes.rank(), processes.count()
    for step in range(6):
        latent((H * (1 + step))[rank::count])
    return {name: value.clone() for name, value in latent.codebooks.state_dict().items()}


def test_codebooks_of_two_processes_are_those_of_one_that_has_the_whole_batch(tmp_path: Path) -> None:
    one, two = in_two(_codebooks, tmp_path)
    for name in one:
        assert torch.equal(one[name], two[name]), name
    assert one["counts"].sum() == pytest.approx(2 * len(H), rel=0.2)  # of both halves of the batch
    alone = _codebooks()
    assert one["counts"].sum().item() == pytest.approx(alone["counts"].sum().item(), rel=0.05)


def _free_bits() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    latent = GaussianLatent(6, latent_dim=4, free_bits=0.05).train()
    rank, count = processes.rank(), processes.count()
    out = latent((0.3 * H)[rank::count])
    out.regularizer.backward()
    return {"value": out.regularizer.detach(), "gradient": latent.to_mean.weight.grad}


def test_free_bits_are_of_the_mean_over_both_halves_of_a_batch(tmp_path: Path) -> None:
    one, two = in_two(_free_bits, tmp_path)
    alone = _free_bits()
    torch.testing.assert_close(one["value"], alone["value"])
    torch.testing.assert_close((one["gradient"] + two["gradient"]) / 2, alone["gradient"])
