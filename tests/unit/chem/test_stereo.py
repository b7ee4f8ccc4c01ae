from molvae.chem.stereo import stereoisomers


def test_undefined_centers_and_double_bonds_get_both_senses_and_defined_ones_stay() -> None:
    assert stereoisomers("CC(O)[C@H](F)Cl") == ["C[C@@H](O)[C@H](F)Cl", "C[C@H](O)[C@H](F)Cl"]
    assert stereoisomers("FC=CCl") == ["F/C=C/Cl", "F/C=C\\Cl"]


def test_a_molecule_with_nothing_undefined_stays_and_a_meso_form_is_one() -> None:
    assert stereoisomers("CCO") == ["CCO"]
    assert stereoisomers("C[C@H](O)F") == ["C[C@H](O)F"]
    assert len(stereoisomers("CC(O)C(C)O")) == 3
    assert stereoisomers("no molecule") == ["no molecule"]


def test_no_more_stereoisomers_than_asked_for_and_always_the_same() -> None:
    many = "CC(O)C(F)C(Cl)C(Br)C(N)C(O)CC"
    assert len(stereoisomers(many, most=5)) == 5
    assert stereoisomers(many, most=5) == stereoisomers(many, most=5)
