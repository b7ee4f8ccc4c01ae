"""`molvae fit-prior`."""

import click

from molvae.cli.options import console, device_option, model_option, progress_for, quiet_option


@click.command("fit-prior")
@model_option
@click.option("--data", "data_path", required=True, metavar="PREPARED", help="The folder the model was trained on.")
@click.option("--kind", type=click.Choice(["autoregressive", "flow"]), default="autoregressive", show_default=True)
@click.option("--max-time", default="00:05:00", show_default=True, metavar="HH:MM:SS")
@click.option("--molecules", type=click.IntRange(1), default=200_000, show_default=True, help="Encoded at most.")
@click.option("--seed", type=int, default=0, show_default=True)
@device_option
@quiet_option
def fit_prior(
    model_path: str | None,
    data_path: str,
    kind: str,
    max_time: str,
    molecules: int,
    seed: int,
    device: str,
    quiet: bool,
) -> None:
    """Fit a prior to the latents of the training set; `sample` then draws from it."""
    from molvae.checkpoint import checkpoint_path
    from molvae.config import PriorFitConfig
    from molvae.config_file import parse_config
    from molvae.data.prepared import PreparedData
    from molvae.training.prior import fit_prior_of

    values = {"model": {"kind": kind}, "max_time": max_time, "molecules": molecules, "seed": seed}
    config = parse_config(PriorFitConfig, values, where="fit-prior")
    path = checkpoint_path(model_path)
    report = fit_prior_of(path, PreparedData.open(data_path), config, device=device, progress=progress_for(quiet))
    console(quiet).print(
        f"KL to the standard prior {report.kl_standard:.2f} nats, to the learned prior {report.kl:.2f} nats "
        f"({report.epochs} passes over {report.molecules:,} molecules); written to {path}"
    )
