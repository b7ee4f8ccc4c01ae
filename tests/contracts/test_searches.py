"""Every search: proposes molecules that are worth a call, the same for the same seed, and uses up a budget."""

import json
from pathlib import Path

import numpy as np
import pytest

from molvae.chem.parse import canonical_smiles
from molvae.generator import MoleculeGenerator
from molvae.optimize.methods import METHODS, REMEMBERING, build_search
from molvae.optimize.objective import Objective, parse_objective
from molvae.optimize.oracle import Candidate, Oracle
from molvae.optimize.run import optimize
from molvae.optimize.scores import Molecule

TINY = Path(__file__).parents[1] / "golden" / "tiny"
START = json.loads((TINY / "recorded.json").read_text())["smiles"]
OBJECTIVE = {
    "scores": [
        {"kind": "logp", "transform": {"kind": "gaussian", "mu": 2, "sigma": 1}},
        {"kind": "mw", "weight": 2, "transform": {"kind": "clipped", "upper": 400}},
    ]
}


@pytest.fixture(scope="module")
def tiny() -> MoleculeGenerator:
    return MoleculeGenerator.load(TINY, device="cpu")


@pytest.fixture(scope="module")
def objective() -> Objective:
    return Objective.of_config(parse_objective(OBJECTIVE, where="contract"))


@pytest.fixture(params=list(METHODS))
def method(request: pytest.FixtureRequest) -> str:
    if request.param in ("cmaes", "bo"):
        pytest.importorskip({"cmaes": "cma", "bo": "botorch"}[request.param])
    return request.param


def test_proposals_are_canonical_molecules(method: str, tiny: MoleculeGenerator, objective: Objective) -> None:
    oracle = Oracle(objective, 100)
    oracle([Candidate(s, "start") for s in START])
    proposed = build_search(method, tiny, objective).propose(oracle, 40, np.random.default_rng(0))
    assert proposed
    assert all(canonical_smiles(c.smiles) == c.smiles and c.origin for c in proposed)


def test_a_search_begins_without_any_scored_molecule(
    method: str, tiny: MoleculeGenerator, objective: Objective
) -> None:
    proposed = build_search(method, tiny, objective).propose(Oracle(objective, 100), 10, np.random.default_rng(0))
    assert proposed


def test_the_same_seed_gives_the_same_run(method: str, tiny: MoleculeGenerator, objective: Objective) -> None:
    how = {"method": method, "n_calls": 40, "start": START[:15], "batch_size": 10, "seed": 3, "alerts": False}
    runs = [optimize(tiny, objective, **how) for _ in range(2)]
    assert runs[0].frame.equals(runs[1].frame)
    assert len(runs[0].scores) > 15
    assert set(runs[0].frame["origin"][runs[0].frame["call"] <= 15]) == {"start"}


def test_a_run_goes_on_where_it_was_stopped(
    method: str, tiny: MoleculeGenerator, objective: Objective, tmp_path: Path
) -> None:
    how = {"method": method, "start": START[:15], "batch_size": 10, "seed": 3, "record": tmp_path / "r.jsonl"}
    first = optimize(tiny, objective, n_calls=25, **how)
    both = optimize(tiny, objective, n_calls=35, resume=True, **how)
    assert len(both.scores) >= len(first.scores)
    np.testing.assert_array_equal(both.scores[: len(first.scores)], first.scores)


@pytest.mark.parametrize("finetune", [False, True])
@pytest.mark.parametrize("within", [0, 3], ids=["between batches", "within a batch"])
def test_an_interrupted_run_becomes_the_uninterrupted_one(
    method: str,
    finetune: bool,
    within: int,
    tiny: MoleculeGenerator,
    objective: Objective,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if method == "bo" and within == 0:
        pytest.skip("a search that remembers takes minutes; that it goes on within a batch is enough")
    if finetune and method != "evolution":
        pytest.skip("one method that fine-tunes is enough")
    if within and not (finetune or method in REMEMBERING):
        pytest.skip("batches are recorded whole; a search that remembers nothing takes the rest as a new one")
    paid: list[str] = []
    ends: list[int] = []  # of batches

    def score(self: Objective, molecules: list[Molecule]) -> np.ndarray:
        paid.extend(m.smiles for m in molecules)
        ends.append(len(paid))
        return np.array([[float(m.mol.GetNumHeavyAtoms()), float(m.mol.GetNumBonds())] for m in molecules])

    monkeypatch.setattr(Objective, "raw_values", score)
    how = {"method": method, "finetune": finetune, "start": START[:15], "batch_size": 10, "seed": 3, "n_calls": 45}
    how["alerts"] = False
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    optimize(tiny, objective, record=whole, **how)
    lines = whole.read_text().splitlines(keepends=True)
    kept = min(end for end in ends if end >= 20) + within
    cut.write_text("".join(lines[: 1 + kept]))
    paid.clear()
    optimize(tiny, objective, record=cut, resume=True, **how)
    assert cut.read_bytes() == whole.read_bytes()
    assert len(paid) == len(lines) - 1 - kept


def test_a_run_that_cannot_be_repeated_goes_on_with_its_calls(
    tiny: MoleculeGenerator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("cma")
    how = {"method": "cmaes", "start": START[:15], "batch_size": 10, "seed": 3, "record": tmp_path / "r.jsonl"}
    optimize(tiny, "qed", n_calls=35, **how)
    lines = how["record"].read_text().splitlines(keepends=True)
    lines[20] = json.dumps(json.loads(lines[20]) | {"smiles": "CCCCCCCCCCCBr"}) + "\n"
    how["record"].write_text("".join(lines))
    found = optimize(tiny, "qed", n_calls=45, resume=True, **how)
    assert how["record"].read_text().splitlines(keepends=True)[: len(lines)] == lines
    assert len(found.scores) == 45
    assert "could not be repeated exactly" in caplog.text
