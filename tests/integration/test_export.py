"""`molvae export onnx`: what the graphs give is what the model gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import molvae
from molvae.cli import main
from molvae.data.batches import MolBatch

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

DRUGS = ["CC(=O)Nc1ccc(O)cc1", "CCO", "CCOC(=O)c1ccc(N)cc1", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"]


def session(path: Path) -> Any:
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def decoded(folder: Path, z: np.ndarray) -> list[list[int]]:
    """Greedy decoding by the graphs alone."""
    told = json.loads((folder / "molvae.json").read_text())
    begin, step = session(folder / "begin.onnx"), session(folder / "step.onnx")
    inputs = {"z": z}
    if told["condition"] is not None:
        inputs["condition"] = np.repeat(np.array([told["condition"]], dtype=np.float32), len(z), axis=0)
    state = begin.run(None, inputs)
    tokens, rows = np.full(len(z), told["bos"]), [[] for _ in z]
    for place in range(told["max_length"]):
        given = dict(zip(told["states"], state, strict=True))
        known = {node.name for node in step.get_inputs()}
        fed = {"tokens": tokens, "place": np.array(place), **given}
        logits, *state = step.run(None, {name: value for name, value in fed.items() if name in known})
        logits[:, told["never_written"]] = -np.inf
        tokens = logits.argmax(1)
        for row, token in zip(rows, tokens, strict=True):
            if told["eos"] not in row:
                row.append(int(token))
    return rows


@pytest.mark.parametrize(
    "kind", ["gaussian", "codes", "conditional_flow", "conditional_codes", "graph", "zinc", "moses"]
)
def test_the_graphs_give_what_the_model_gives(kind: str, kind_of: Callable[[str], Any], tmp_path: Path) -> None:
    where = kind_of(kind).where
    ran = CliRunner().invoke(main, ["export", "onnx", "-m", where, "-o", str(tmp_path / "onnx")])
    assert ran.exit_code == 0, ran.output
    vae = molvae.load(where, device="cpu")
    usable = [m for m in vae.tokenize(DRUGS) if m.reason is None]
    z = vae.encode([m.smiles for m in usable])
    encoder = tmp_path / "onnx" / "encoder.onnx"
    assert encoder.exists() == (kind != "graph")
    if kind != "graph":
        batch = MolBatch.of_token_ids([m.canonical_ids for m in usable])
        (found,) = session(encoder).run(None, {"token_ids": batch.token_ids.numpy(), "lengths": batch.lengths.numpy()})
        np.testing.assert_allclose(found, z, atol=1e-4)
    assert vae.to_smiles(decoded(tmp_path / "onnx", z)) == vae.decode(z)
    one = decoded(tmp_path / "onnx", z[:1])  # another size of the batch than that of the trace
    assert vae.to_smiles(one) == vae.decode(z[:1])


def test_an_export_is_not_written_over_something_else(kind_of: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    ran = CliRunner().invoke(main, ["export", "onnx", "-m", "zinc", "-o", str(tmp_path / "notes"), "--overwrite"])
    assert ran.exit_code == 1
    assert (tmp_path / "notes" / "mine.txt").read_text() == "keep"
