"""Run: python scripts/make/zinc_sample.py data/moses data/zinc_sample.csv.gz .

Draws the 60,000 ZINC molecules of `data/zinc_sample.csv.gz` from MOSES (`molvae data download moses`): 50,000 train and
5,000 valid from its training split, 5,000 test from its test split. The same input gives the same bytes.
"""

import gzip
import io
import sys
from pathlib import Path

import numpy as np

from molvae.files import atomic_path
from molvae.formats.readers import read_molecules

SEED = 20_000
N_TRAIN, N_VALID, N_TEST = 50_000, 5_000, 5_000


def draw(path: Path, n: int, rng: np.random.Generator) -> list[str]:
    """`n` distinct rows of a file, in the order drawn."""
    smiles = [row.smiles for row in read_molecules(path)]
    return [smiles[i] for i in rng.choice(len(smiles), size=n, replace=False)]


def main(moses: str, out: str) -> None:
    """Write the sample."""
    rng = np.random.default_rng(SEED)
    train = draw(Path(moses) / "train.csv.gz", N_TRAIN + N_VALID, rng)
    test = draw(Path(moses) / "test.csv.gz", N_TEST, rng)
    splits = [("train", train[:N_TRAIN]), ("valid", train[N_TRAIN:]), ("test", test)]
    text = "smiles,split\n" + "".join(f"{s},{split}\n" for split, molecules in splits for s in molecules)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as file:
        file.write(text.encode("ascii"))
    with atomic_path(out) as temporary:
        temporary.write_bytes(packed.getvalue())
    print(f"{out}: {len(train) + len(test):,} molecules, {len(packed.getvalue()):,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
