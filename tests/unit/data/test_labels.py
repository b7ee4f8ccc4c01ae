"""Labels: what a cell means, what duplicates give, and the scale of what is learned."""

import csv
from pathlib import Path

import numpy as np
import pytest

from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.labels import CENSORED, MISSING, UNREADABLE, read_label, scale_of
from molvae.data.prepare.run import prepare
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError, InputError


def prepared_from(folder: Path, *files: tuple[str, str], columns: tuple[str, ...], **options: object) -> PreparedData:
    for name, text in files:
        (folder / name).write_text(text, encoding="utf-8")
    settings = {"fragments": 0, "descriptors": (), "n_jobs": 1, "test_fraction": 0.0, "valid_fraction": 0.0} | options
    config = PrepareConfig(property_columns=columns, **settings)  # type: ignore[arg-type]
    return prepare([folder / name for name, _ in files], folder / "out", config=config)


def labels_of(data: PreparedData, column: str) -> dict[str, float]:
    values = data.property_frame()[column]
    return {smiles: value for smiles, value in zip(data.smiles(), values, strict=True) if not np.isnan(value)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.5", 5.5),
        (" 1.2E-03 ", np.float32(1.2e-3)),
        ("-.5", -0.5),
        ("\N{MINUS SIGN}2", -2.0),
        ("True", 1.0),
        ("FALSE", 0.0),
        ("yes", 1.0),
        ("", MISSING),
        ("#N/A", MISSING),
        ("nan", MISSING),
        ("n.d.", MISSING),
        ("5,0", UNREADABLE),
        ("1_0", UNREADABLE),
        ("inf", UNREADABLE),
        ("1e39", UNREADABLE),
        ("1e-60", UNREADABLE),
        ("5 nM", UNREADABLE),
        ("\N{FULLWIDTH DIGIT FIVE}", UNREADABLE),
        ("~5", UNREADABLE),
        (">10", CENSORED),
        ("<= 0.1", CENSORED),
        ("≥3", CENSORED),
        (">ten", UNREADABLE),
    ],
)
def test_cells_are_labels_or_say_why_not(text: str, expected: float) -> None:
    np.testing.assert_equal(read_label(text), float(expected))


def test_limits_and_decimal_commas_are_numbers_when_asked() -> None:
    assert read_label("> 10", censored="value") == 10.0
    assert read_label("1,5", decimal_comma=True) == 1.5
    assert read_label("<1,5", decimal_comma=True, censored="value") == 1.5
    assert read_label("1.234,5", decimal_comma=True) == UNREADABLE


def test_labels_of_later_rows_and_files_fill_gaps(tmp_path: Path) -> None:
    library = ("library.smi", "CCO\nCCN\nCCCl\nCCCC\n")
    assay = ("assay.csv", "smiles,pIC50\nOCC,5.5\nCCN,6.5\nCCBr,7.0\n")
    data = prepared_from(tmp_path, library, assay, columns=("pIC50",))
    assert labels_of(data, "pIC50") == {"CCO": 5.5, "CCN": 6.5, "CCBr": 7.0}
    counts = data.meta["properties"]["labels"]["pIC50"]
    assert (counts["labeled"], counts["missing"], counts["replicates"]) == (3, 2, 0)


def test_rows_that_each_have_another_label_are_merged(tmp_path: Path) -> None:
    text = "smiles,a,b\nCCO,1.0,\nCCO,,2.0\nCCN,3.0,\nCCN,,4.0\nCCN,,\n"
    data = prepared_from(tmp_path, ("long.csv", text), columns=("a", "b"))
    assert labels_of(data, "a") == {"CCO": 1.0, "CCN": 3.0}
    assert labels_of(data, "b") == {"CCO": 2.0, "CCN": 4.0}


@pytest.mark.parametrize(("rule", "expected"), [("median", 9.0), ("mean", 6.5), ("first", 1.0)])
def test_labels_that_differ_follow_the_rule_and_are_listed(rule: str, expected: float, tmp_path: Path) -> None:
    reps = ("reps.csv", "smiles,y\nCCO,1.0\nOCC,9.0\nCCN,3.0\nC(O)C,9.5\nNCC,3.0\n")
    data = prepared_from(tmp_path, reps, columns=("y",), conflicts=rule)
    assert labels_of(data, "y") == {"CCO": expected, "CCN": 3.0}
    counts = data.meta["properties"]["labels"]["y"]
    assert (counts["labeled"], counts["replicates"], counts["conflicts"]) == (2, 3, 1)
    with (data.path / "conflicts.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    source = tmp_path / "reps.csv"
    assert row == {
        "smiles": "CCO",
        "property": "y",
        "kept": f"{expected:g}",
        "values": "1; 9; 9.5",
        "rows": f"{source}:1; {source}:2; {source}:4",
    }


def test_labels_that_differ_can_be_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rows of CCO have different labels 'y': 1 \(.*, row 1\), 9 \(.*, row 2\)"):
        prepared_from(tmp_path, ("a.csv", "smiles,y\nCCO,1\nCCO,9\n"), columns=("y",), conflicts="error")
    assert not (tmp_path / "out").exists()
    prepared_from(tmp_path, ("a.csv", "smiles,y\nCCO,1\nCCO,1.0\n"), columns=("y",), conflicts="error")


def test_names_of_duplicates_fill_gaps_and_rejected_rows_keep_their_labels(tmp_path: Path) -> None:
    text = "smiles,id,y,name\nCCO,,1,5\nOCC,ethanol,2,6\nxx,bad,>3,7\n"
    data = prepared_from(tmp_path, ("a.csv", text), columns=("y", "name"), name_column="id")
    import pyarrow.parquet as pq

    assert pq.read_table(data.path / "smiles.parquet").column("name").to_pylist() == ["ethanol"]
    with (data.path / "rejected.csv").open(newline="") as file:
        rejected = list(csv.DictReader(file))
    assert [(row["reason"], row["y"], row["name"], row["name (input)"]) for row in rejected] == [
        ("duplicate", "2", "ethanol", "6"),
        ("unparsable", ">3", "bad", "7"),
    ]


def test_limits_taken_for_labels_are_counted(tmp_path: Path) -> None:
    data = prepared_from(tmp_path, ("a.csv", "smiles,y\nC,>10\nCC,2\n"), columns=("y",), censored="value")
    assert labels_of(data, "y") == {"C": 10.0, "CC": 2.0}
    assert data.meta["properties"]["labels"]["y"]["limits"] == 1


def test_counts_add_up_to_the_molecules(tmp_path: Path) -> None:
    text = "smiles,y\nC,1.5\nCC,>10\nCCC,\nCCCC,inf\nCCCCC,5 nM\nCCCCC,\nCCC,NA\nCC,2\n"
    data = prepared_from(tmp_path, ("a.csv", text), columns=("y",))
    counts = data.meta["properties"]["labels"]["y"]
    assert {kind: counts[kind] for kind in ("labeled", "unreadable", "censored", "missing")} == {
        "labeled": 2,
        "unreadable": 2,
        "censored": 0,
        "missing": 1,
    }
    assert counts["examples"] == ["inf", "5 nM"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("5 nM", "none of 2 molecules has a label 'y': 2 unreadable such as '5 nM'"),
        (">5", "2 censored; `--censored value` takes their numbers"),
        ("", "2 missing"),
    ],
)
def test_a_property_without_any_label_is_an_error(cell: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        prepared_from(tmp_path, ("a.csv", f"smiles,y\nCCO,{cell}\nCCN,{cell}\n"), columns=("y",))
    with pytest.raises(InputError, match="none of 1 molecules has a label"):
        prepared_from(tmp_path, ("a.smi", "CCO\n"), columns=("y",))
    assert not (tmp_path / "out").exists()


def test_semicolons_come_with_decimal_commas_but_not_with_both_marks(tmp_path: Path) -> None:
    data = prepared_from(tmp_path, ("a.csv", "smiles;y\nCCO;1,5\nCCN;2\n"), columns=("y",))
    assert labels_of(data, "y") == {"CCO": 1.5, "CCN": 2.0}
    (tmp_path / "mixed").mkdir()
    with pytest.raises(InputError, match=r"column 'y' has decimal commas \(1,5\) and decimal points \(2.5\)"):
        prepared_from(tmp_path / "mixed", ("b.csv", "smiles;y\nCCO;1,5\nCCN;2.5\n"), columns=("y",))


def test_columns_called_like_a_descriptor_or_asked_for_twice_are_refused(tmp_path: Path) -> None:
    table = ("a.csv", "smiles,logp\nCCO,1\n")
    with pytest.raises(ConfigError, match="'logp' has the name of a descriptor"):
        prepared_from(tmp_path, table, columns=("logp",), descriptors=("basic",))
    with pytest.raises(ConfigError, match="'logp' is asked for twice"):
        prepared_from(tmp_path, table, columns=("logp", "logp"))


@pytest.mark.parametrize("unit", [1e-30, 1e-9, 1.0, 1e9])
def test_a_scale_does_not_depend_on_the_unit(unit: float) -> None:
    values = np.random.default_rng(0).normal(5, 2, 1000)
    mean, std = scale_of(values * unit)
    assert (mean / unit, std / unit) == pytest.approx((values.mean(), values.std()))


def test_one_molecule_does_not_set_the_scale() -> None:
    values = np.append(np.random.default_rng(0).normal(5, 2, 1000), 1e12)
    assert scale_of(values) == pytest.approx((5.0, 2.0), rel=0.2)
    counts = np.append(np.zeros(900), np.random.default_rng(0).integers(1, 4, 100))  # most are equal
    assert scale_of(counts) == pytest.approx((counts.mean(), counts.std()))
    assert scale_of(np.append(counts, 1e9))[1] < 2


def test_labels_that_do_not_vary_or_are_missing_have_a_scale_of_one() -> None:
    assert scale_of(np.full(9, 3e-9, np.float32))[1] == 1.0
    assert scale_of(np.array([])) == (0.0, 1.0)
