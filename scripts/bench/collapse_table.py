"""Run: python scripts/bench/collapse_table.py PREPARED -o runs/collapse [--max-time 00:03:00].

Trains the same model under each setting that fights posterior collapse, one change at a time, from the setting that
collapses (beta 1, no schedule, no free bits, no minimum rate, no token dropout) to the package's default, and prints
the Markdown table of the README. Every run has the same time budget; finished runs are kept and not repeated.
"""

import json
from pathlib import Path

import click

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
DEFAULT_BETA = TrainingConfig(max_steps=1).beta
DEFAULT_LATENT = GaussianLatentConfig()
ROWS: dict[str, dict[str, object]] = {
    "beta 1, nothing against collapse": {},
    "+ linear schedule to 1": {"training.beta": {"kind": "linear", "beta": 1.0, "warmup": 0.5}},
    "+ cyclical schedule to 1": {"training.beta": {"kind": "cyclical", "beta": 1.0, "n_cycles": 4}},
    "+ free bits 0.25": {"model.latent.free_bits": 0.25},
    "+ minimum rate 32 nats": {"model.latent.min_rate": 32.0},
    "+ token dropout 0.3": {"model.decoder.token_dropout": 0.3},
    "+ z past the GRU (skip)": {"model.decoder.skip": True},
    "+ committed rate 0.1 nats": {"model.latent.kind": "delta", "model.latent.delta": 0.1},
    "+ spheres (16 of 8 dimensions)": {"model.latent.kind": "sphere", "model.latent.n_spheres": 16},
    "+ two levels": {
        "model.latent.kind": "hierarchical",
        "model.latent.free_bits": [0.1, 0.05],
        "training.beta": {"kind": "linear", "beta": 1.0, "warmup": 0.5},
    },
    "+ on_collapse: restart": {"training.on_collapse": "restart", "training.valid_every": 200},
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


def configuration(prepared: Path, changes: dict[str, object], max_time: str) -> ExperimentConfig:
    """The collapsing experiment with some settings changed."""
    values: dict = {"data": {"prepared": prepared}, "training": {"max_time": max_time, "valid_every": 100_000}}
    gaussian = changes.get("model.latent.kind", "gaussian") == "gaussian"
    common = {key: value for key, value in COLLAPSING.items() if gaussian or not key.startswith("model.latent.")}
    for key, value in (common | changes).items():
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
def main(prepared: Path, output: Path, max_time: str) -> None:
    """Train what is not trained yet and print the table."""
    data = PreparedData.open(prepared)
    header = ["setting", "molecules seen", "reconstruction (nats)", "KL (nats)", "active units", "exact", "warning"]
    lines = [header, ["---"] + ["---:"] * 5 + ["---"]]
    for number, (name, changes) in enumerate(ROWS.items()):
        out = output / str(number)
        if not (out / "model").is_dir():
            click.echo(f"training: {name}", err=True)
            train(configuration(prepared, changes, max_time), data, out)
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


if __name__ == "__main__":
    main()
