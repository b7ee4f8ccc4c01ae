"""Run: python scripts/bench/keep.py MODEL [--task decoration] [-n 1000] [--condition qed=0.9] [-o runs/keep].

Molecules that keep a part, for ten drugs: scaffolds to decorate, pairs of fragments to link, motifs to extend, ring
systems to build on. Prints a Markdown row per part and their mean: valid and kept among what is returned, draws per
molecule, unique, quality as GenMol has it (Lee et al. 2025: of the molecules asked for, those that are valid, unique,
and have QED >= 0.6 and SA <= 4), and molecules per second of processor time. With -o the first molecules, drawn.
"""

import time
from pathlib import Path

import click
import numpy as np
from rdkit import Chem

import molvae
from molvae.chem.descriptors import descriptors
from molvae.chem.kept import Kept
from molvae.cli.options import read_conditions
from molvae.errors import InputError
from molvae.report.grid import draw_grid

TASKS = {
    "decoration": {
        "erlotinib": "*Nc1ncnc2cc(O*)c(O*)cc12",
        "imatinib": "*Nc1nccc(-c2cccnc2)n1",
        "celecoxib": "*c1cc(-c2ccc(C)cc2)n(-c2ccc(*)cc2)n1",
        "ruxolitinib": "*n1cc(-c2ncnc3[nH]ccc23)cn1",
        "captopril": "*C(=O)N1CCC[C@H]1C(=O)O",
        "propranolol": "*OC[C@@H](O)CN*",
        "haloperidol": "*CCCN1CCC(O)(*)CC1",
        "diazepam": "*N1C(=O)CN=C(*)c2cc(Cl)ccc12",
        "sildenafil": "*c1nc2c(*)nn(C)c2c(=O)[nH]1",
        "ciprofloxacin": "*n1cc(C(=O)O)c(=O)c2cc(F)c(*)cc12",
    },
    "linker": {
        "imatinib": "*c1ccc(C)c(Nc2nccc(-c3cccnc3)n2)c1.*N1CCN(C)CC1",
        "haloperidol": "*N1CCC(O)CC1.*c1ccc(F)cc1",
        "donepezil": "*C1CCN(Cc2ccccc2)CC1.*C1CCc2ccccc21",
        "sildenafil": "*c1ccccc1.*N1CCN(C)CC1",
        "ranolazine": "*N1CCNCC1.*Oc1ccccc1OC",
        "montelukast": "*c1ccc2ccc(Cl)cc2n1.*C1(CC(=O)O)CC1",
        "domperidone": "*n1c(=O)[nH]c2ccccc21.*N1CCCCC1",
        "trazodone": "*n1nc2ccccn2c1=O.*N1CCNCC1",
        "bepotastine": "*C1CCNCC1.*[C@@H](c1ccc(Cl)cc1)c1ccccn1",
        "losartan": "*c1nc(Cl)c(CO)[nH]1.*c1ccccc1-c1nnn[nH]1",
    },
    "motif": {
        "erlotinib": "*Nc1cccc(C#C)c1",
        "imatinib": "*c1cccnc1",
        "celecoxib": "*c1ccc(S(N)(=O)=O)cc1",
        "ruxolitinib": "*c1ncnc2[nH]ccc12",
        "captopril": "*N1CCC[C@H]1C(=O)O",
        "propranolol": "*c1cccc2ccccc12",
        "haloperidol": "*N1CCC(O)CC1",
        "diazepam": "*c1ccccc1Cl",
        "sildenafil": "*S(=O)(=O)N1CCN(C)CC1",
        "ciprofloxacin": "*N1CCNCC1",
    },
    "superstructure": {
        "erlotinib": "c1ccc2ncncc2c1",
        "imatinib": "c1cncc(-c2ccncn2)c1",
        "celecoxib": "c1ccc(-n2cccn2)cc1",
        "ruxolitinib": "c1cc2cncnc2[nH]1",
        "captopril": "O=C(O)[C@@H]1CCCN1",
        "propranolol": "c1ccc2ccccc2c1",
        "haloperidol": "OC1CCNCC1",
        "diazepam": "O=C1CN=Cc2ccccc2N1",
        "sildenafil": "O=c1[nH]cnc2c[nH]nc12",
        "ciprofloxacin": "O=c1cc[nH]c2ccccc12",
    },
}


@click.command()
@click.argument("model")
@click.option("--task", type=click.Choice([*TASKS]), default="decoration", show_default=True)
@click.option("-n", "n", default=1000, show_default=True, help="Molecules asked for, for each part.")
@click.option("--unique", is_flag=True, help="Ask for different ones.")
@click.option("--condition", "conditions", multiple=True, help="As in molvae sample.")
@click.option("--seed", default=0, show_default=True)
@click.option("-o", "output", type=click.Path(path_type=Path), help="Folder for the picture.")
def main(
    model: str, task: str, n: int, unique: bool, conditions: tuple[str, ...], seed: int, output: Path | None
) -> None:
    """Measure a model."""
    vae = molvae.load(model)
    asked = read_conditions(conditions)
    print(f"| {task} | draws per molecule | valid | kept | unique | quality | molecules/s |")
    print("| --- |" + " ---: |" * 6)
    rows, shown, legends = [], [], []
    for drug, part in TASKS[task].items():
        began = time.process_time()
        try:
            drawn = vae.draw(n, keep=part, unique=unique, condition=asked, seed=seed)
        except InputError as error:
            print(f"| {drug}: {error} |")
            continue
        seconds = time.process_time() - began
        kept, mols = Kept(part), [Chem.MolFromSmiles(smiles) for smiles in drawn.smiles]
        good = {
            smiles
            for smiles, mol in zip(drawn.smiles, mols, strict=True)
            if mol is not None and (values := descriptors(mol, ("qed", "sa")))[0] >= 0.6 and values[1] <= 4
        }
        values = (
            drawn.n_drawn / n,
            100 * np.mean([mol is not None for mol in mols]),
            100 * np.mean([mol is not None and kept.holds(mol) for mol in mols]),
            100 * len(set(drawn.smiles)) / n,
            100 * len(good) / n,
            n / seconds,
        )
        rows.append(values)
        print(f"| {drug} `{part}` | " + row(values), flush=True)
        different = list(dict.fromkeys(drawn.smiles))[:5]
        shown += [part.replace("*", "[*]"), *different, *[""] * (5 - len(different))]
        legends += [drug, *[""] * 5]
    print("| mean | " + row(np.mean(rows, axis=0)))
    if output:
        output.mkdir(parents=True, exist_ok=True)
        draw_grid(shown, output / f"{task}.png", legends=legends, columns=6)


def row(values: tuple[float, ...] | np.ndarray) -> str:
    """The cells of a row."""
    return " | ".join(f"{value:.{digits}f}" for value, digits in zip(values, (2, 1, 1, 1, 1, 0), strict=True)) + " |"


if __name__ == "__main__":
    main()
