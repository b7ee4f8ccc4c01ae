"""Traversals: one dimension at a time, from the most usual molecule."""

from pathlib import Path

import numpy as np

from molvae.generator import MoleculeGenerator
from molvae.report.traversal import PLACES, draw_traversal, traversal


def test_each_row_moves_one_dimension_and_the_most_varied_come_first() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 4)) * [1.0, 5.0, 0.1, 2.0]
    rows, chosen = traversal(z, dimensions=2)
    assert chosen == [1, 3]
    assert rows.shape == (2 * len(PLACES), 4)
    start = rows[PLACES.index(0.0)]
    assert (np.abs(start - z.astype(np.float32)) < 1e-6).all(1).any()
    assert (rows[: len(PLACES), [0, 2, 3]] == start[[0, 2, 3]]).all()
    np.testing.assert_allclose(rows[: len(PLACES), 1] - start[1], np.array(PLACES) * z[:, 1].std(), rtol=1e-4)


def test_a_picture_is_drawn(vae: MoleculeGenerator, molecules: tuple[str, ...], tmp_path: Path) -> None:
    draw_traversal(vae, vae.encode(molecules), tmp_path / "traversal.svg", dimensions=2)
    assert "<svg" in (tmp_path / "traversal.svg").read_text(encoding="utf-8")
