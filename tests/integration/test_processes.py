"""Several processes that train one model, started as a user starts them."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file

from molvae.cli import main
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError
from molvae.training.config import ExperimentConfig
from molvae.training.fit import train
from molvae.training.launch import is_first, join, launched_by

CODES = {
    "data": {},
    "model": {
        "encoder": {"token_dim": 16, "hidden_dim": 16},
        "latent": {"kind": "vq", "n_slots": 2, "n_codes": 8, "code_dim": 4},
        "decoder": {"token_dim": 16, "hidden_dim": 32, "token_dropout": 0.0},
    },
    "training": {
        "max_steps": 12,
        "batch_size": 5,
        "valid_every": 4,
        "save_every": 4,
        "warmup_steps": 1,
        "precision": "32-true",
        "beta": {"kind": "geco"},
    },
    "prior": {"model": {"kind": "autoregressive", "hidden_dim": 16, "n_layers": 1}, "max_epochs": 1},
}


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """`molvae` as a script, which Lightning can start again."""
    script = tmp_path / "molvae_script.py"
    script.write_text("from molvae.cli import main\n\nmain()\n", encoding="utf-8")
    return [str(script)]


@pytest.fixture
def recipe(prepared: PreparedData, tmp_path: Path) -> Path:
    path = tmp_path / "codes.yaml"
    path.write_text(yaml.safe_dump(CODES | {"data": {"prepared": str(prepared.path)}}), encoding="utf-8")
    return path


@pytest.fixture
def alone(prepared: PreparedData, tmp_path: Path) -> Path:
    """The run of one process."""
    config = ExperimentConfig.model_validate(CODES | {"data": {"prepared": prepared.path}})
    train(config, prepared, tmp_path / "alone", device="cpu")
    return tmp_path / "alone"


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}


def table(run: Path) -> list[dict[str, Any]]:
    with (run / "metrics" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def reconstruction(run: Path) -> dict[int, float]:
    return {int(r["step"]): float(r["valid/reconstruction"]) for r in table(run) if r["valid/reconstruction"]}


def same_run(run: Path, alone: Path) -> None:
    """The validations and the use of the codes are those of one process, up to rounding."""
    assert reconstruction(run) == pytest.approx(reconstruction(alone), abs=2e-3)
    one, other = (load_file(r / "model" / "model.safetensors") for r in (alone, run))
    torch.testing.assert_close(one["latent.codebooks.counts"], other["latent.codebooks.counts"], atol=0.1, rtol=0.05)


@pytest.mark.slow
def test_torchrun_trains_the_model_of_one_process_and_writes_it_once(
    command: list[str], recipe: Path, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "two"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launcher, *command, "train", "-c", str(recipe), "-o", str(out), "--device", "cpu"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Model written to") == 1
    steps = [row["step"] for row in table(out) if row["valid/reconstruction"]]
    assert len(set(steps)) == len(steps)  # one process writes
    assert (out / "model" / "prior.safetensors").is_file()
    same_run(out, alone)


@pytest.mark.slow
def test_sigterm_to_one_process_ends_all_and_one_process_goes_on(
    command: list[str], recipe: Path, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "stopped"
    arguments = ["train", "-c", str(recipe), "-o", str(out), "--device", "cpu", "--set", "training.devices=2"]
    slow = ["--set", "training.max_steps=100000", "--set", "training.save_every=1"]
    process = subprocess.Popen(
        [sys.executable, *command, *arguments, *slow], env=environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: (out / "last" / "last.ckpt").is_file(), process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
        os.kill(int(children[0]), signal.SIGTERM)
        _, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert errors.count("Go on with: molvae train --resume") == 1
    saved = torch.load(out / "last" / "last.ckpt", weights_only=True)["global_step"]
    again = ["train", "--resume", "-o", str(out), "--device", "cpu", "-q", "--set", "training.devices=1"]
    resumed = subprocess.run(
        [sys.executable, *command, *again, "--set", f"training.max_steps={saved + 3}"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert torch.load(out / "last" / "last.ckpt", weights_only=True)["global_step"] == saved + 3


def wait_for(done: Any, process: subprocess.Popen[str], seconds: float = 400) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.1)


def started_by_torchrun(monkeypatch: pytest.MonkeyPatch, *, rank: int = 0, count: int = 2) -> None:
    values = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    values |= {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0}
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))


def test_other_commands_refuse_to_be_started_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    started_by_torchrun(monkeypatch)
    result = CliRunner().invoke(main, ["sample", "-n", "1"])
    assert result.exit_code == 2
    assert "`molvae sample` works in one process; leave torchrun out" in result.output


def test_another_number_of_devices_than_was_started_is_one_sentence(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_by_torchrun(monkeypatch)
    arguments = ["train", "-c", str(recipe), "-o", str(tmp_path / "x"), "--set", "training.devices=3"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "training.devices is 3, but torchrun has started 2; leave it out" in result.output
    started_by_torchrun(monkeypatch, rank=1)
    assert CliRunner().invoke(main, arguments).output == ""  # which the first process has said
    assert not (tmp_path / "x").exists()


def test_srun_says_how_many_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"SLURM_STEP_NUM_TASKS": 8, "SLURM_STEP_NUM_NODES": 2, "SLURM_NTASKS": 8, "SLURM_PROCID": 3}
    for name, value in (values | {"SLURM_JOB_ID": 1234, "SLURM_JOB_NAME": "molvae"}).items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(ConfigError, match="srun --ntasks-per-node, in place of --ntasks"):
        launched_by()
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "4")
    assert launched_by() == "srun"
    assert not is_first()
    with pytest.raises(ConfigError, match=r"training\.nodes is 3, but srun has started 2"):
        join(None, 3, device="cpu")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")  # such as the batch script itself
    assert launched_by() is None
    assert is_first()


def test_more_processes_than_gpus_are_refused(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    arguments = ["train", "-c", str(recipe), "-o", str(tmp_path / "x"), "--set", "training.devices=2"]
    result = CliRunner().invoke(main, [*arguments, "--device", "cuda"])
    assert result.exit_code == 1
    assert "training.devices is 2, but torch sees 1 GPUs" in result.output
