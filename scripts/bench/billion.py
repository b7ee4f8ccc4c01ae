"""Run: python scripts/bench/billion.py INPUT [-n 2000] [--molecules 1000000000] [--cores 64] [--price 2.86].

Measures, on one core, what a molecule costs in each step, and prints what that makes of a billion of them on a machine
with the given number of cores at the given price for an hour: a Markdown table of processor time, hours and money, one
of disk and memory. Processor time is measured, not elapsed time, since others may use the machine; what a pair of
hardware threads shares counts as slower. Reading, writing and the efficiency of many cores are not in it.
"""

import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import torch

from molvae.data.batches import TokenBatches
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.run import prepare
from molvae.formats.readers import read_molecules
from molvae.generator import MoleculeGenerator
from molvae.inference.features import FeatureEncoder
from molvae.nn.build import build_model
from molvae.training.config import load_experiment
from molvae.training.losses import reconstruction_loss
from molvae.training.recipes import recipe_path
from molvae.training.selection import training_molecules

RECIPE, READER, SAMPLER = "moses-cpu", "qsar", "moses"


def cost(work: Callable[[], int]) -> float:
    """Processor seconds for each of the molecules that the work says it has done."""
    began = time.process_time()
    n = work()
    return (time.process_time() - began) / n


@click.command()
@click.argument("path", metavar="INPUT")
@click.option("-n", "n", default=2000, show_default=True, help="Molecules to measure with.")
@click.option("--molecules", default=1_000_000_000, show_default=True)
@click.option("--cores", default=64, show_default=True)
@click.option("--price", default=2.86, show_default=True, help="Of the machine, for an hour.")
def main(path: str, n: int, molecules: int, cores: int, price: float) -> None:
    """Measure, and print the tables."""
    torch.set_num_threads(1)
    smiles = [row.smiles for row, _ in zip(read_molecules(path), range(n), strict=False)]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "input.smi"
        source.write_text("\n".join(map(str, smiles)) + "\n", encoding="utf-8")
        for name, descriptors in (("prepare, without descriptors", "none"), ("prepare, basic descriptors", "basic")):
            config = PrepareConfig(notation="smiles", descriptors=(descriptors,), fragments=1024, n_jobs=1)
            out = Path(folder) / descriptors
            prepare([source], Path(folder) / f"{descriptors}-warm", config=config, rows=slice(50))
            found[name] = cost(lambda out=out, config=config: len(prepare([source], out, config=config)))
        data = prepare([source], Path(folder) / "basic", config=config, overwrite=True)
        disk = {file.name: file.stat().st_size / len(data) for file in sorted((Path(folder) / "basic").iterdir())}
        found["training, input pipeline"] = cost(lambda: pipeline(data, 40))
        found[f"training, one epoch ({RECIPE})"] = cost(training(data, 256, 12))
    encoder = FeatureEncoder(MoleculeGenerator.load(READER, device="cpu"), "mean", batch_size=256)
    encoder.encode(smiles[:64])
    found[f"encode ({READER})"] = cost(lambda: len(encoder.encode(smiles[: n // 2]).values))
    vae = MoleculeGenerator.load(SAMPLER, device="cpu")
    vae.sample(64, seed=0)
    found[f"sample ({SAMPLER}), SMILES only"] = cost(lambda: len(vae.sample(n // 2, seed=1)))
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, {n:,} molecules.\n")
    print(f"| step | ms of one core a molecule | molecules/s a core | {molecules:,}: core-hours | hours | cost |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for step, seconds in found.items():
        hours = seconds * molecules / 3600
        print(
            f"| {step} | {1000 * seconds:.3f} | {1 / seconds:,.0f} | {hours:,.0f} | {hours / cores:,.1f} "
            f"| {price * hours / cores:,.0f} |"
        )
    print(f"\n{cores} cores at {price} an hour.\n")
    print(f"| file of a prepared folder | bytes a molecule | {molecules:,}: GB |")
    print("| --- | ---: | ---: |")
    for name, size in disk.items():
        if size >= 0.5 and name not in ("vocabulary.json", "meta.json"):
            print(f"| {name} | {size:.1f} | {size * molecules / 1e9:,.1f} |")


def pipeline(data: object, batches: int) -> int:
    """Gather batches as training does."""
    columns = np.arange(len(data.statistics.names))
    stream = iter(TokenBatches(data, training_molecules(data, None), batch_size=256, property_index=columns))
    return sum(len(next(stream)) for _ in range(batches))


def training(data: object, batch_size: int, steps: int) -> Callable[[], int]:
    """Training steps of a recipe's model: forward, backward and optimizer, in bfloat16."""
    config = load_experiment(recipe_path(RECIPE))
    names = data.statistics.names
    model = build_model(config.model, vocabulary_size=len(data.vocabulary), property_names=names)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    stream = iter(TokenBatches(data, training_molecules(data, None), batch_size=batch_size))

    def step() -> int:
        batch = next(stream)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            latent = model.encode(batch)
            logits = model.decoder(latent.z, batch.token_ids)
            loss = reconstruction_loss(logits, batch.token_ids) + latent.regularizer + latent.auxiliary
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return len(batch)

    model.train()
    for _ in range(3):
        step()
    return lambda: sum(step() for _ in range(steps))


if __name__ == "__main__":
    main()
