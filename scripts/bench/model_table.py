"""Run: python scripts/bench/model_table.py runs/moses-data -o runs/table --test data/moses/test.csv.gz.

Trains every encoder with every latent by the configs in configs/table/ and a plain language model beside them, each on
one core for the same time, and prints the Markdown tables of docs/benchmarks.md. What is finished is not repeated.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

import molvae
from molvae.checkpoint import checkpoint_path
from molvae.config import parse_duration
from molvae.data.batches import TokenBatches, ordered_batches
from molvae.data.prepared import PreparedData
from molvae.evaluation.model_metrics import model_metrics
from molvae.formats.readers import read_molecules
from molvae.nn.decoders.gru import GRUDecoder
from molvae.nn.likelihood import token_losses
from molvae.scoring.fcd import chemnet_activations, chemnet_statistics, frechet_distance
from molvae.scoring.reference import ReferenceStatistics, reference_statistics
from molvae.training.config import TrainingConfig

CONFIGS = Path(__file__).parents[2] / "configs" / "table"
ROWS = tuple(f"{encoder}-{latent}" for latent in ("gaussian", "vq") for encoder in ("gru", "gnn", "fused"))
LANGUAGE_MODEL = "language model"
N_SAMPLES, N_RECONSTRUCTED, N_BOUNDED = 10_000, 2000, 500


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--test", required=True, help="Molecules that samples are compared with, e.g. data/moses/test.csv.gz.")
@click.option("--max-time", default="00:20:00", show_default=True)
@click.option("--only", multiple=True, type=click.Choice([*ROWS, LANGUAGE_MODEL]), help="Rows; all by default.")
@click.option("--train-only", is_flag=True, help="Leave measuring for later.")
def main(prepared: Path, output: Path, test: str, max_time: str, only: tuple[str, ...], train_only: bool) -> None:
    """Train what is missing, measure it, print the table."""
    data = PreparedData.open(prepared)
    wanted = only or (*ROWS, LANGUAGE_MODEL)
    for row in wanted:
        if row == LANGUAGE_MODEL:
            train_language_model(data, output / "language-model", seconds=parse_duration(max_time).total_seconds())
        else:
            train_row(row, prepared, output / row, max_time)
    if train_only:
        return
    reference = None
    for row in wanted:
        result = output / row / "result.json"
        if row != LANGUAGE_MODEL and not result.is_file():
            reference = reference or reference_of(test)
            result.write_text(json.dumps(measure(output / row, data, reference), indent=2) + "\n", encoding="utf-8")
    click.echo(table(output, wanted))


def train_row(row: str, prepared: Path, out: Path, max_time: str) -> None:
    """Train one row on one core, unless that is done."""
    if (out / "model" / "config.json").is_file():
        return
    command = [Path(sys.executable).with_name("molvae"), "train", "--config", CONFIGS / f"{row}.yaml"]
    command += ["--data", prepared, "--max-time", max_time, "-o", out, "--overwrite"]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def train_language_model(data: PreparedData, out: Path, *, seconds: float) -> None:
    """Train the decoder without a latent as the models are trained, unless that is done."""
    if (out / "result.json").is_file():
        return
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = GRUDecoder(len(data.vocabulary), 1, token_dim=128, hidden_dim=384)
    settings = TrainingConfig(max_steps=1)  # its learning rate and schedule
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=0.0, fused=True)
    batches = TokenBatches(data, data.indices("train"), batch_size=256, seed=0)
    began, n_seen = time.monotonic(), 0
    for step, batch in enumerate(batches):
        progress = (time.monotonic() - began) / seconds
        if progress >= 1:
            break
        optimizer.param_groups[0]["lr"] = settings.learning_rate_at(progress, step)
        with torch.autocast("cpu", torch.bfloat16):
            loss = token_losses(model(torch.zeros(len(batch), 1), batch.token_ids), batch.token_ids).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        n_seen += len(batch)
    model.eval()
    held_out = data.indices("valid")[:10_000]
    with torch.no_grad():
        losses = [
            token_losses(model(torch.zeros(len(b), 1), b.token_ids), b.token_ids)
            for b in ordered_batches(data, held_out, batch_size=512)
        ]
    out.mkdir(parents=True, exist_ok=True)
    result = {
        "nats": float(torch.cat(losses).mean()),
        "molecules": n_seen,
        "molecules_per_second": n_seen / seconds,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    (out / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def reference_of(test: str) -> ReferenceStatistics:
    """Statistics of the test molecules, from the cache of `molvae evaluate` if they are there."""
    smiles = [row.smiles for row in read_molecules(test)]
    return reference_statistics(smiles, name="Test", cache=Path(click.get_app_dir("molvae")) / "references")


def measure(run: Path, data: PreparedData, reference: ReferenceStatistics) -> dict[str, Any]:
    """Everything the table shows of one trained model."""
    vae = molvae.load(run, device="cpu")
    diagnostics = json.loads((checkpoint_path(run) / "diagnostics.json").read_text(encoding="utf-8"))
    test = data.smiles(data.indices("test"))
    result: dict[str, Any] = {
        "latent": diagnostics["latent"],
        "training": {k: v for k, v in diagnostics["training"].items() if k != "history"},
        **model_metrics(vae, test, n_reconstructed=N_RECONSTRUCTED, n_bounded=N_BOUNDED),
    }
    for prior in ("standard", "learned"):
        smiles = vae.sample(N_SAMPLES, prior=prior, seed=0)
        activations = chemnet_activations(smiles, device="cpu")
        result[prior] = {
            "fcd": frechet_distance(chemnet_statistics(activations), reference.chemnet),
            "unique": len(set(smiles)) / len(smiles),
        }
    return result


def table(output: Path, rows: tuple[str, ...]) -> str:
    """The Markdown of docs/benchmarks.md."""
    lines = [
        "| encoder, latent | exact | Tanimoto | FCD, standard → learned | unique, standard → learned | active | R² | "
        "nelbo | IWAE 10 / 100 | molecules/s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        folder = output / ("language-model" if row == LANGUAGE_MODEL else row)
        r = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        if row == LANGUAGE_MODEL:
            lines.append(f"| {row} | | | | | | | {r['nats']:.2f} | | {r['molecules_per_second']:,.0f} |")
            continue
        latent = r["latent"]
        standard, learned = r["standard"], r["learned"]
        active = f"{latent['active_units']} of {latent['latent_dim']}"
        if row.endswith("vq"):
            perplexities = np.exp(latent["kl_per_dimension"])
            active += f", perplexity {perplexities.mean():.0f}"
        r2 = np.mean([value for name, value in r.items() if name.startswith("R²")])
        bound = f"{r['IWAE 10']:.2f} / {r['IWAE 100']:.2f}" if "IWAE 10" in r else "–"
        lines.append(
            f"| {row.replace('-', ', ')} | {100 * r['exact']:.1f} % | {r['Tanimoto']:.3f} | "
            f"{standard['fcd']:.2f} → {learned['fcd']:.2f} | {100 * standard['unique']:.1f} → "
            f"{100 * learned['unique']:.1f} % | {active} | {r2:.2f} | {r['nelbo']:.2f} | {bound} | "
            f"{r['training']['molecules_per_second']:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
