"""Start molecules and the similarity's target in the model's own form; refusals; searches that get nowhere."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from molvae.chem.similarity import tanimoto
from molvae.cli import main
from molvae.cli.tables import optimization_summary
from molvae.errors import InputError
from molvae.generator import MoleculeGenerator
from molvae.optimize.constraints import Constraints, SimilarityConstraint
from molvae.optimize.moves import Moves
from molvae.optimize.objective import Objective
from molvae.optimize.run import optimize
from molvae.optimize.start import in_model_form, model_form

TINY = Path(__file__).parents[2] / "golden" / "tiny"
IBUPROFEN, FLAT = "CC(C)Cc1ccc(cc1)[C@H](C)C(=O)[O-].[Na+]", "CC(C)Cc1ccc(C(C)C(=O)O)cc1"


def ones(smiles: list[str]) -> list[float]:
    return [1.0] * len(smiles)


@pytest.mark.parametrize("sound", [True, False])
def test_a_chiral_salt_is_taken_as_the_model_would_write_it(tiny: MoleculeGenerator, sound: bool) -> None:
    assert model_form(tiny, IBUPROFEN, sound=sound) == FLAT
    assert model_form(tiny, "xx", sound=sound) is None


def test_the_target_of_the_similarity_is_taken_as_the_model_would_write_it(tiny: MoleculeGenerator) -> None:
    constraint = SimilarityConstraint(to=IBUPROFEN, at_least=0.4)
    objective = Objective.of_callable(ones).with_constraints(Constraints(similar_to=constraint))
    wanted, notes = in_model_form(tiny, objective)
    assert wanted.constraints.similar_to == SimilarityConstraint(to=FLAT, at_least=0.4)
    assert wanted.description == objective.description
    assert notes == (f"similarity is measured to {FLAT} in place of {IBUPROFEN}",)
    assert in_model_form(tiny, wanted) == (wanted, ())
    found = optimize(tiny, objective, n_calls=20, start=[IBUPROFEN], batch_size=5)
    assert len(found.scores) > 1
    assert all(tanimoto(s, FLAT) >= 0.4 for s in found.frame["smiles"])
    assert len(found.notes) == 2


def test_refusals_are_counted_by_reason(tiny: MoleculeGenerator) -> None:
    windows = Objective.of_callable(ones).with_constraints(Constraints(windows={"mw": (None, 1)}, alerts=False))
    found = optimize(tiny, windows, n_calls=5, batch_size=5)
    assert found.stuck
    assert all(reason == "mw outside its window" or reason.startswith("not sound: ") for reason in found.refusals)
    assert found.refusals["mw outside its window"] > 0


def test_start_molecules_that_are_refused_say_why(tiny: MoleculeGenerator) -> None:
    with pytest.raises(InputError, match=r"keeps the constraints, such as 'CC\(=O\)OO' \(not sound: peroxide\)"):
        optimize(tiny, ones, n_calls=5, start=["CC(=O)OO"])
    found = optimize(tiny, ones, n_calls=2, start=["CCO", "xx", None, float("nan"), "OCC"], method="random")
    assert found.n_start == 1
    assert any("'xx' (unparsable)" in note for note in found.notes)


def test_a_run_that_scores_nothing_but_its_start_fails_and_says_why(tmp_path: Path) -> None:
    arguments = ["optimize", "-m", str(TINY), "--task", "qed", "--calls", "5", "--start", "CCO"]
    arguments += ["--window", "mw=46:46.1", "--contains", "C[OH]", "--contains", "[CH3]"]
    result = CliRunner().invoke(main, [*arguments, "-o", str(tmp_path / "b.csv")])
    assert result.exit_code == 1
    assert "nothing but the 1 start molecules could be scored" in result.stderr
    assert "mw outside its window" in result.stderr
    assert (tmp_path / "b.csv").is_file()


def test_docking_scores_are_shown_as_they_are(tiny: MoleculeGenerator) -> None:
    found = optimize(tiny, lambda smiles: [-9.0 + len(s) / 100 for s in smiles], n_calls=20, method="random")
    assert -9 < found.summary()["top1"] < -8
    labels = list(optimization_summary(found).columns[0].cells)
    assert "best" in labels
    assert "area under the top-10 curve" not in labels  # it is of scores in [0, 1]


def test_gradient_ascent_gives_the_prior_its_condition(tiny: MoleculeGenerator) -> None:
    asked = torch.ones(1, 3)
    assert Moves(tiny).condition(4) is None
    assert Moves(tiny, condition=asked).weighted({"prior": 1.0}).condition(4).shape == (4, 3)
