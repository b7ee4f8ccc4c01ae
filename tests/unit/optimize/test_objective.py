import math
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from rdkit.Chem import Crippen

from molvae.chem.parse import parse_smiles
from molvae.chem.similarity import tanimoto
from molvae.errors import ConfigError, ScoreError
from molvae.optimize.constraints import Constraints
from molvae.optimize.objective import Objective, load_objective, parse_objective
from molvae.optimize.score import Molecule
from molvae.optimize.scores import SCORES
from molvae.optimize.transforms import Absolute, Clipped, Gaussian, MaxGaussian, MinGaussian, SmoothClipped, Thresholded


def molecules(*smiles: str) -> list[Molecule]:
    return [Molecule(s, parse_smiles(s)) for s in smiles]


def objective(*scores: dict, mean: str = "geometric") -> Objective:
    return Objective.of_config(parse_objective({"scores": list(scores), "mean": mean}, where="test"))


def test_transforms_agree_with_numbers_by_hand() -> None:
    x = np.array([0.0, 1.0, 3.0])
    np.testing.assert_allclose(Gaussian(mu=1, sigma=2)(x), [math.exp(-0.125), 1, math.exp(-0.5)])
    np.testing.assert_allclose(MinGaussian(mu=1, sigma=2)(x), [1, 1, math.exp(-0.5)])
    np.testing.assert_allclose(MaxGaussian(mu=1, sigma=2)(x), [math.exp(-0.125), 1, 1])
    np.testing.assert_allclose(Clipped(upper=2)(x), [0, 0.5, 1])
    np.testing.assert_allclose(Clipped(upper=0, lower=2)(x), [1, 0.5, 0])
    np.testing.assert_allclose(SmoothClipped(upper=2)(x[1]), 0.5)
    np.testing.assert_allclose(Thresholded(threshold=2)(x), [0, 0.5, 1])
    np.testing.assert_allclose(Absolute(target=1)(x), [0, 1, 0])


def test_means_are_weighted() -> None:
    given = molecules("CCO", "c1ccccc1CCCCCC")
    scores = ({"kind": "qed", "weight": 3}, {"kind": "logp", "transform": {"kind": "clipped", "upper": 5}})
    arithmetic, geometric = objective(*scores, mean="arithmetic"), objective(*scores)
    raw = geometric.raw_values(given)
    qed, logp = raw[:, 0], np.clip([Crippen.MolLogP(m.mol) / 5 for m in given], 0, 1)
    np.testing.assert_allclose(arithmetic.scores(raw), (3 * qed + logp) / 4, atol=1e-9)
    np.testing.assert_allclose(geometric.scores(raw), (qed**3 * logp) ** 0.25, atol=1e-9)
    assert geometric.names == ("qed", "logp")


def test_a_nan_component_makes_the_score_nan_and_a_negative_one_counts_as_zero() -> None:
    both = objective({"kind": "qed"}, {"kind": "logp"})
    np.testing.assert_array_equal(both.scores(np.array([[0.5, np.nan], [0.5, -1.0]])), [np.nan, 0.0])


def test_scores_with_parameters() -> None:
    mols = molecules("OCC", "c1ccccc1")
    values = objective(
        {"kind": "similarity", "to": "CCO", "fingerprint": "ap"},
        {"kind": "rediscovery", "to": "c1ccccc1"},
        {"kind": "median", "between": ["CCO", "c1ccccc1"]},
        {"kind": "smarts", "pattern": "[OX2]", "name": "alcohol"},
        {"kind": "smarts", "pattern": "[OX2]", "present": False},
        {"kind": "isomer", "formula": "C2H6O"},
        {"kind": "atoms", "element": "H"},
        {"kind": "bertz"},
    ).raw_values(mols)
    np.testing.assert_allclose(values[0, [0, 2, 3, 4, 5, 6]], [1, 0, 1, 0, 1, 6])
    np.testing.assert_allclose(values[1, [1, 2, 3, 4, 6]], [1, 0, 0, 1, 6])


def test_columns_of_the_same_score_are_told_apart() -> None:
    twice = objective(
        {"kind": "smarts", "pattern": "C"}, {"kind": "smarts", "pattern": "N"}, {"kind": "qed", "name": "x"}
    )
    assert twice.names == ("smarts_1", "smarts_2", "x")


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (
            {"kind": "simlarity"},
            r"scores.0: unknown score 'simlarity' \(did you mean 'similarity'\?\); expected one of",
        ),
        ({"kind": "similarity", "to": "xx"}, "this does not parse as a molecule"),
        ({"kind": "smarts", "pattern": "[["}, "this does not parse as SMARTS"),
        ({"kind": "isomer", "formula": "c2"}, "no molecular formula"),
        ({"kind": "qed", "wieght": 2}, "unknown key"),
        ({"kind": "qed", "transform": {"kind": "clipped", "upper": 0}}, "upper and lower must differ"),
        ("qed", "expected keys such as `kind: qed`"),
    ],
)
def test_a_bad_score_is_one_sentence(score: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_objective({"scores": [score]}, where="o.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("o.yaml: ")


def test_every_named_score_is_listed() -> None:
    assert {"logp", "qed", "sa", "tpsa", "mw", "hba", "hbd", "rotatable_bonds", "similarity", "smarts"} <= set(SCORES)


def test_an_objective_is_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text(
        "mean: arithmetic\nscores:\n- kind: qed\n- {kind: logp, transform: {kind: gaussian, mu: 2, sigma: 1}}\n"
    )
    assert load_objective(path).names == ("qed", "logp")
    path.write_text("scores: []\n")
    with pytest.raises(ConfigError, match="scores"):
        load_objective(path)


def test_a_callable_that_raises_costs_only_the_molecule_it_raises_for() -> None:
    def moody(smiles: list[str]) -> list[float]:
        if "CCO" in smiles:
            raise RuntimeError("not this one")
        return [float(len(s)) for s in smiles]

    values = Objective.of_callable(moody).raw_values(molecules("CC", "CCO", "CCCC"))
    np.testing.assert_array_equal(values[:, 0], [2, np.nan, 4])


def test_a_callable_with_the_wrong_count_is_an_error() -> None:
    with pytest.raises(ScoreError, match="gave 1 values for 2 molecules"):
        Objective.of_callable(lambda smiles: [1.0]).raw_values(molecules("C", "CC"))


@pytest.mark.parametrize(
    "given",
    [
        [2.0, 3.0],
        (np.float32(2), 3),
        np.array([[2], [3]]),
        [[2.0], [3.0]],
        pd.Series([2.0, 3.0], index=[7, 1]),
        pd.DataFrame({"value": [2.0, 3.0]}),
        torch.tensor([[2.0], [3.0]], requires_grad=True),
        pa.array([2.0, 3.0]),
        iter([2, 3]),
        ["2", b"3"],
    ],
    ids=lambda given: type(given).__name__,
)
def test_a_callable_may_give_numbers_in_any_form(given: object) -> None:
    values = Objective.of_callable(lambda smiles: given).raw_values(molecules("C", "CC"))
    np.testing.assert_array_equal(values[:, 0], [2, 3])


def test_booleans_are_0_and_1_and_missing_values_are_nan_without_a_second_call() -> None:
    calls: list[int] = []

    def score(smiles: list[str]) -> list[object]:
        calls.append(len(smiles))
        return [True, np.False_, None, pd.NA, math.nan, "high", [1, 2], 10**400, 1j]

    values = Objective.of_callable(score).raw_values(molecules(*("C" * n for n in range(1, 10))))
    np.testing.assert_array_equal(values[:, 0], [1, 0, *[np.nan] * 7])
    assert calls == [9]


@pytest.mark.parametrize("infinite", [math.inf, -math.inf])
def test_infinity_is_no_score(infinite: float, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    of_callable = Objective.of_callable(lambda smiles: [infinite, 0.5])
    raw = of_callable.raw_values(molecules("C", "CC"))
    np.testing.assert_array_equal(of_callable.scores(raw), [np.nan, 0.5])
    assert "such as C: it gave" in caplog.text
    raw = program(tmp_path, f"print({str(infinite)!r}); print(0.5)").raw_values(molecules("C", "CC"))
    np.testing.assert_array_equal(raw[:, 0], [np.nan, 0.5])
    assert "1 of 2 molecules have an infinite program" in caplog.text
    assert np.isnan(
        objective({"kind": "logp", "transform": {"kind": "linear", "slope": 1e12}}).scores(np.array([[1e300]]))
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0.5, "gave 0.5 for 2 molecules; expected one number per molecule"),
        (np.float64(0.5), "expected one number per molecule"),
        ("ab", "gave 'ab' for 2"),
        ({"C": 1, "CC": 2}, "expected one number per molecule"),
        (None, "gave None for 2"),
        (np.zeros((2, 3)), r"an array of shape \(2, 3\); expected \(2,\) or \(2, 1\)"),
        (np.zeros((1, 2)), r"shape \(1, 2\)"),
    ],
)
def test_what_is_no_list_of_numbers_is_one_sentence(given: object, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        Objective.of_callable(lambda smiles: given).raw_values(molecules("C", "CC"))


@pytest.mark.parametrize("name", ["smiles", "score", "call", "origin", "front"])
def test_a_score_is_not_called_like_a_column_of_the_results(name: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be called '{name}'"):
        objective({"kind": "qed", "name": name})
    with pytest.raises(ConfigError, match=f"cannot be called '{name}'"):
        Objective.of_callable(len, name=name)


def test_names_of_scores_differ_and_are_printable() -> None:
    assert objective({"kind": "qed"}, {"kind": "qed"}).names == ("qed_1", "qed_2")
    with pytest.raises(ConfigError, match="2 scores are called 'qed_1'"):
        objective({"kind": "qed"}, {"kind": "qed"}, {"kind": "sa", "name": "qed_1"})
    with pytest.raises(ConfigError, match="printable"):
        objective({"kind": "qed", "name": "a\nb"})


def test_an_objective_of_zeros_says_why() -> None:
    raw = np.array([[1.0], [3.0]])
    clipped = objective({"kind": "logp", "transform": {"kind": "clipped", "lower": 4, "upper": 6}})
    assert clipped.zeros(raw) == "the transform clipped makes 0 of logp = 1 to 3"
    assert clipped.zeros(np.array([[1.0], [5.0], [np.nan]])) is None
    assert "a geometric mean counts what is negative as 0" in str(objective({"kind": "logp"}).zeros(-raw))
    assert objective({"kind": "smarts", "pattern": "[U]"}).zeros(0 * raw) == "smarts is 0 for all of them"
    assert clipped.zeros(raw * np.nan) is None


def program(tmp_path: Path, code: str) -> Objective:
    script = tmp_path / "score.py"
    script.write_text(f"import sys\nsmiles = sys.stdin.read().split()\n{code}\n")
    return objective({"kind": "program", "command": f"{sys.executable} {script}", "timeout": 20})


def test_a_program_reads_smiles_and_writes_numbers(tmp_path: Path) -> None:
    scorer = program(tmp_path, "for s in smiles: print(len(s) if s != 'CC' else 'nan')")
    np.testing.assert_array_equal(scorer.raw_values(molecules("C", "CC", "CCC"))[:, 0], [1, np.nan, 3])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.exit('no license')", "failed with exit code 1: no license"),
        ("print(1)", "wrote 1 lines for 2 molecules"),
        ("print('a'); print('1')", "wrote 'a'; expected one number per line"),
        ("sys.stdout.buffer.write(b'\\xff\\n1\\n')", "wrote '\ufffd'; expected one number per line"),
        ("sys.stderr.buffer.write(b'no \\xff license\\n'); sys.exit(2)", "exit code 2: no \ufffd license"),
        ("while True: print('x' * 100_000)", "wrote more than 10 kB per molecule"),
    ],
)
def test_a_program_that_misbehaves_is_one_sentence(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        program(tmp_path, code).raw_values(molecules("C", "CC"))


def test_a_program_s_line_ends_and_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    scorer = program(tmp_path, "sys.stdout.buffer.write(b'\\xef\\xbb\\xbf1\\r\\n2')")
    np.testing.assert_array_equal(scorer.raw_values(molecules("C", "CC"))[:, 0], [1, 2])


def test_a_program_may_end_without_reading(tmp_path: Path) -> None:
    scorer = objective({"kind": "program", "command": f"{sys.executable} -c 'print(1); print(2)'"})
    np.testing.assert_array_equal(scorer.raw_values(molecules("C", "C" * 1000))[:, 0], [1, 2])


def test_a_program_that_takes_too_long_ends_with_all_that_it_started(tmp_path: Path) -> None:
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    script = tmp_path / "score.sh"
    script.write_text(f'{sys.executable} -c "{child}" &\nwait\n')
    slow = objective({"kind": "program", "command": f"sh {script}", "timeout": 1.5})
    with pytest.raises(ScoreError, match=r"took longer than 1\.5 seconds for 1 molecules"):
        slow.raw_values(molecules("C"))
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} is still there")


def test_a_program_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(ScoreError, match="cannot be started"):
        objective({"kind": "program", "command": "no-such-program-here"}).raw_values(molecules("C"))


def test_constraints_hold_where_rdkit_says_so() -> None:
    start, near = "O=C(NCc1ccccc1)C1CC1", "O=C(NCc1ccccc1)C1CCC1"
    limit = {"similar_to": {"to": start, "at_least": 0.4}}
    assert tanimoto(start, near) >= 0.4
    assert Constraints.model_validate(limit).hold(parse_smiles(near))
    assert not Constraints.model_validate(limit).hold(parse_smiles("CCO"))
    assert Constraints(keeps=("c1ccccc1",)).hold(parse_smiles(near))
    assert not Constraints(keeps=("c1ccccc1", "Cl")).hold(parse_smiles(near))
    assert not Constraints(windows={"logp": (None, 0.0)}).hold(parse_smiles("CCCCCC"))
    assert not Constraints().hold(parse_smiles("[O-]c1ccccc1"))
    assert not Constraints().hold(parse_smiles("C[N+]C"))
    assert Constraints().hold(parse_smiles("C[N+](=O)[O-]"))
    assert Constraints(sound=False).hold(parse_smiles("[O-]c1ccccc1"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"windows": {"lgp": [0, 1]}}, "unknown descriptor 'lgp'"),
        ({"windows": {"logp": [2, 1]}}, "the window of logp is empty"),
        ({"keeps": ["[["]}, "SMARTS"),
        ({"similar_to": {"to": "xx"}}, "does not parse as a molecule"),
    ],
)
def test_a_bad_constraint_is_one_sentence(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_objective({"scores": [{"kind": "qed"}], "constraints": values}, where="o.yaml")
