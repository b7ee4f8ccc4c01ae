"""Two gloo processes, forked from the test, do what one does with the whole batch."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from molvae import processes
from molvae.data.batches import TokenBatches
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.run import prepare
from molvae.data.prepared import PreparedData
from molvae.nn.build import ModelConfig, build_model
from molvae.nn.latents.gaussian import GaussianLatent
from molvae.nn.latents.vq import VQLatent
from molvae.nn.priors.autoregressive import AutoregressivePriorConfig
from molvae.training.clock import TrainingClock
from molvae.training.config import TrainingConfig
from molvae.training.module import VAEModule

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


CODES = {"latent": {"kind": "vq", "n_slots": 2, "n_codes": 8, "code_dim": 4}}
KINDS: dict[str, dict[str, Any]] = {
    "codes": CODES,
    "graphs": CODES | {"encoder": {"kind": "gnn", "hidden_dim": 16, "n_layers": 2, "h_dim": 16}},
    "conditional": CODES | {"condition": {"properties": ["assay"], "dropout": 0.0}},
}


class _Gradients:
    """The gradients of one training step on this process's share of a batch, and the loss that is shown."""

    def __init__(self, data: PreparedData, parts: dict[str, Any]) -> None:
        self.data, self.parts = data, parts

    def __call__(self) -> dict[str, Any]:
        torch.manual_seed(0)
        small = {"encoder": {"token_dim": 8, "hidden_dim": 16}, "decoder": {"token_dim": 8, "hidden_dim": 16}}
        small["decoder"]["token_dropout"] = 0  # type: ignore[assignment]
        names = self.data.statistics.names
        scale: dict[str, Any] = {"property_mean": self.data.statistics.mean, "property_std": self.data.statistics.std}
        config = ModelConfig.model_validate(small | self.parts)
        model = build_model(config, vocabulary_size=len(self.data.vocabulary), property_names=names, **scale)
        prior = None
        if "condition" in self.parts:
            joint = AutoregressivePriorConfig(hidden_dim=16, n_layers=1)
            prior = joint.build(model.latent, condition_dim=model.condition_dim)
        settings = TrainingConfig(max_steps=10, property_weight=1.0)
        module = VAEModule(model, settings, TrainingClock(max_steps=10), prior=prior).train()
        torch.manual_seed(7)
        share = (processes.rank(), processes.count())
        stream = TokenBatches(
            self.data, self.data.indices("train"), batch_size=7, property_index=np.arange(len(names)), share=share
        )
        module.training_step(next(iter(stream)), 0).backward()
        found = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in module.named_parameters()}
        return {"gradients": found, "shown": module.last, "molecules": module.molecules_seen}


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradients_of_two_shares_are_those_of_the_batch(
    kind: str, prepared_with_graphs: PreparedData, labeled: PreparedData, tmp_path: Path
) -> None:
    data = labeled if kind == "conditional" else prepared_with_graphs
    data = data.with_graphs() if kind == "graphs" else data
    step = _Gradients(data, KINDS[kind])
    one, two = in_two(step, tmp_path)
    alone = step()
    assert one["shown"] == two["shown"]
    for name in one["shown"].keys() - {"perplexity"}:  # which is the mean of those of the shares
        assert one["shown"][name] == pytest.approx(alone["shown"][name], abs=1e-4), name
    assert one["molecules"] == alone["molecules"]
    for name, gradient in alone["gradients"].items():
        both = (one["gradients"][name] + two["gradients"][name]) / 2
        torch.testing.assert_close(both, gradient, atol=2e-4, rtol=1e-3, msg=lambda m, name=name: f"{name}: {m}")


@pytest.fixture
def labeled(table: Path, tmp_path: Path) -> PreparedData:
    """Half of the molecules have the label that the model is conditioned on."""
    config = PrepareConfig(fragments=40, split="column", property_columns=("assay",), descriptors=("none",), n_jobs=1)
    return prepare([table], tmp_path / "labeled", config=config)
