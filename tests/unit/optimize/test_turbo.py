from pathlib import Path

import numpy as np
import pytest

from molvae.generator import MoleculeGenerator
from molvae.optimize.moves import Moves

pytest.importorskip("botorch")

from molvae.optimize.turbo import FAILURES, FIRST_LENGTH, LONGEST, SHORTEST, SUCCESSES, TuRBO

TINY = Path(__file__).parents[2] / "golden" / "tiny"


@pytest.fixture
def search() -> TuRBO:
    return TuRBO(Moves(MoleculeGenerator.load(TINY, device="cpu")))


def test_the_region_grows_with_success_shrinks_without_and_starts_anew(search: TuRBO) -> None:
    search._resize(0.1)
    for step in range(SUCCESSES):
        search._resize(0.2 + 0.1 * step)
    assert search.length == min(2 * FIRST_LENGTH, LONGEST)
    grown = search.length
    for _ in range(FAILURES):
        search._resize(0.3)
    assert search.length == grown / 2
    lengths = []
    for _ in range(40 * FAILURES):
        search._resize(0.3)
        lengths.append(search.length)
    assert min(lengths) >= SHORTEST
    assert lengths.count(FIRST_LENGTH) > FAILURES  # it came back


def test_chosen_latents_lie_in_the_region_and_toward_what_scores_high(search: TuRBO) -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(80, 6))
    scores = -((latents - 1.0) ** 2).sum(1)
    chosen = search._choose(latents, scores, 10, rng)
    best = latents[scores.argmax()]
    side = search.length * (4 * latents.std(0) + 1e-6)
    assert (np.abs(chosen - best) <= side / 2 + 1e-6).all()
    drawn = best + side * (rng.random((1000, 6)) - 0.5)
    assert -((chosen - 1.0) ** 2).sum(1).mean() > -((drawn - 1.0) ** 2).sum(1).mean()
