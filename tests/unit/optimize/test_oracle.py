import json
import math
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from molvae.errors import InputFileError, RecordError, ScoreError
from molvae.optimize.curves import top_auc, top_curve, top_mean
from molvae.optimize.objective import Objective, parse_objective
from molvae.optimize.oracle import Candidate, Oracle
from molvae.optimize.record import Call, History


def counting() -> tuple[Objective, list[str]]:
    asked: list[str] = []

    def length(smiles: list[str]) -> list[float]:
        asked.extend(smiles)
        return [float("nan") if "F" in s else len(s) / 10 for s in smiles]

    return Objective.of_callable(length), asked


def candidates(*smiles: str) -> list[Candidate]:
    return [Candidate(s, "test") for s in smiles]


def published_auc(scores: list[float], top_n: int, max_calls: int, freq: int) -> float:
    """The definition of PMO, written down plainly: https://github.com/wenhao-gao/mol_opt."""
    total, previous, called = 0.0, 0.0, 0
    for i in range(freq, min(len(scores), max_calls), freq):
        now = np.mean(sorted(scores[:i], reverse=True)[:top_n])
        total += freq * (now + previous) / 2
        previous, called = now, i
    now = np.mean(sorted(scores, reverse=True)[:top_n])
    total += (len(scores) - called) * (now + previous) / 2
    if len(scores) < max_calls:
        total += (max_calls - len(scores)) * now
    return total / max_calls


@pytest.mark.parametrize("n", [7, 100, 250, 300])
def test_auc_is_that_of_pmo(n: int) -> None:
    scores = np.random.default_rng(n).random(n).tolist()
    assert top_auc(scores, 10, budget=300) == pytest.approx(published_auc(scores, 10, 300, 100))


def test_top_mean_leaves_nan_out_so_that_docking_scores_stay_negative() -> None:
    assert top_mean([float("nan"), -9.0, -7.0], 10) == -8.0
    assert math.isnan(top_mean([], 10))
    assert math.isnan(top_mean([float("nan")], 1))


def test_the_area_counts_nan_and_an_empty_search_as_zero_as_pmo_does() -> None:
    assert top_auc([], 10) == 0.0
    assert top_auc([float("nan"), 1.0], 2, budget=2, every=1) == pytest.approx(0.125)


def test_a_curve_has_a_point_at_its_end() -> None:
    calls, values = top_curve([0.5] * 150, 10)
    assert calls.tolist() == [100, 150]
    assert values.tolist() == [0.5, 0.5]


def test_only_unique_valid_molecules_cost_a_call() -> None:
    objective, asked = counting()
    oracle = Oracle(objective, 10)
    made = oracle(candidates("OCC", "CCO", "xx", "", "C"))
    assert [c.smiles for c in made] == asked == ["CCO", "C"]
    assert oracle(candidates("C(O)C")) == []
    assert oracle.remaining == 8


def test_the_budget_is_never_overdrawn() -> None:
    oracle = Oracle(counting()[0], 2)
    assert len(oracle(candidates("C", "CC", "CCC"))) == 2
    assert oracle.remaining == 0
    assert oracle(candidates("CCCC")) == []


def test_nan_costs_the_call_and_is_last() -> None:
    oracle = Oracle(counting()[0], 5)
    oracle(candidates("CF", "CC", "CCC"))
    assert oracle.remaining == 2
    assert oracle.history.frame()["smiles"].tolist() == ["CCC", "CC", "CF"]


def test_constraints_refuse_without_a_call() -> None:
    config = parse_objective({"scores": [{"kind": "qed"}], "constraints": {"keeps": ["O"]}}, where="t")
    oracle = Oracle(Objective.of_config(config), 5)
    assert [c.smiles for c in oracle(candidates("CC", "CO"))] == ["CO"]
    assert oracle.n_refused == 1


def test_a_killed_run_goes_on_without_repeating_a_call(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    objective, asked = counting()
    first = History(objective.names)
    first.keep_in(path, {"task": "t"})
    Oracle(objective, 9, history=first)(candidates("C", "CF", "CCC"))  # not closed: the run is killed here
    with path.open("a") as file:
        file.write('{"call": 4, "smi')
    again = History(objective.names)
    again.keep_in(path, {"task": "t"}, resume=True)
    oracle = Oracle(objective, 9, history=again)
    assert oracle.remaining == 6
    assert len(oracle(candidates("C", "CF", "CCC", "CCCC"))) == 1
    assert asked == ["C", "CF", "CCC", "CCCC"]
    again.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("call") for line in lines] == [None, 1, 2, 3, 4]
    assert lines[2]["score"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format_version": 1, "task": "other"}\n', 'another run: its task is "other", not "t"'),
        ('{"format_version": 1, "task": "t"}\n{"call": 1}\n', "line 2 is no oracle call"),
        ("nonsense\n", "line 1 is damaged"),
        ("\x00\ufffd\n", "line 1 is damaged"),
        ('{"format_version": 1, "task": "t"}\n{"call": 1, "smiles": [], "score": "x"}\n', "line 2 is no oracle call"),
    ],
)
def test_a_record_that_does_not_fit_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError, match=message):
        History(["value"]).keep_in(path, {"task": "t"}, resume=True)
    assert path.read_text() == text


def test_an_existing_record_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    History(["value"]).keep_in(path, {})
    with pytest.raises(RecordError, match="--resume"):
        History(["value"]).keep_in(path, {})


def test_a_program_that_dies_leaves_the_record_whole(tmp_path: Path) -> None:
    objective = Objective.of_config(parse_objective({"scores": [{"kind": "program", "command": "false"}]}, where="t"))
    history = History(objective.names)
    history.keep_in(tmp_path / "r.jsonl", {})
    with pytest.raises(ScoreError):
        Oracle(objective, 5, history=history)(candidates("C"))
    assert len(history) == 0


def failing(smiles: list[str]) -> list[float]:
    raise RuntimeError("no license")


@pytest.mark.parametrize("function", [failing, lambda smiles: ["none"] * len(smiles)], ids=["raises", "no numbers"])
@pytest.mark.parametrize("n", [1, 20])
def test_an_objective_that_fails_on_the_whole_first_batch_stops_with_the_cause(n: int, function: Any) -> None:
    oracle = Oracle(Objective.of_callable(function), 50)
    cause = "RuntimeError: no license" if function is failing else "it gave 'none', no finite number"
    with pytest.raises(ScoreError, match=f"none of the {n} molecules of the first batch has a score: .*{cause}"):
        oracle(candidates(*("C" * i for i in range(1, n + 1))))
    assert len(oracle.history) == 0


def test_an_objective_without_a_value_for_many_molecules_stops() -> None:
    oracle = Oracle(Objective.of_callable(lambda smiles: [math.nan] * len(smiles)), 50)
    assert len(oracle(candidates("C", "CC"))) == 2  # which may be an accident
    with pytest.raises(ScoreError, match="value has no value for any of them"):
        oracle(candidates(*("C" * i for i in range(3, 30))))


def test_an_objective_that_stops_working_stops_the_run_but_one_bad_molecule_does_not() -> None:
    broken = False

    def score(smiles: list[str]) -> list[float]:
        if broken or "CF" in smiles:
            raise RuntimeError("no license")
        return [0.5] * len(smiles)

    oracle = Oracle(Objective.of_callable(score), 50)
    assert [call.score for call in oracle(candidates("C", "CC"))] == [0.5, 0.5]
    assert np.isnan(oracle(candidates("CF"))[0].score)
    broken = True
    with pytest.raises(ScoreError, match="none of the 12 molecules of the last batch"):
        oracle(candidates(*("O" + "C" * i for i in range(1, 13))))
    assert len(oracle.history) == 3


def test_two_runs_do_not_share_a_record(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    first = History(["value"])
    first.keep_in(path, {})
    refused: list[Exception] = []

    def second() -> None:
        try:
            History(["value"]).keep_in(path, {}, resume=True)
        except InputFileError as error:
            refused.append(error)

    thread = Thread(target=second)
    thread.start()
    thread.join()
    assert "r.jsonl is being written by another process" in str(refused)
    first.close()
    again = History(["value"])
    again.keep_in(path, {}, resume=True)
    again.close()
    assert [p.name for p in tmp_path.iterdir()] == ["r.jsonl"]


def test_a_record_may_be_a_device_and_holds_no_nan_or_infinity(tmp_path: Path) -> None:
    history = History(["value"])
    history.keep_in("/dev/null", {})
    history.close()
    history = History(["value"])
    history.keep_in(tmp_path / "r.jsonl", {})
    history.add([Call(1, "C", math.nan, (math.inf,), "test")])
    history.close()
    line = json.loads((tmp_path / "r.jsonl").read_text().splitlines()[1], parse_constant=pytest.fail)
    assert line["score"] is None
    assert line["components"] == {"value": None}
