"""Tables of molecules to files: CSV, TSV, SMI, SDF, Parquet, chosen by the ending; whole or not at all."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from molvae.errors import InputFileError
from molvae.files import atomic_path


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table; "-" is CSV on standard output.

    SMI and SDF need a column `smiles`; SDF keeps the other columns as data fields and leaves out rows without a
    molecule.

    Raises:
        InputFileError: for an unknown ending, before anything is written.
    """
    if str(path) == "-":
        frame.to_csv(sys.stdout, index=False, lineterminator="\n")
        return
    write = _writer(Path(path))
    with atomic_path(path) as temporary:
        write(frame, temporary)


def check_output(path: str | Path) -> None:
    """Fail now, and not after an hour of work, when `write_table` would refuse the ending."""
    if str(path) != "-":
        _writer(Path(path))


def write_latents(z: np.ndarray, frame: pd.DataFrame, path: str | Path) -> None:
    """Write latents: `.npy` holds `(n, Z)` alone, a table holds `frame` with columns z0, z1, … beside it."""
    if Path(path).suffix.lower() == ".npy":
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, z)
        return
    latents = pd.DataFrame(z, columns=[f"z{i}" for i in range(z.shape[1])])
    write_table(pd.concat([frame.reset_index(drop=True), latents], axis=1), path)


def _writer(path: Path) -> Callable[[pd.DataFrame, Path], None]:
    suffixes = [s.lower() for s in path.suffixes]
    zipped = bool(suffixes) and suffixes[-1] == ".gz"
    ending = suffixes[-2] if zipped and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    compression = "gzip" if zipped else None
    match ending:
        case ".csv":
            return lambda frame, to: frame.to_csv(to, index=False, compression=compression, lineterminator="\n")
        case ".tsv":
            return lambda frame, to: frame.to_csv(
                to, index=False, sep="\t", compression=compression, lineterminator="\n"
            )
        case ".smi":
            return lambda frame, to: frame["smiles"].to_csv(
                to, index=False, header=False, compression=compression, lineterminator="\n"
            )
        case ".sdf" if not zipped:
            return _write_sdf
        case ".parquet" if not zipped:
            return lambda frame, to: frame.to_parquet(to, index=False)
    raise InputFileError(
        f"cannot write {path}: unknown ending; expected .csv, .tsv, .smi (each also .gz), .sdf or .parquet"
    )


def _write_sdf(frame: pd.DataFrame, to: Path) -> None:
    from rdkit import Chem

    from molvae.chem.parse import parse_smiles

    with to.open("w", encoding="utf-8") as file:
        writer = Chem.SDWriter(file)
        for row in frame.to_dict("records"):
            mol = parse_smiles(str(row["smiles"]))
            if mol is None:
                continue
            for name, value in row.items():
                mol.SetProp(str(name), str(value))
            writer.write(mol)
        writer.close()
