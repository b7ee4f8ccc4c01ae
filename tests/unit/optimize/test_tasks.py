import json
from pathlib import Path

import numpy as np
import pytest

from molvae.chem.parse import parse_smiles
from molvae.errors import ConfigError
from molvae.optimize.score import Molecule
from molvae.optimize.tasks import TASKS, load_task, task_name

RECORDED = json.loads((Path(__file__).parents[2] / "golden" / "guacamol" / "recorded.json").read_text())


def test_there_are_the_twenty_tasks_that_guacamol_was_recorded_for() -> None:
    assert set(TASKS) == set(RECORDED["scores"])
    assert len(TASKS) == 20


@pytest.mark.parametrize("name", TASKS)
def test_a_task_scores_as_guacamol_itself_does(name: str) -> None:
    objective = load_task(name)
    molecules = [Molecule(s, parse_smiles(s)) for s in RECORDED["smiles"]]
    scores = objective.scores(objective.raw_values(molecules))
    np.testing.assert_allclose(scores, RECORDED["scores"][name], atol=1e-6)


def test_the_suffix_of_a_task_may_be_left_out() -> None:
    assert task_name("perindopril") == "perindopril_mpo"
    assert task_name("albuterol") == "albuterol_similarity"
    assert task_name("troglitazone") == "troglitazone_rediscovery"


def test_an_unknown_task_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"unknown task 'perindropil'.*did you mean 'perindopril_mpo'\?"):
        load_task("perindropil")
