"""The map of a latent space, as a picture and as a page."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from molvae.errors import ConfigError, InputFileError, MissingExtraError
from molvae.report.latent_map import check_map, draw_map, project, structure_svg, write_page

SMILES = ["CCO", "c1ccccc1", "CC(=O)N"]
POINTS = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]])


def test_pca_keeps_the_two_widest_directions() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 5)) * [0.1, 3.0, 0.1, 1.0, 0.1]
    points, axes = project(z)
    assert abs(np.corrcoef(points[:, 0], z[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(points[:, 1], z[:, 3])[0, 1]) > 0.99
    share = z.var(0).max() / z.var(0).sum()
    assert float(re.findall(r"[\d.]+(?= %)", axes[0])[0]) == pytest.approx(100 * share, abs=1)


def test_a_page_holds_every_structure_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    page = tmp_path / "map.html"
    axes = ("PC 1", "PC 2")
    write_page(POINTS, np.arange(3.0), SMILES, page, axes=axes, color_name="logp", title="a <b>", summary=[("n", "3")])
    text = page.read_text(encoding="utf-8")
    assert text.count("<circle ") == 3
    assert "a &lt;b&gt;" in text
    assert "src=" not in text
    assert "href=" not in text
    data = json.loads(re.search(r"const molecules = (\[.*\]);", text)[1])
    assert [m["smiles"] for m in data] == SMILES
    assert all(m["picture"].startswith("<svg") and m["picture"].rstrip().endswith("</svg>") for m in data)


def test_a_picture_is_drawn_whole(tmp_path: Path) -> None:
    draw_map(POINTS, np.arange(3.0), tmp_path / "map.png", axes=("a", "b"), color_name="logp")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["map.png"]


def test_what_cannot_be_drawn_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    with pytest.raises(InputFileError, match=r"expected an ending of \.png"):
        check_map("map.gif")
    with pytest.raises(ConfigError, match="expected one of: pca, umap"):
        check_map("map.png", method="tsne")
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'molvae\[umap\]'"):
        check_map("map.png", method="umap")
    assert structure_svg("xx") == ""
