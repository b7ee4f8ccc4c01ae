"""Fingerprints of the molecules of a prepared folder, so that training can compare them without rdkit."""

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from molvae.data.chunks import map_smiles
from molvae.data.prepared import FINGERPRINTS, PreparedData
from molvae.files import atomic_path, write_json
from molvae.progress import SILENT, Progress

BITS, RADIUS = 1024, 2
CHUNK_ROWS = 1000


def add_fingerprints(data: PreparedData, *, n_jobs: int = -1, progress: Progress = SILENT) -> PreparedData:
    """Write the ECFP4 of every molecule (1,024 bits, packed into 128 bytes) to the folder.

    An interrupted run leaves the folder as it was.

    Args:
        data: a prepared folder.
        n_jobs: number of processes; -1 is one per core.
        progress: reports molecules done.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(data), BITS // 8)}
    with (
        atomic_path(data.path / FINGERPRINTS) as path,
        path.open("wb") as file,
        progress.stage("Fingerprints", total=len(data), unit="molecules") as stage,
    ):
        np.lib.format.write_array_header_2_0(file, header)
        for rows in map_smiles(data.path, _packed, n_rows=CHUNK_ROWS, n_jobs=n_jobs):
            file.write(rows.tobytes())
            stage.advance(len(rows))
    kind = {"kind": "ecfp", "radius": RADIUS, "bits": BITS}
    options = data.meta["options"] | {"fingerprints": True}
    write_json(data.path / "meta.json", data.meta | {"fingerprints": kind, "options": options})
    return PreparedData.open(data.path)


def _packed(smiles: list[str]) -> np.ndarray:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    return np.packbits(np.stack([generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in smiles]), axis=1)
