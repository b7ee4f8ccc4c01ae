"""JSON and YAML that anyone may have written."""

from pathlib import Path

import pytest

from molvae.config import parse_config, read_yaml
from molvae.documents import DocumentError, json_text, parse_json, parse_yaml, read_json
from molvae.errors import ConfigError
from molvae.optimize.objective import ObjectiveConfig, load_objective
from molvae.training.config import load_experiment

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(f'*{a}' for _ in range(9))}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "line 2, column 1: the key 'a' is given twice"),
        ("a: [1, 2", "line 1, column 9: expected ',' or ']'"),
        ("a: b: c", "line 1, column 5: mapping values are not allowed"),
        ("a: " + "9" * 5000, "line 1, column 4: .* is no value"),
        ("a:\n  - !!int x", "line 2, column 5: .* is no value"),
        ("a: !!python/object/apply:os.system [ls]", "line 1, column 4: could not determine a constructor"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("a: &a [*a]", "line 1, column 8: 'a' contains itself"),
        ("a: *b", "line 1, column 4: found undefined alias"),
        (BOMB, "line 6, column .*: it has more than 200,000 values"),
        ("[" * 3000, "line 1, column 65: lists and mappings are nested deeper than 64"),
        ("{a: " * 3000, "nested deeper than 64"),
        ("? [a]\n: b", "line 1, column 3: "),
        ("? {a: b}\n: b", "line 1, column 3: "),
        ('a: "x\\0y"', "line 1, column 4: a NUL character is no text"),
        ("a: \x07", "is no text"),
        ("--- 1\n--- 2", "expected a single document|but found another document"),
        ("- " * 70 + "1", "nested deeper"),
    ],
    ids=lambda text: text[:20],
)
def test_yaml_that_makes_no_sense_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        parse_yaml(text)


def test_a_date_is_text_and_aliases_still_work() -> None:
    values, places = parse_yaml("a: 2020-99-99\nb: &b {x: 1}\nc: *b\nd:\n  <<: *b\n  x: 2\n")
    assert values == {"a": "2020-99-99", "b": {"x": 1}, "c": {"x": 1}, "d": {"x": 2}}
    assert places["b", "x"] == "line 2, column 11"


def test_an_error_of_a_setting_names_its_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text("scores: 2020-99-99\n")
    with pytest.raises(ConfigError, match=r"o\.yaml: line 1, column 9: scores: .* \(got '2020-99-99'\)"):
        load_objective(path)
    path.write_text("scores:\n- kind: qed\n- kind: logp\n  transform: {kind: gaussian, mu: .nan, sigma: 1}\n")
    with pytest.raises(ConfigError, match=r"line 4, column 35: scores\.1\.transform\.mu: .*finite"):
        load_objective(path)
    path.write_text("training:\n  max_steps: 1\n  seed: 18446744073709551616\n")
    with pytest.raises(ConfigError, match=r"line 3, column 9: training\.seed: .*less than"):
        load_experiment(path)


def test_a_wrong_file_of_thousands_of_errors_is_still_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text(
        "scores: [{kind: descriptor, descriptor: qed}]\n" + "".join(f"k{i}: {'x' * 500}\n" for i in range(1000))
    )
    values = read_yaml(path, expected="scores")
    with pytest.raises(ConfigError, match="and 992 more") as caught:
        parse_config(ObjectiveConfig, values, where=str(path))
    assert len(str(caught.value)) < 2500


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # holes: nothing on disk
    with pytest.raises(ConfigError, match="at most"):
        read_yaml(path, expected="x")
    with pytest.raises(DocumentError, match="at most"):
        read_json(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": -Infinity}', "-Infinity is no JSON number"),
        ('{"a": 1e999}', "too large a number"),
        ("[" * 100_000, "nested deeper"),
        ("[" * 65 + "]" * 65, "nested deeper"),
        ("9" * 5000, "too many digits"),
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ('{"a": ', "line 1, column 7"),
        (b"\xff\xff\xff", "not UTF-8"),
    ],
    ids=lambda text: str(text)[:20],
)
def test_json_that_makes_no_sense_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        parse_json(text)


def test_what_is_not_a_number_becomes_null() -> None:
    assert parse_json(json_text({"a": [float("nan"), float("-inf"), 1.5], "b": (True, None)})) == {
        "a": [None, None, 1.5],
        "b": [True, None],
    }
