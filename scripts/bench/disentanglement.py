"""Run: python scripts/bench/disentanglement.py PREPARED -o runs/disentanglement [--minutes 20] [--seeds 0,1,2].

Trains the VAE, beta-TCVAE and FactorVAE with weights 1, 4 and 10 (of the KL, of the total correlation, and of the
critic's estimate of it) and several seeds, each for the same time, and prints MIG, SAP and DCI with descriptors as
factors, without molecule size, as mean ± standard deviation over seeds. What is finished is kept.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

import molvae
from molvae.config import clock, parse_duration
from molvae.data.prepared import PreparedData
from molvae.evaluation.geometry import latent_geometry, measure_molecules

CONFIGS = Path(__file__).parents[2] / "configs" / "family"
WEIGHTS = (1, 4, 10)
BETA = 0.1  # of all three, as in the configs; the weights multiply it
MEMBERS = {
    "vae": "training.beta.beta={beta}",
    "tcvae": "model.latent.tc_weight={weight}",
    "factor": "training.critic.weight={beta}",
}
MEASURES = ("mig_without_size", "sap_without_size", "completeness_without_size")
N_MOLECULES = 5000


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--minutes", type=float, default=20.0, show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--only", type=click.Choice(tuple(MEMBERS)), multiple=True, help="Members; all by default.")
def main(prepared: Path, output: Path, minutes: float, seeds: str, only: tuple[str, ...]) -> None:
    """Train what is missing, measure it, print the table."""
    data = PreparedData.open(prepared)
    smiles = data.smiles(data.indices("valid" if "valid" in data.split_names else "test")[:N_MOLECULES])
    print("| member | weight | active units | MIG | SAP | DCI completeness | DCI disentanglement |")
    print("| --- |" + " ---: |" * 6)
    for member in only or MEMBERS:
        setting = MEMBERS[member]
        for weight in WEIGHTS:
            rows = []
            for seed in seeds.split(","):
                run = output / f"{member}-{weight}-{seed}"
                train(member, setting.format(weight=weight, beta=BETA * weight), prepared, run, minutes, seed)
                rows.append(measured(run, smiles))
            numbers = [shown([row[name] for row in rows]) for name in rows[0]]
            print(f"| {member} | {weight} | " + " | ".join(numbers) + " |")


def train(member: str, setting: str, prepared: Path, run: Path, minutes: float, seed: str) -> None:
    """Train one model on one core, unless that is done."""
    if (run / "model" / "config.json").is_file():
        return
    command: list[Any] = [Path(sys.executable).with_name("molvae"), "train", "-o", run, "--device", "cpu"]
    if (run / "experiment.yaml").is_file():
        command.append("--resume")
    else:
        limit = clock(parse_duration(max(1, round(60 * minutes))))
        command += ["--config", CONFIGS / f"{member}.yaml", "--data", prepared, "--overwrite", "--max-time", limit]
        command += ["--set", setting, "--set", f"training.seed={seed}"]
    subprocess.run([str(part) for part in command], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def measured(run: Path, smiles: list[str]) -> dict[str, float]:
    """The measures of one model, kept beside it."""
    file = run / "disentanglement.json"
    if not file.is_file():
        vae = molvae.load(run, device="cpu")
        values = latent_geometry(vae, measure_molecules(vae, smiles)).to_json()
        kept = {"active": values["active_units"]} | {name: values[f"{name}_mean"] for name in MEASURES}
        kept["disentanglement"] = values["disentanglement_without_size"]
        file.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


def shown(values: list[float | None]) -> str:
    """Mean and standard deviation of what is known."""
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.3f} ± {np.std(known):.3f}" if known else "–"


if __name__ == "__main__":
    main()
