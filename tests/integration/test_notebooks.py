"""The notebooks of docs/notebooks run from top to bottom, each in an empty folder."""

import os
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.py"))


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) == 7


@pytest.mark.slow
@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(source.parents[2]))
    notebook = jupytext.read(source)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert len(outputs) >= 3
    shown = {kind for output in outputs if "data" in output for kind in output["data"]}
    assert shown & {"image/svg+xml", "text/html", "image/png"}
    if folder := os.environ.get("MOLVAE_PICTURES"):
        import nbformat

        nbformat.write(notebook, Path(folder) / f"{source.stem}.ipynb")
