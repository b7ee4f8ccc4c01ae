import pytest
from rdkit import Chem

from molvae.chem.soundness import is_sound
from molvae.errors import InputError
from molvae.generator import MoleculeGenerator
from molvae.optimize.analogy import parse_expression


def test_signs_within_a_smiles_are_no_operators() -> None:
    terms = parse_expression("C[N+](C)(C)C - CC(=O)[O-] + C-C")
    assert [term.sign for term in terms] == [1, -1, 1]
    assert terms[1].smiles == "CC(=O)[O-]"


@pytest.mark.parametrize("text", ["CCO", "CCO -", "CCO - xx", "- CCO", ""])
def test_what_is_no_expression_is_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        parse_expression(text)


def test_sums_are_sound_new_and_the_nearest_first(tiny: MoleculeGenerator) -> None:
    found = tiny.arithmetic("CC(=O)Nc1ccccc1 - c1ccccc1 + CCO", n=5)
    assert 0 < len(found) <= 5
    assert found["nearness"].is_monotonic_decreasing
    assert found["nearness"].between(0, 1).all()
    assert all(is_sound(Chem.MolFromSmiles(smiles)) for smiles in found["smiles"])
    assert not {"CC(=O)Nc1ccccc1", "c1ccccc1", "CCO"} & set(found["smiles"])
    assert found.equals(tiny.arithmetic("CC(=O)Nc1ccccc1 - c1ccccc1 + CCO", n=5))
