r"""Run: python scripts/bench/family.py runs/moses-fifth -o runs/family --test data/moses/test.csv.gz [--minutes 20].

The folder is every fifth molecule of the MOSES training split:
  mkdir -p runs/fifth
  zcat data/moses/train.csv.gz | awk 'NR == 1 || NR % 5 == 2' | gzip > runs/fifth/train.csv.gz
  molvae data prepare runs/fifth/train.csv.gz data/moses/test.csv.gz data/moses/test_scaffolds.csv.gz \
      --split files --valid-fraction 0.01 --descriptors basic -o runs/moses-fifth

Trains every config of configs/family/ on the same prepared data for the same time on one core, a prior that is fitted
afterwards within that time, measures each and prints the Markdown table of docs/family.md; `--write docs/family.md`
puts it between the marks of that page. What is finished is kept, what was interrupted goes on where it stopped.
"""

import ast
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import yaml

import molvae
from molvae.checkpoint import checkpoint_path
from molvae.chem.similarity import tanimoto
from molvae.config import clock, parse_duration
from molvae.data.prepared import PreparedData
from molvae.evaluation.model_metrics import model_metrics
from molvae.formats.readers import read_molecules
from molvae.scoring.fcd import chemnet_activations, chemnet_statistics, frechet_distance
from molvae.scoring.reference import ReferenceStatistics, reference_statistics

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "family"
MEMBERS = tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
PRIOR_SHARE = 0.15  # of the time, for a prior that is fitted after training
N_SAMPLES, N_RECONSTRUCTED, N_BOUNDED, N_PATHS, STEPS = 10_000, 2000, 500, 50, 9
BEGIN, END = "<!-- family table -->", "<!-- /family table -->"


PARTS = ("latents", "priors", "critics", "encoders", "decoders")


def print_lines(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Print the lines of code of every file of the family, and end."""
    if wanted:
        click.echo("| file | lines |\n| --- | ---: |")
        for part in PARTS:
            for file in sorted((ROOT / "molvae" / "nn" / part).glob("[a-z]*.py")):
                click.echo(f"| {part}/{file.name} | {lines_of_code(file.read_text(encoding='utf-8'))} |")
        context.exit()


def lines_of_code(source: str) -> int:
    """Lines that are neither blank nor comments nor in docstrings."""
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    text = [t for t in texts if isinstance(t, ast.Constant) and isinstance(t.value, str)]
    said = {line for t in text for line in range(t.lineno, (t.end_lineno or t.lineno) + 1)}
    lines = enumerate(map(str.strip, source.splitlines()), 1)
    return sum(1 for number, line in lines if line and not line.startswith("#") and number not in said)


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("--lines", is_flag=True, is_eager=True, expose_value=False, callback=print_lines, help="Lines of code.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--test", required=True, help="Molecules that samples are compared with, e.g. data/moses/test.csv.gz.")
@click.option("--minutes", type=float, default=20.0, show_default=True, help="Training time of each.")
@click.option("--samples", type=int, default=N_SAMPLES, show_default=True, help="Draws for FCD and uniqueness.")
@click.option("--only", multiple=True, type=click.Choice(MEMBERS), help="Members; all by default.")
@click.option("--seed", "seeds", multiple=True, type=int, default=(0,), show_default=True, help="Repeatable.")
@click.option("--train-only", is_flag=True, help="Leave measuring for later.")
@click.option("--write", type=click.Path(path_type=Path), help="A page whose table is replaced.")
def main(
    prepared: Path,
    output: Path,
    test: str,
    minutes: float,
    samples: int,
    only: tuple[str, ...],
    seeds: tuple[int, ...],
    train_only: bool,
    write: Path | None,
) -> None:
    """Train what is missing, measure it, print the table."""
    data, reference = PreparedData.open(prepared), None
    runs = [
        (name, output / (name if not seed else f"{name}-{seed}"), seed) for name in only or MEMBERS for seed in seeds
    ]
    for name, run, seed in runs:
        click.echo(f"{name}, seed {seed}", err=True)
        train(name, prepared, run, minutes, seed)
    if train_only:
        return
    for name, run, _ in runs:
        if not (run / "result.json").is_file():
            click.echo(f"measuring {name}", err=True)
            reference = reference or reference_of(test)
            result = measure(run, data, reference, samples)
            temporary = run / "result.part"
            temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            temporary.replace(run / "result.json")
    text = table([(name, run) for name, run, _ in runs])
    click.echo(text)
    if write is not None:
        put(write, f"{text}\n\n{minutes:g} minutes of one core each, {samples:,} draws.")


def train(name: str, prepared: Path, run: Path, minutes: float, seed: int) -> None:
    """Train a member and fit its prior on one core, unless that is done."""
    if (run / "done").is_file():
        return
    settings = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    after = settings.get("prior", {}).get("fit") == "two-stage"
    share = 1 - PRIOR_SHARE if after else 1.0
    molvae_command = [str(Path(sys.executable).with_name("molvae")), "train", "-o", str(run), "--device", "cpu"]
    if (run / "experiment.yaml").is_file():
        command = [*molvae_command, "--resume"]
    else:
        command = [*molvae_command, "--config", str(CONFIGS / f"{name}.yaml"), "--data", str(prepared)]
        command += ["--overwrite", "--max-time", seconds_of(minutes * share), "--set", f"training.seed={seed}"]
        if after:
            command += ["--set", f"prior.max_time='{seconds_of(minutes * PRIOR_SHARE)}'", "--set", f"prior.seed={seed}"]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    (run / "done").touch()


def seconds_of(minutes: float) -> str:
    """A duration as `molvae train` takes it."""
    return clock(parse_duration(max(1, round(60 * minutes))))


def reference_of(test: str) -> ReferenceStatistics:
    """Statistics of the test molecules, from the cache of `molvae evaluate` if they are there."""
    smiles = [row.smiles for row in read_molecules(test)]
    return reference_statistics(smiles, name="Test", cache=Path(click.get_app_dir("molvae")) / "references")


def measure(run: Path, data: PreparedData, reference: ReferenceStatistics, n: int) -> dict[str, Any]:
    """Everything the table shows of one trained model."""
    vae = molvae.load(run, device="cpu")
    diagnostics = json.loads((checkpoint_path(run) / "diagnostics.json").read_text(encoding="utf-8"))
    test = data.smiles(data.indices("test" if "test" in data.split_names else "valid"))
    drawn = vae.draw(n, seed=0)
    chemnet = chemnet_statistics(chemnet_activations(drawn.smiles, device="cpu"))
    return {
        "latent": diagnostics["latent"],
        "training": {k: v for k, v in diagnostics["training"].items() if k != "history"},
        **model_metrics(vae, test, n_reconstructed=N_RECONSTRUCTED, n_bounded=N_BOUNDED),
        "discrete": vae.model.latent.discrete,
        "valid": drawn.valid,
        "unique": len(set(drawn.smiles)) / n,
        "fcd": frechet_distance(chemnet, reference.chemnet),
        "paths": interpolations(vae, test),
    }


def interpolations(vae: molvae.MoleculeGenerator, smiles: list[str]) -> dict[str, float]:
    """Shares of the inner steps of paths that are sound molecules and different ones; similarity of neighbors."""
    usable = [
        s for s, reason in zip(smiles, vae.encode_rows(smiles[: 3 * N_PATHS]).reasons, strict=False) if not reason
    ]
    sound, different, similar = [], [], []
    for start, end in zip(usable[0 : 2 * N_PATHS : 2], usable[1 : 2 * N_PATHS : 2], strict=False):
        path = vae.interpolate(start, end, steps=STEPS)["smiles"].tolist()
        inner = [s for s in path[1:-1] if s]
        sound.append(len(inner) / (STEPS - 2))
        different.append(len(set(inner) - {start, end}) / (STEPS - 2))
        steps = [s for s in path if s]
        similar += [tanimoto(a, b) for a, b in pairwise(steps)]
    return {"sound": np.mean(sound).item(), "different": np.mean(different).item(), "similar": np.mean(similar).item()}


def table(runs: list[tuple[str, Path]]) -> str:
    """The Markdown of docs/family.md: a row per run."""
    lines = [
        "| member | exact | Tanimoto | FCD | valid draws | unique | nelbo | active units, or perplexity | R² | "
        "path: sound, different, similarity | molecules/s |",
        "| --- |" + " ---: |" * 10,
    ]
    for name, run in runs:
        r = json.loads((run / "result.json").read_text(encoding="utf-8"))
        latent, paths = r["latent"], r["paths"]
        used = f"{latent['active_units']} of {latent['latent_dim']}"
        if r["discrete"]:
            used += f", perplexity {np.exp(latent['kl_per_dimension']).mean():.0f}"
        r2 = [value for key, value in r.items() if key.startswith("R²")]
        columns = [
            f"{100 * r['exact']:.1f} %",
            f"{r['Tanimoto']:.3f}",
            f"{r['fcd']:.2f}",
            f"{100 * r['valid']:.1f} %",
            f"{100 * r['unique']:.1f} %",
            f"{r['nelbo']:.2f}" if "nelbo" in r else "–",
            used,
            f"{np.mean(r2):.2f}" if r2 else "–",
            f"{100 * paths['sound']:.0f} %, {100 * paths['different']:.0f} %, {paths['similar']:.2f}",
            f"{r['training']['molecules_per_second']:,.0f}",
        ]
        label = name if run.name == name else f"{name}, seed {run.name.rpartition('-')[2]}"
        lines.append(f"| {label} | " + " | ".join(columns) + " |")
    return "\n".join(lines)


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page."""
    whole = page.read_text(encoding="utf-8")
    before, _, rest = whole.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
