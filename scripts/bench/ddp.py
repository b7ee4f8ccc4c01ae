"""Run: python scripts/bench/ddp.py PREPARED -o runs/ddp [--steps 300] [--processes 2].

Trains each kind of model in one process and in several gloo processes, with the same global batch, and prints the
Markdown table of the loss curves: the held-out reconstruction of both at the same steps. A model without random numbers
in its training step (codes, no dropout) has to have the same curve up to rounding; with posterior samples the curves
are those of two seeds. The rate is that of the processes together, relative to one. The folder has graphs.
"""

import csv
import os
import subprocess
import sys
from pathlib import Path

import click

PARTS = {
    "encoder": {"kind": "gru", "token_dim": 32, "hidden_dim": 32},
    "decoder": {"token_dim": 32, "hidden_dim": 64, "token_dropout": 0.0},
}
CODES = {"kind": "vq", "n_slots": 4, "n_codes": 32, "code_dim": 8}
CONSTANT = {"kind": "constant", "beta": 1.0}
KINDS: dict[str, dict] = {
    "codes": {"model": PARTS | {"latent": CODES}, "beta": CONSTANT},
    "codes of graphs, GECO": {
        "model": PARTS | {"encoder": {"kind": "gnn", "hidden_dim": 16, "n_layers": 2, "h_dim": 32}, "latent": CODES},
        "beta": {"kind": "geco"},
    },
    "Gaussian, free bits": {"model": PARTS | {"latent": {"latent_dim": 16, "free_bits": 0.1}}, "beta": CONSTANT},
    "conditional, joint prior": {
        "model": PARTS | {"latent": CODES, "condition": {"properties": ["logp", "qed"], "dropout": 0.0}},
        "beta": CONSTANT,
        "prior": {"fit": "joint", "model": {"kind": "autoregressive", "hidden_dim": 32, "n_layers": 1}},
    },
}


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--steps", default=300, show_default=True)
@click.option("--batch-size", default=64, show_default=True, help="Of all processes together.")
@click.option("--processes", default=2, show_default=True)
@click.option("--worker", hidden=True)
def main(prepared: Path, output: Path, steps: int, batch_size: int, processes: int, worker: str | None) -> None:
    """Train each kind both ways, and print the table."""
    if worker:
        train_all(prepared, output / worker, steps, batch_size)
        return
    again = [str(Path(__file__)), *sys.argv[1:], "--worker"]
    alone, together = "1", str(processes)
    subprocess.run([sys.executable, *again, alone], check=True)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", together]
    subprocess.run([sys.executable, *launcher, *again, together], check=True)
    cores = len(os.sched_getaffinity(0))
    print(f"Global batch {batch_size}, {steps} steps; {together} processes of gloo on {cores} hardware threads.\n")
    print(f"| model | step | reconstruction, 1 process | {together} processes | difference | rate |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for kind in KINDS:
        one, several = curve(output / alone, kind), curve(output / together, kind)
        ratio = one[steps]["seconds"] / several[steps]["seconds"]
        for step in one:
            a, b = one[step]["reconstruction"], several[step]["reconstruction"]
            rate = f"{ratio:.2f} ×" if step == steps else ""
            print(f"| {kind} | {step} | {a:.4f} | {b:.4f} | {b - a:+.4f} | {rate} |")


def train_all(prepared: Path, output: Path, steps: int, batch_size: int) -> None:
    """Train each kind in the processes that this script was started in."""
    from molvae.data.prepared import PreparedData
    from molvae.training.config import ExperimentConfig
    from molvae.training.fit import train

    for kind, values in KINDS.items():
        training = {"max_steps": steps, "batch_size": batch_size, "beta": values["beta"], "precision": "32-true"}
        training |= {"valid_every": max(1, steps // 3), "save_every": steps, "warmup_steps": 10, "valid_molecules": 200}
        experiment = {"model": values["model"], "training": training, "prior": values.get("prior")}
        config = ExperimentConfig.model_validate({"data": {"prepared": prepared}} | experiment)
        train(config, PreparedData.open(prepared), output / folder(kind), device="cpu")


def folder(kind: str) -> str:
    """A folder's name for a kind of model."""
    return kind.replace(",", "").replace(" ", "-")


def curve(output: Path, kind: str) -> dict[int, dict[str, float]]:
    """The validations of a run by step."""
    with (output / folder(kind) / "metrics" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("valid/reconstruction")]
    names = ("reconstruction", "seconds")
    return {int(row["step"]): {name: float(row[f"valid/{name}"]) for name in names} for row in rows}


if __name__ == "__main__":
    main()
