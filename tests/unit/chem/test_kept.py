import numpy as np
import pytest
from rdkit import Chem

from molvae.chem.kept import SLOT, Kept, Site, grown, link_sites, linked, numbered, spellings
from molvae.errors import InputError


def mol(smiles: str) -> Chem.Mol:
    return Chem.MolFromSmiles(smiles)


def attached(kept: Kept, groups: list[str]) -> Chem.Mol:
    """The kept part with a group at each mark, in order."""
    rng, made = np.random.default_rng(0), kept.fragments[0].mol
    for point, group in zip(kept.points, groups, strict=True):
        way = spellings(made, numbered(made, point), 1, rng)[0]
        made = grown(way.text + group, way)
    return made


@pytest.mark.parametrize(
    ("kept", "molecule", "holds"),
    [
        ("c1ccc(*)nc1", "COc1ccccn1", True),
        ("c1ccc([*:1])nc1", "COc1ccccn1", True),
        ("c1ccc(*)nc1", "COc1cccc(C)n1", False),  # it has grown where there is no mark
        ("c1ccc(*)nc1", "c1ccncc1", False),  # and not at all
        ("c1ccncc1", "COc1cccc(C)n1", True),  # without marks anywhere
        ("c1ccncc1", "c1ccc2ncccc2c1", False),  # a fused ring is no group on an atom
        ("C[C@H](*)N", "C[C@H](O)N", True),
        ("C[C@H](*)N", "C[C@@H](O)N", False),
        ("C[C@H](*)N", "CC(O)N", False),
        ("CC(*)N", "C[C@H](O)N", True),  # where the kept part has no stereo, any will do
        ("F/C=C/*", "F/C=C/C", True),
        ("F/C=C/*", "F/C=C\\C", False),
        ("*[NH2+]C", "CC[NH2+]C", True),
        ("*[NH2+]C", "CCNC", False),
        ("*c1ccccc1.*C1CC1", "c1ccccc1OC1CC1", True),
        ("*c1ccccc1.*C1CC1", "c1ccccc1C1CC1", False),  # linked by nothing
        ("*C1CC1.*C1CC1", "C1CC1OC1CC1", True),
    ],
)
def test_a_molecule_has_the_kept_part_atom_for_atom_and_grows_at_the_marks_only(
    kept: str, molecule: str, holds: bool
) -> None:
    assert Kept(kept).holds(mol(molecule)) is holds


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ("c1ccc", "does not parse"),
        ("*", "no atom"),
        ("C1C*C1", "a ring cannot be closed through a mark"),
        ("C=*", "not single"),
        ("C**", "a ring cannot be closed"),
        ("C*.**", "bonded to another"),
        ("CC*.Cl", "leave counterions out"),
        ("FC(F)(F)F", "has a hydrogen"),
        ("[CH3]", "unpaired electrons"),
    ],
)
def test_a_part_that_cannot_be_kept_is_refused_in_a_sentence(kept: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Kept(kept)


@pytest.mark.parametrize(
    "kept", ["c1ccc(*)nc1*", "O=C(N*)[C@@H]1CCCN1*", "*n1cccc1*", "F/C=C(/Cl)C(*)*", "C[C@H]1CC[C@@H](*)CC1"]
)
def test_what_is_appended_to_a_spelling_is_bonded_to_the_place_that_grows(kept: str) -> None:
    part = Kept(kept)
    start, rng = part.fragments[0].mol, np.random.default_rng(1)
    for point in part.points:
        ways = spellings(start, numbered(start, point), 6, rng)
        assert ways
        for way in ways:
            made = grown(way.text + "[Si]", way)
            silicon = next(a for a in made.GetAtoms() if a.GetSymbol() == "Si")
            assert [a.GetIntProp(SLOT) for a in silicon.GetNeighbors()] == [point]
            assert len({Chem.MolToSmiles(grown(w.text + "[Si]", w)) for w in ways}) == 1
    whole = Chem.MolToSmiles(part.with_stereo(attached(part, ["[Si]", "[Ge]"][: len(part.points)])))
    assert part.holds(mol(whole)), whole


@pytest.mark.parametrize(
    ("kept", "groups"),
    [
        ("C[C@H](*)N*", ["O", "C"]),
        ("C[C@@H](*)N*", ["O", "C"]),
        ("F/C=C/*", ["Cl"]),
        ("F/C=C\\*", ["Cl"]),
        ("*C/C=C/*", ["O", "N"]),
        ("*[C@@H](F)[C@H](*)C", ["O", "N"]),
        ("*[C@H](F)[C@H](*)C", ["O", "N"]),
    ],
)
def test_stereo_that_depends_on_what_is_attached_is_as_it_was_asked_for(kept: str, groups: list[str]) -> None:
    part = Kept(kept)
    made = Chem.MolToSmiles(part.with_stereo(attached(part, groups)))
    expected = kept
    for group in groups:
        expected = expected.replace("*", group, 1)
    assert Chem.CanonSmiles(made) == Chem.CanonSmiles(expected)


def test_a_fragment_is_put_in_at_a_hydrogen_or_in_place_of_the_piece_behind_a_bond() -> None:
    part = Kept("*c1ccccc1.*C1CC1")
    first, second = part.fragments
    way = spellings(first.mol, numbered(first.mol, 0), 1, np.random.default_rng(0))[0]
    made = grown(way.text + "OCC", way)
    sites = link_sites(made)
    assert Site(6, (7, 8)) in sites
    assert Site(8) in sites
    assert all(site.atom >= 6 for site in sites)
    whole = {Chem.MolToSmiles(linked(made, site, second.mol, numbered(second.mol, 6))) for site in sites}
    assert whole == {"c1ccc(OC2CC2)cc1", "c1ccc(OCC2CC2)cc1", "c1ccc(OCCC2CC2)cc1", "CC(Oc1ccccc1)C1CC1"}
    assert all(part.holds(mol(smiles)) for smiles in whole)


def test_what_is_in_pieces_or_has_not_grown_is_no_molecule() -> None:
    part = Kept("*c1ccccc1")
    way = spellings(part.fragments[0].mol, 0, 1, np.random.default_rng(0))[0]
    assert grown(way.text, way) is None
    assert grown(way.text + "O.C", way) is None
    assert grown(way.text + "O(", way) is None
