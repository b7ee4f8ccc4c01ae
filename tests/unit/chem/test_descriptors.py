"""The descriptors that are computed faster than RDKit computes them are RDKit's."""

import sys
from pathlib import Path

import pytest
from rdkit import Chem, RDConfig
from rdkit.Chem import QED

from molvae.chem.descriptors import descriptor_set, descriptors
from molvae.chem.parse import parse_smiles
from molvae.chem.qed import possible_alerts, qed_properties
from molvae.chem.synthesis import sa
from molvae.formats.readers import read_molecules

ODD = (
    "C", "[H][H]", "[2H]C([2H])[2H]", "[13CH4]", "[15NH3]", "F.F.F.F", "[Na+].[Cl-]", "C[N+](=O)[O-]",
    "[O-]S(=O)(=O)C", "N#N", "[N-]=[N+]=NC", "C=[N+]=[N-]", "C1CC1", "C1OC1", "C1=CC1", "C#C", "C#CC(=O)C", "C=C=C",
    "O=C=O", "OO", "CSSC", "S=C(N)N", "P", "CP(C)C", "I", "[SH]C", "[S-]C", "B(O)O", "C[Si](C)(C)F", "[Se]", "C[Hg]C",
    "[Fe]", "[U]", "C->[Pt]", "N->B", "C~C", "CC$CC", "C12C3C4C1C5C2C3C45", "C1CC2CC1CC2", "C1CCC2(CC1)CCCC2",
    "C1CCCCCCC1", "C1CCCCCCCCCCC1", "C1CC2CCC1CC2", "O=C1NC(=O)C(=O)N1", "O=C1C=CC(=O)C=C1", "O=C1C=CC=CC1=O",
    "c1ccc2c(c1)ccc1ccccc12", "c1ccc2cc3ccccc3cc2c1", "c1cc2ccc3cccc4ccc(c1)c2c34",
    "N1C2=CC=CC=C2SC3=C1C=CC4=C3C=CC=C4", "OC1=C(O)C=C2C(=C1)OC3=CC(=O)C(=CC3=C2C4=CC=CC=C4)O",
    "CC(C)C1=CC2=C(C)C=CC2=C(C)C=C1", "Fc1c(F)c(F)c(F)c(F)c1F", "C(c1ccccc1)(c1ccccc1)c1ccccc1",
    "O=C(O)CC(O)(C(=O)O)CC(=O)O", "CC(=O)Oc1ccccc1C(=O)O", "O=Cc1ccccc1", "n1c(Cl)cccc1", "Nc1ccc(-c2ccc(N)cc2)cc1",
    "O=c1ccc2ccccc2o1", "OC1CCCCO1", "C[n+]1ccccc1", "[O-][n+]1ccccc1", "CN=O", "C/C=C/C", "N[C@@H](C)C(=O)O",
    "NCC(=O)NCC(=O)NCC(=O)NCC(=O)O", "C" * 60, "C1" + "C" * 20 + "1", "*C", "[CH3]", "[CH2-]C", "[NH4+]",
    "C1=CC2=CC=CC2=C1", "c1ccsc1", "c1cc[se]c1", "O=S(=O)(F)C", "CCOP(=S)(OCC)OCC", "CC(C)(C)OC(=O)NN",
    "CN1CCC23CCCCC2C1Cc1ccc(O)cc13",
)  # fmt: skip


@pytest.fixture(scope="module")
def molecules() -> list[Chem.Mol]:
    """Unusual molecules, and every eightieth of the sample, some with explicit hydrogens, some without stereo."""
    sample = Path(__file__).parents[3] / "data" / "zinc_sample.csv.gz"
    texts = [*ODD, *[row.smiles for row in read_molecules(sample) if row.smiles][::80]]
    mols = [mol for mol in map(parse_smiles, texts) if mol is not None]
    for mol in mols[1::5]:
        Chem.RemoveStereochemistry(mol)
    return [*mols, *map(Chem.AddHs, mols[::7])]


def test_qed_is_computed_from_the_properties_that_rdkit_finds(molecules: list[Chem.Mol]) -> None:
    assert len(molecules) > 600
    for mol in molecules:
        assert qed_properties(mol) == QED.properties(mol), Chem.MolToSmiles(mol)


def test_most_alerts_are_not_tried_and_none_that_matches_is_left_out(molecules: list[Chem.Mol]) -> None:
    tried, looked_at = 0, 0
    without_hydrogens = [mol for mol in molecules if mol.GetNumAtoms() == mol.GetNumHeavyAtoms()]
    for mol in without_hydrogens:
        possible = possible_alerts(mol)
        if possible is None:
            continue
        tried, looked_at = tried + len(possible), looked_at + 1
        matching = [alert for alert in QED.StructuralAlerts if mol.HasSubstructMatch(alert)]
        assert set(map(id, matching)) <= set(map(id, possible)), Chem.MolToSmiles(mol)
    assert looked_at > 0.9 * len(without_hydrogens)
    assert tried < 0.25 * looked_at * len(QED.StructuralAlerts)


def test_the_sa_score_is_that_of_rdkits_contrib_folder(molecules: list[Chem.Mol]) -> None:
    sys.path.append(str(Path(RDConfig.RDContribDir) / "SA_Score"))
    import sascorer

    for mol in molecules:
        assert sa(mol) == sascorer.calculateScore(Chem.Mol(mol)), Chem.MolToSmiles(mol)


def test_descriptors_are_the_same_one_by_one_and_together(molecules: list[Chem.Mol]) -> None:
    names = descriptor_set("basic")
    for mol in molecules[::5]:
        together = descriptors(mol, names)
        alone = [descriptors(Chem.Mol(mol), (name,))[0] for name in names]
        if mol.GetNumAtoms() == mol.GetNumHeavyAtoms():
            assert together.tobytes() == b"".join(value.tobytes() for value in alone), Chem.MolToSmiles(mol)
