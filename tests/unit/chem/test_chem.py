import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import QED, Descriptors, rdFingerprintGenerator

from molvae.chem.components import component_kind
from molvae.chem.descriptors import DESCRIPTORS, descriptor_names, descriptor_set, descriptors
from molvae.chem.notation import notation
from molvae.chem.parse import canonical_smiles, parse_smiles
from molvae.chem.similarity import ecfp4_bits, ecfp4_counts, tanimoto, tanimoto_matrix
from molvae.chem.standardize import Standardizer
from molvae.errors import ConfigError, InputError

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


@pytest.mark.parametrize("text", ["", "xx", "c1ccccc", "[*", "C(C)(C)(C)(C)C"])
def test_text_that_is_no_molecule_parses_to_none_without_noise(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert parse_smiles(text) is None
    assert canonical_smiles(text) is None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["selfies", "smiles"])
def test_every_notation_writes_and_reads_each_molecule(name: str, molecules: tuple[str, ...]) -> None:
    line = notation(name)
    for smiles in molecules:
        canonical = canonical_smiles(smiles)
        assert canonical is not None
        assert line.to_smiles(line.to_symbols(canonical)) == canonical


def test_any_sequence_of_selfies_symbols_is_a_molecule() -> None:
    symbols = ["[Ring1]", "[C]", "[=Branch1]", "[N]", "[#C]", "[Branch2]", "[O]", "[F]", "[S]"]
    rng = np.random.default_rng(0)
    line = notation("selfies")
    for _ in range(50):
        smiles = line.to_smiles(["[C]", *rng.choice(symbols, size=12)])
        assert parse_smiles(smiles) is not None


def test_smiles_symbols_that_spell_no_molecule_give_nothing() -> None:
    for text in ("C(C", "C)C", "C1CC", "C1CC2", "C%10CC", "C11"):
        line = notation("smiles")
        assert line.to_smiles(line.to_symbols(text)) == "", text
    assert notation("smiles").to_smiles(["C", "%10", "C", "C", "1", "C", "%10", "C", "1"]) == "C1CC2CC12"


def test_hypervalent_molecules_are_refused_with_their_smiles_in_the_message() -> None:
    with pytest.raises(InputError, match="cannot be written as SELFIES"):
        notation("selfies").to_symbols("FI(F)(F)(F)(F)(F)F")


def test_an_unknown_notation_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="expected one of: selfies, smiles"):
        notation("inchi")


def test_descriptors_agree_with_rdkit_alone_and_together() -> None:
    mol = Chem.MolFromSmiles(ASPIRIN)
    wide = dict(zip(descriptor_set("wide"), descriptors(mol, descriptor_set("wide")), strict=True))
    assert wide["mw"] == pytest.approx(Descriptors.MolWt(mol))
    assert wide["logp"] == pytest.approx(Descriptors.MolLogP(mol))
    assert wide["tpsa"] == pytest.approx(Descriptors.TPSA(mol))
    assert wide["qed"] == pytest.approx(QED.qed(mol))
    for name, function in DESCRIPTORS.items():
        assert wide[name] == pytest.approx(function(mol), abs=1e-5), name


def test_the_full_set_is_all_of_rdkits_each_once() -> None:
    mol = Chem.MolFromSmiles(ASPIRIN)
    names = descriptor_set("full")
    full = dict(zip(names, descriptors(mol, names), strict=True))
    assert len(set(names)) == len(names)
    of_rdkit = {name: function(mol) for name, function in Descriptors.descList if name != "Ipc"}
    for name, value in of_rdkit.items():
        assert any(
            value == pytest.approx(float(v), rel=1e-5, abs=1e-5)
            for v in ([full[name]] if name in full else full.values())
        )
    assert len(full) - len(of_rdkit) == 1  # SA, which RDKit has beside its descriptors


def test_an_undefined_descriptor_is_missing() -> None:
    assert np.isnan(descriptors(Chem.MolFromSmiles("[Na+]"), ["BCUT2D_MWHI", "mw"])).tolist() == [True, False]


def test_sa_of_aspirin_is_the_published_kind_of_easy() -> None:
    assert descriptors(Chem.MolFromSmiles(ASPIRIN), ["sa"])[0] == pytest.approx(1.58, abs=0.02)


def test_descriptor_sets_expand_once_and_unknown_names_are_refused() -> None:
    assert descriptor_names(["logp", "basic"]) == descriptor_set("basic")
    with pytest.raises(ConfigError, match="unknown descriptor 'clogp'"):
        descriptor_names(["clogp"])


@pytest.mark.parametrize(
    ("smiles", "options", "expected"),
    [
        ("CC(=O)[O-].[Na+]", {}, "CC(=O)[O-]"),
        ("CC(=O)[O-].[Na+]", {"neutralize": True}, "CC(=O)O"),
        ("C[N+](C)(C)C", {"neutralize": True}, "C[N+](C)(C)C"),
        ("C1CC[S+2](C1)([O-])[O-]", {"neutralize": True}, "O=S1(=O)CCCC1"),
        ("[O-][S+](C)CC(=O)[O-].[Na+]", {"neutralize": True}, "CS(=O)CC(=O)O"),
        ("C[P+](C)(C)[O-]", {"neutralize": True}, "CP(C)(C)=O"),
        ("C[S+](C)C", {"neutralize": True}, "C[S+](C)C"),
        ("O=[N+]([O-])c1cc[n+]([O-])cc1", {"neutralize": True}, "O=[N+]([O-])c1cc[n+]([O-])cc1"),
        ("C[S+](C)[O-]", {}, "C[S+](C)[O-]"),
        ("[13CH4]", {"strip_isotopes": True}, "C"),
        ("[2H]C([2H])([2H])Oc1ccccc1", {"strip_isotopes": True}, "COc1ccccc1"),
        ("[2H][B-]", {"strip_isotopes": True}, "[BH-]"),
        ("C[C@H](F)/C=C/Cl", {"strip_stereo": True}, "CC(F)C=CCl"),
        ("OCC", {}, "CCO"),
    ],
)
def test_standardizing(smiles: str, options: dict[str, bool], expected: str) -> None:
    assert Standardizer(**options).apply(smiles).smiles == expected


@pytest.mark.parametrize(
    ("smiles", "options", "reason"),
    [
        ("xx", {}, "unparsable"),
        ("CC C", {}, "text_after_smiles"),
        ("CC\0C", {}, "unparsable"),
        ("CC |x", {}, "text_after_smiles"),
        ("F[P-](F)(F)(F)(F)F", {"neutralize": True}, "invalid_neutralized"),
        ("[CH-]1C=CC=C1.[CH-]1C=CC=C1.[Fe+2]", {"neutralize": True}, "invalid_neutralized"),
        ("CC.O", {"largest_fragment": False}, "several_fragments"),
        ("[Fe]", {}, "element"),
        ("*CC", {}, "element"),
        ("C", {"min_atoms": 2}, "too_small"),
        ("CCCC", {"max_atoms": 3}, "too_large"),
    ],
)
def test_a_molecule_that_cannot_be_used_says_why(smiles: str, options: dict[str, bool], reason: str) -> None:
    result = Standardizer(**options).apply(smiles)
    assert (result.smiles, result.reason) == (None, reason)


@pytest.mark.parametrize(
    ("smiles", "kinds"),
    [
        ("CC[NH3+].[Cl-]", ["counterion"]),
        ("CCCN.Cl.Cl.O", ["counterion", "counterion", "solvent"]),
        ("CCCN.OC(=O)/C=C/C(=O)O.CCCN", ["counterion", "copy"]),
        ("CN1C=NC2=C1C(=O)N(C(=O)N2C)C.NC(=O)c1cccnc1", ["molecule"]),
        ("CCO", []),
    ],
)
def test_components_left_out_have_a_kind(smiles: str, kinds: list[str]) -> None:
    standard = Standardizer(neutralize=True).apply(smiles)
    assert standard.smiles is not None
    assert sorted(component_kind(part, standard.smiles) for part in standard.stripped) == sorted(kinds)


def test_tanimoto_is_one_for_the_same_molecule_and_nan_for_none() -> None:
    assert tanimoto("CCO", "OCC") == 1.0
    assert 0 < tanimoto("CCO", "CCN") < 1
    assert np.isnan(tanimoto("CCO", ""))


def test_ecfp_counts_are_the_folded_sparse_ones() -> None:
    smiles = ["CCO", "CCCCCCCC", "c1ccncc1"]
    counts = ecfp4_counts(smiles)
    assert counts.shape == (3, 2048)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2)
    for text, row in zip(smiles, counts, strict=True):
        sparse = generator.GetSparseCountFingerprint(Chem.MolFromSmiles(text)).GetNonzeroElements()
        folded = np.zeros(2048)
        for fragment, n in sparse.items():
            folded[fragment % 2048] += n
        np.testing.assert_array_equal(row, folded)
    with pytest.raises(InputError, match="'xx' does not parse"):
        ecfp4_counts(["CCO", "xx"])


@pytest.mark.parametrize(
    ("smiles", "expected", "lost"),
    [
        ("[CH3:1][CH2:2][OH:3]", "CCO", ()),
        ("CCO |$a;b;c$|", "CCO", ()),
        ("CCO |^1:2|", "CCO", ()),
        ("C[C@H](N)O |&1:1|", "CC(N)O", ("stereo",)),
        ("C[C@@H](F)[CH3:3]", "CC(C)F", ()),
        ("[13CH3]O", "CO", ("isotopes",)),
        ("[13CH3]/C=C/C", "CC=CC", ("isotopes", "stereo")),
        ("CCO", "CCO", ()),
    ],
)
def test_annotations_are_not_kept_and_what_is_lost_is_said(smiles: str, expected: str, lost: tuple[str, ...]) -> None:
    form = Standardizer(strip_stereo=True, strip_isotopes=True)
    assert (form.apply(smiles).smiles, form.apply(smiles).lost) == (expected, lost)
    mol = parse_smiles(smiles)
    assert form.apply_mol(mol).lost == lost
    assert Chem.MolToSmiles(mol) == Chem.MolToSmiles(parse_smiles(smiles))  # the given one is not changed


def test_similarities_of_bits_are_those_of_rdkit() -> None:
    smiles = ["CCO", "CCN", "c1ccccc1O"]
    bits = ecfp4_bits(smiles)
    expected = [[tanimoto(a, b) for b in smiles] for a in smiles]
    np.testing.assert_allclose(tanimoto_matrix(bits, bits), expected, rtol=1e-6)
    empty = np.zeros((1, 4), dtype=np.float32)
    assert tanimoto_matrix(empty, empty).tolist() == [[1.0]]
