import numpy as np
import pytest
from rdkit import Chem

from molvae.chem.graphs import canonical_order
from molvae.chem.notation import notation
from molvae.chem.parse import canonical_smiles
from molvae.data.atom_tokens import AtomTokenMap
from molvae.data.vocabulary import Vocabulary

SMILES = [
    "CC(=O)Nc1ccc(O)cc1",
    "CC(C)(C)c1nc(C(=O)N2CCC(c3ccccc3F)CC2)cs1",
    "N#Cc1ccc(S(=O)(=O)NCC2CCCO2)cc1",
    "O=C1CCCCCN1CC(=O)Nc1cc2c(cc1Br)OCO2",
    "C[N+](C)(C)CC1CC2CCC1C2Cl",
]


@pytest.mark.parametrize("name", ["selfies", "smiles"])
@pytest.mark.parametrize("n_fragments", [0, 60])
def test_atoms_belong_to_the_token_that_spells_their_element(name: str, n_fragments: int) -> None:
    line = notation(name)
    mols = [Chem.MolFromSmiles(canonical_smiles(s)) for s in SMILES]
    symbols = [line.to_symbols(Chem.MolToSmiles(mol)) for mol in mols]
    vocabulary = Vocabulary.of_symbols([s for m in symbols for s in m], notation=name)
    if n_fragments:
        vocabulary = vocabulary.learn_merges(symbols * 5, n_fragments=n_fragments)
    tokens = vocabulary.encode_many(symbols)
    lengths = np.array([len(t) for t in tokens])
    n_atoms = np.array([mol.GetNumAtoms() for mol in mols])
    parts = AtomTokenMap(vocabulary).find(np.concatenate(tokens), lengths, n_atoms)
    assert len(parts) == n_atoms.sum()
    for mol, ids, own in zip(mols, tokens, np.split(parts, np.cumsum(n_atoms)[:-1]), strict=True):
        assert (np.diff(own) >= 0).all()
        for atom, token in zip(canonical_order(mol), own, strict=True):
            spelled = "".join(vocabulary.decode([ids[token]])).lower()
            assert mol.GetAtomWithIdx(atom).GetSymbol().lower() in spelled


def test_atoms_that_the_tokens_do_not_account_for_are_spread_evenly() -> None:
    vocabulary = Vocabulary.of_symbols(["C", "O"], notation="smiles")
    parts = AtomTokenMap(vocabulary).find(np.array([4, 5, 4, 5]), np.array([2, 2]), np.array([2, 4]))
    assert parts.tolist() == [0, 1, 0, 0, 1, 1]
