"""Run: python scripts/bench/collapse_table.py PREPARED -o runs/collapse [--max-steps 600 --small] [--picture FILE].

Trains the same model under each setting that fights posterior collapse, one change at a time, from the setting that
collapses (beta 1, no schedule, no free bits, no minimum rate, no token dropout) to the package's default, and prints
the Markdown table of docs/latent.md. Every run has the same budget; finished runs are kept and not repeated. The
picture shows the KL of every dimension over the steps of each run.
"""

import json
from pathlib import Path

import click
import numpy as np

from molvae.data.prepared import PreparedData
from molvae.nn.latents.gaussian import GaussianLatentConfig
from molvae.training.config import ExperimentConfig, TrainingConfig
from molvae.training.fit import train

COLLAPSING = {
    "training.beta": {"kind": "constant", "beta": 1.0},
    "model.latent.free_bits": 0.0,
    "model.latent.min_rate": 0.0,
    "model.decoder.token_dropout": 0.0,
}
VALID_EVERY = 40
SMALL = {  # sizes with which a run takes a minute of one core
    "model.encoder.token_dim": 32,
    "model.encoder.hidden_dim": 64,
    "model.latent.latent_dim": 32,
    "model.decoder.token_dim": 32,
    "model.decoder.hidden_dim": 128,
    "training.batch_size": 128,
    "training.valid_molecules": 512,
}
DEFAULT_BETA = TrainingConfig(max_steps=1).beta
DEFAULT_LATENT = GaussianLatentConfig()
ROWS: dict[str, dict[str, object]] = {
    "beta 1, nothing against collapse": {},
    "+ linear schedule to 1": {"training.beta": {"kind": "linear", "beta": 1.0, "warmup": 0.5}},
    "+ cyclical schedule to 1": {"training.beta": {"kind": "cyclical", "beta": 1.0, "n_cycles": 4}},
    "+ free bits 0.25": {"model.latent.free_bits": 0.25},
    "+ minimum rate 16 nats": {"model.latent.min_rate": 16.0},
    "+ token dropout 0.3": {"model.decoder.token_dropout": 0.3},
    "beta 0.1, nothing else": {"training.beta": {"kind": "constant", "beta": 0.1}},
    "default": {
        "training.beta": DEFAULT_BETA.model_dump(),
        "model.latent.free_bits": DEFAULT_LATENT.free_bits,
        "model.latent.min_rate": DEFAULT_LATENT.min_rate,
        "model.decoder.token_dropout": ExperimentConfig.model_validate(
            {"data": {"prepared": "x"}, "training": {"max_steps": 1}}
        ).model.decoder.token_dropout,
    },
}


def configuration(prepared: Path, changes: dict[str, object], budget: dict[str, object]) -> ExperimentConfig:
    """The collapsing experiment with some settings changed."""
    values: dict = {"data": {"prepared": prepared}, "training": budget | {"valid_every": VALID_EVERY}}
    for key, value in (COLLAPSING | changes).items():
        *sections, last = key.split(".")
        node = values
        for section in sections:
            node = node.setdefault(section, {})
        node[last] = value
    return ExperimentConfig.model_validate(values)


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--max-time", default="00:03:00", show_default=True)
@click.option("--max-steps", type=int, help="A budget in steps in place of one in time.")
@click.option("--small", is_flag=True, help="A small model, whose runs take a minute each.")
@click.option("--only", multiple=True, type=int, help="Number of a row, from 0 (repeatable).  [default: all]")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the KL per dimension over time, as .png.")
def main(
    prepared: Path,
    output: Path,
    max_time: str,
    max_steps: int | None,
    small: bool,
    only: tuple[int, ...],
    picture: Path | None,
) -> None:
    """Train what is not trained yet and print the table."""
    data = PreparedData.open(prepared)
    budget: dict[str, object] = {"max_time": max_time} if max_steps is None else {"max_steps": max_steps}
    header = ["setting", "molecules seen", "reconstruction (nats)", "KL (nats)", "active units", "exact", "warning"]
    lines = [header, ["---"] + ["---:"] * 5 + ["---"]]
    rows = [(number, *row) for number, row in enumerate(ROWS.items()) if not only or number in only]
    for number, name, changes in rows:
        out = output / str(number)
        if not (out / "model").is_dir():
            click.echo(f"training: {name}", err=True)
            train(configuration(prepared, (SMALL if small else {}) | changes, budget), data, out)
        report = json.loads((out / "model" / "diagnostics.json").read_text())
        latent = report["latent"]
        lines.append(
            [
                name,
                f"{report['training']['molecules']:,}",
                f"{latent['reconstruction']:.1f}",
                f"{latent['kl']:.1f}",
                f"{latent['active_units']} of {latent['latent_dim']}",
                f"{100 * latent['exact']:.1f} %",
                "collapse" if latent["collapse_warning"] else "",
            ]
        )
    for line in lines:
        print("| " + " | ".join(line) + " |")
    if picture is not None:
        draw({name: output / str(number) for number, name, _ in rows}, picture)


def draw(runs: dict[str, Path], picture: Path) -> None:
    """One panel per run: dimensions, the fullest at the bottom, against steps; the color is the KL in nats."""
    from matplotlib.figure import Figure

    columns = min(4, len(runs))
    figure = Figure(figsize=(3 * columns, 2.8 * -(-len(runs) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(runs) // columns), columns, sharey=True, squeeze=False).flat
    for (name, run), panel in zip(runs.items(), panels, strict=False):
        history = json.loads((run / "model" / "diagnostics.json").read_text())["training"]["history"]
        nats = np.array([row["kl_per_dimension"] for row in history]).T
        steps = [row["step"] for row in history]
        image = panel.pcolormesh(steps, range(len(nats)), nats, vmin=0, vmax=1, cmap="viridis", shading="nearest")
        panel.set_title(name, fontsize=10)
        panel.set_xlabel("step")
    figure.supylabel("dimension, sorted", fontsize=10)
    figure.colorbar(image, ax=figure.axes, label="KL (nats, cut at 1)")
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
