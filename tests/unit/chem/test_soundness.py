import pytest
from rdkit import Chem

from molvae.chem.soundness import UNSOUND, unsoundness

EXAMPLES = {
    "peroxide": "CC(=O)OO",
    "halogen on N, O or S": "CN(C)Cl",
    "sulfur cation": "CC[S+]([S+](C)C)CC",
    "halogen with several bonds": "C[I](C)C",
    "three N in a row": "CNN(C)NC",
    "three S in a row": "CSSSC",
    "two O on one N": "CON(C)OC",
    "strained triple bond or allene": "C1CCC#CC1",
}


@pytest.mark.parametrize("name", list(UNSOUND))
def test_every_unsound_group_has_an_example(name: str) -> None:
    assert unsoundness(Chem.MolFromSmiles(EXAMPLES[name])) == name


@pytest.mark.parametrize("smiles", ["C[CH2]", "C[N+]C", "CC(=O)[O-]"])
def test_radicals_and_charges_that_protons_balance_are_unsound(smiles: str) -> None:
    assert unsoundness(Chem.MolFromSmiles(smiles)) in ("radical", "charge")


@pytest.mark.parametrize(
    "smiles",
    [
        "C[N+](=O)[O-]",
        "C[N+](C)(C)C",
        "CS(=O)(=O)Cl",
        "FS(F)(F)(F)(F)c1ccccc1",
        "C[S+](C)[O-]",
        "C[S+](C)C",
        "CSSC",
        "CN=[N+]=[N-]",
        "CON",
        "C=C=C",
        "CNNC",
        "c1cn[nH]n1",
    ],
)
def test_what_chemists_draw_is_sound(smiles: str) -> None:
    assert unsoundness(Chem.MolFromSmiles(smiles)) is None
