"""`molvae decode`."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli.options import (
    batch_size_option,
    console,
    decoding_options,
    device_option,
    progress_for,
    quiet_option,
    reader_option,
    seed_option,
    table_option,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_LATENT = re.compile(r"z[0-9]{1,9}")


@click.command()
@click.argument("path", metavar="LATENTS")
@reader_option
@table_option()
@decoding_options(greedy=True)
@seed_option
@batch_size_option
@device_option
@quiet_option
def decode(
    path: str,
    model_path: str,
    output: str,
    temperature: float | None,
    top_p: float | None,
    greedy: bool,
    seed: int | None,
    batch_size: int,
    device: str,
    quiet: bool,
) -> None:
    """Decode latents to molecules.

    LATENTS is a .npy array or a table with columns z0, z1, … as `encode` writes it; - is CSV on standard input.
    """
    import molvae
    from molvae.cli.tables import described
    from molvae.formats.writers import check_output, write_table

    check_output(output)
    z = read_latents(path)
    vae = molvae.load(model_path, device=device)
    smiles = vae.decode(
        z,
        greedy=greedy,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        batch_size=batch_size,
        progress=progress_for(quiet),
    )
    write_table(described(smiles), output)
    console(quiet).print(f"{sum(map(bool, smiles)):,} of {len(z):,} latents decoded")


def read_latents(path: str) -> "np.ndarray":
    """Latents `(n, Z)` from a file or standard input.

    Raises:
        InputFileError: when it cannot be read or holds no latents.
    """
    import numpy as np
    import pandas as pd

    from molvae.errors import InputFileError

    try:
        if path.endswith(".npy"):  # mapped, so that a header that promises terabytes takes no memory
            frame = np.lib.format.open_memmap(path, mode="r")
        else:
            frame = pd.read_parquet(path) if path.endswith(".parquet") else _read_csv(path)
    except (ValueError, EOFError, OverflowError, pd.errors.ParserError) as error:
        raise InputFileError(f"{path} is not a readable array or table: {str(error).splitlines()[0]}") from error
    if isinstance(frame, np.ndarray):
        return _numbers(frame, path)
    columns = sorted((c for c in frame.columns if _LATENT.fullmatch(str(c))), key=lambda c: int(c[1:]))
    if not columns:
        raise InputFileError(
            f"{path} has no columns z0, z1, …; its columns are: {', '.join(map(str, frame.columns[:30]))}"
        )
    return _numbers(frame[columns].to_numpy(), path)


def _numbers(values: "np.ndarray", path: str) -> "np.ndarray":
    """The values as float32; raises `InputFileError` when they are none."""
    import numpy as np

    from molvae.errors import InputFileError

    try:
        if values.dtype.kind not in "fiubO":
            raise TypeError(f"got {values.dtype}")
        return np.asarray(values, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise InputFileError(f"{path} holds latents that are no numbers: {error}") from error


def _read_csv(path: str) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_csv(sys.stdin if path == "-" else Path(path), sep="\t" if ".tsv" in path else ",")
