import re

import pandas as pd
import pytest

import molvae
from molvae.errors import InputError
from molvae.generator import MoleculeGenerator
from molvae.report.frames import Picture


def size(picture: Picture) -> tuple[int, int]:
    """Molecules per row and rows."""
    width, height = re.search(r"width='(\d+)px' height='(\d+)px'", picture._repr_svg_()).groups()
    return int(width) // 260, int(height) // 220


def test_a_path_is_one_strip_and_walks_are_one_each(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    assert size(vae.interpolate(molecules[0], molecules[1], steps=4).grid()) == (4, 1)
    walks = vae.neighbors(molecules[0], walks=2, steps=3, seed=0)
    assert size(walks.grid()) == (3, 2)
    assert "start 0.00" in walks.grid().legends[0]


def test_reconstructions_are_drawn_beside_what_was_given(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    picture = vae.reconstruct([*molecules[:2], "no molecule"]).grid()
    assert picture.legends[::2] == ["given"] * 3
    assert size(picture) == (6, 1)


def test_a_part_of_a_table_draws_too_and_reads_as_a_table(vae: MoleculeGenerator) -> None:
    found = vae.optimize(lambda smiles: [len(s) for s in smiles], n_calls=6, method="random", seed=0)
    assert isinstance(found, pd.DataFrame)
    assert repr(found[found.score > 0].grid()) == f"Picture of {int((found.score > 0).sum())} molecules"
    assert found.grid(2, legend=["call"]).legends == [f"call {call}" for call in found.call[:2]]
    with pytest.raises(InputError, match="no column 'weight'; its columns: smiles, score"):
        found.grid(legend=["weight"])


def test_a_picture_is_saved(tmp_path) -> None:  # type: ignore[no-untyped-def]
    molvae.grid(["C[C@H](N)C(=O)O", "[Na+].[Cl-]"], ["chiral", "salt"]).save(tmp_path / "two.svg")
    assert (tmp_path / "two.svg").read_text().count("<path") > 20
    with pytest.raises(InputError, match="got no molecules"):
        molvae.grid([])


def test_a_model_shows_what_it_is_and_molecules(vae: MoleculeGenerator) -> None:
    html = vae._repr_html_()
    assert "GRUEncoder" in html
    assert html.count("<svg") == 1 or "draws" in html


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert molvae.__version__ == version("molvae")
