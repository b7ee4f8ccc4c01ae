"""Text ⇄ tokens ⇄ molecules, in both notations, and the standard form."""

from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from strategies import molecules, salts, texts

from molvae.chem.components import KINDS, component_kind
from molvae.chem.notation import notation
from molvae.chem.parse import canonical_smiles, parse_smiles, random_orders
from molvae.chem.standardize import Standardizer
from molvae.data.vocabulary import Vocabulary
from molvae.errors import InputError

FORMS = [
    Standardizer(elements=()),
    Standardizer(elements=(), neutralize=True),
    Standardizer(elements=(), strip_stereo=True, strip_isotopes=True),
    Standardizer(elements=(), neutralize=True, strip_stereo=True, strip_isotopes=True),
]


def symbols_of(name: str, smiles: str) -> list[str] | None:
    try:
        return notation(name).to_symbols(smiles)
    except InputError:
        return None


@given(name=st.sampled_from(["smiles", "selfies"]), smiles=molecules)
def test_symbols_spell_the_molecule_that_they_were_made_of(name: str, smiles: str) -> None:
    symbols = symbols_of(name, smiles)
    if symbols is not None:
        assert notation(name).to_smiles(symbols) == smiles
    else:
        assert name == "selfies"  # whose valences are stricter


@given(
    name=st.sampled_from(["smiles", "selfies"]),
    merges=st.sampled_from([0, 40]),
    rows=st.lists(molecules, min_size=1, max_size=5),
)
def test_tokens_spell_the_symbols_that_they_were_made_of(name: str, merges: int, rows: list[str]) -> None:
    lists = [symbols for smiles in rows if (symbols := symbols_of(name, smiles))]
    if not lists:
        return
    vocabulary = Vocabulary.of_symbols({s: None for symbols in lists for s in symbols}, notation=name)
    if merges:
        vocabulary = vocabulary.learn_merges(iter(lists), n_fragments=len(vocabulary) + merges)
    for symbols, ids in zip(lists, vocabulary.encode_many(lists), strict=True):
        assert vocabulary.decode(ids) == symbols
        assert vocabulary.encode(symbols) == ids


@given(smiles=molecules)
def test_every_order_of_the_atoms_is_the_same_molecule(smiles: str) -> None:
    assert {canonical_smiles(order) for order in random_orders(smiles, 3)} == {smiles}


@given(text=texts | st.text("CNOcno[]()=#@/\\123+-.:%|\0 ", max_size=15))
def test_any_text_is_a_molecule_or_none(text: str) -> None:
    found = canonical_smiles(text)
    assert found is None or canonical_smiles(found) == found
    for form in FORMS:
        standard = form.apply(text)
        assert (standard.smiles is None) == (standard.reason is not None)
        assert (standard.smiles is None) >= (found is None)


@given(smiles=molecules, text=texts)
def test_text_after_a_smiles_is_never_cut_off_unless_it_is_an_extension(smiles: str, text: str) -> None:
    if text.strip() and not text.lstrip().startswith("|"):
        assert parse_smiles(f"{smiles} {text}") is None
    assert canonical_smiles(f"{smiles} |$a;b$,c:1| {text}") == smiles


@given(smiles=molecules, data=st.data())
def test_atom_maps_are_annotations(smiles: str, data: st.DataObject) -> None:
    mol = Chem.MolFromSmiles(smiles)
    plain = canonical_smiles(Chem.MolToSmiles(mol))
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(data.draw(st.integers(0, 99)))
    assert canonical_smiles(Chem.MolToSmiles(mol)) == plain


@given(form=st.sampled_from(FORMS), text=salts)
def test_the_standard_form_of_a_standard_form_is_itself(form: Standardizer, text: str) -> None:
    standard = form.apply(text)
    if standard.smiles is None:
        assert standard.reason
        return
    assert form.apply(standard.smiles).smiles == standard.smiles
    assert len(standard.stripped) == text.count(".")
    assert all(component_kind(part, standard.smiles) in KINDS for part in standard.stripped)
