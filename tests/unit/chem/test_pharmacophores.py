"""The pharmacophore fingerprint is RDKit's, bit for bit."""

import pytest
from rdkit import Chem
from rdkit.Chem.Pharm2D import Generate, Gobbi_Pharm2D

from molvae.chem.pharmacophores import gobbi_fingerprint

MOLECULES = [
    "C",
    "CCO",
    "OP(O)(O)=O",
    "NCC(=O)O",
    "c1ccccc1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CCCOc1cc2ncnc(Nc3ccc4ncsc4c3)c2cc1S(=O)(=O)C(C)(C)C",
    "CC(C)(C(=O)O)c1ccc(C(O)CCCN2CCC(C(O)(c3ccccc3)c3ccccc3)CC2)cc1",
    "C=CC(=O)Nc1cc(Nc2nccc(-c3cn(C)c4ccccc34)n2)c(OC)cc1N(C)CCN(C)C",
    "CCCc1nn(C)c2c(=O)[nH]c(-c3cc(S(=O)(=O)N4CCN(C)CC4)ccc3OCC)nc12",
    "NC(CO)C(=O)NC(CS)C(=O)NC(Cc1c[nH]cn1)C(=O)NC(CC(=O)O)C(=O)O",
    "[O-][n+]1ccccc1.[Na+]",
]


@pytest.mark.parametrize("smiles", MOLECULES)
def test_bits_are_those_of_rdkit(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    expected = Generate.Gen2DFingerprint(mol, Gobbi_Pharm2D.factory)
    assert list(gobbi_fingerprint(mol).GetOnBits()) == list(expected.GetOnBits())
