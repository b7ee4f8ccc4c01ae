"""`molvae report`: one page, of a model, of molecules and of a search, that asks for nothing else."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from molvae.cli import main

pytest.importorskip("matplotlib")

CHIRAL, SALT, TINY, LONG = "C[C@H](N)Cc1ccccc1", "CC(=O)[O-].[Na+]", "C", "CC(C)CC(NC(=O)CNC(=O)CN)C(=O)NC(CO)C(=O)O"


def reported(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments), "-q"])


def page(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)|@import|url\(https?:|fetch\(|XMLHttpRequest""", text), (
        "asks for more"
    )
    assert len(text) < 2_000_000
    return text


@pytest.mark.parametrize("kind", ["gaussian", "codes", "conditional_codes", "graph", "zinc", "qsar"])
def test_the_page_of_a_model_has_all_its_parts(kind: str, kind_of: Callable[[str], Any], tmp_path: Path) -> None:
    molecules = tmp_path / "held.smi"
    molecules.write_text("\n".join([CHIRAL, SALT, TINY, LONG, "CCO", "c1ccccc1O", "CCN"]) + "\n")
    result = reported(kind_of(kind).where, "--training", molecules, "-o", tmp_path / "page.html", "--device", "cpu")
    assert result.exit_code == 0, result.output
    text = page(tmp_path / "page.html")
    titles = ["Model", "Use of the latent", "Reconstructions", "Samples", "Map"]
    assert all(f"<h2>{title}</h2>" in text for title in titles)
    assert ("<h2>Training</h2>" in text) == (kind not in ("zinc", "qsar"))
    assert CHIRAL in text
    assert text.count('class="card"') >= 7 + 24


def test_the_page_of_molecules_counts_and_compares(tmp_path: Path) -> None:
    new, training = tmp_path / "new.csv", tmp_path / "training.smi"
    new.write_text(
        "smiles\n" + "\n".join([CHIRAL, SALT, TINY, "c1ccc2ccccc2c1", "c1ccc2ccccc2c1", "no molecule"]) + "\n"
    )
    training.write_text(f"{CHIRAL}\nc1ccc2ccccc2c1O\n")
    result = reported(new, "--training", training, "-o", tmp_path / "page.html", "--jobs", 1)
    assert result.exit_code == 0, result.output
    text = page(tmp_path / "page.html")
    assert "5 (83.3 %)" in text  # molecules of 6 rows
    assert "a charge: 1" in text  # the filter that the salt fails
    assert "nearest of training, 1.00" in text  # the chiral molecule is among them
    assert "2 (100.0 %); training 0" not in text  # naphthalene is also the scaffold of the naphthol of training
    assert "2 (100.0 %); training 1" in text


def test_the_page_of_a_search_leads_from_the_best_molecule_to_its_start(run: Path, tmp_path: Path) -> None:
    record = tmp_path / "best.csv.calls.jsonl"
    record.write_text(
        '{"format_version": 1, "objective": {"scores": [{"kind": "descriptor", "descriptor": "qed"}, '
        '{"kind": "descriptor", "descriptor": "logp"}], "mean": "pareto"}, '
        '"method": "evolution", "seed": 0}\n'
        '{"call": 1, "smiles": "CCO", "score": 0.1, "components": {"qed": 0.4, "logp": 0.0}, "origin": "start"}\n'
        '{"call": 2, "smiles": "CCCO", "score": 0.3, "components": {"qed": 0.5, "logp": 0.4}, "origin": "edit of #1"}\n'
        '{"call": 3, "smiles": "CCN", "score": 0.2, "components": {"qed": 0.3, "logp": 0.1}, "origin": "prior"}\n'
        '{"call": 4, "smiles": "CCCCO", "score": 0.7, "components": {"qed": 0.6, "logp": 0.8}, '
        '"origin": "cross of #2 and #3"}\n'
    )
    result = reported(record, "-o", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    text = page(tmp_path / "page.html")
    lineage = text[text.index("<h2>Lineage of the best</h2>") :]
    assert [re.search(r"#\d", cell)[0] for cell in re.findall(r'<td class="text">#\d</td>', lineage)] == [
        "#4",
        "#2",
        "#1",
    ]
    assert "<h2>Pareto front</h2>" in text
    assert "1</td></tr>" in text[text.index("<h2>Pareto front</h2>") :]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", None, "is no file, no run and no shipped model"),
        ("x.jsonl", "{}\n", "holds no calls of a search"),
        ("x.smi", "", "holds no molecule"),
    ],
)
def test_what_cannot_be_reported_is_said_in_one_sentence(
    name: str, content: str | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    result = reported(tmp_path / name, "-o", tmp_path / "page.html")
    assert result.exit_code == 1
    assert said in result.output
    assert not (tmp_path / "page.html").exists()


def test_a_page_has_to_be_html(tmp_path: Path) -> None:
    result = reported("moses", "-o", tmp_path / "page.pdf")
    assert result.exit_code == 1
    assert "expected an ending of .html" in result.output
