"""Scores that other programs compute, each with a stand-in for the program."""

import json
import math
import sys
import threading
import types
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rdkit import Chem

from molvae.errors import ConfigError, MissingExtraError, ScoreError
from molvae.generator import MoleculeGenerator
from molvae.optimize.external import ChempropScore, HttpScore, TdcScore
from molvae.optimize.objective import Objective, parse_objective
from molvae.optimize.run import optimize
from molvae.optimize.score import Molecule

MOLECULES = [Molecule(smiles, Chem.MolFromSmiles(smiles)) for smiles in ("CCO", "c1ccccc1", "C")]


class _Service(BaseHTTPRequestHandler):
    """Scores a molecule by the length of its SMILES; the path says how to misbehave."""

    def do_POST(self) -> None:
        smiles = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["smiles"]
        scores = [None if s == "C" else len(s) / 10 for s in smiles]
        answer = {"/list": scores, "/few": scores[1:], "/words": ["x"] * len(smiles)}.get(self.path, {"scores": scores})
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        self.wfile.write(b"<html>" if self.path == "/html" else json.dumps(answer).encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_service_scores_molecules(service: str) -> None:
    for path in ("/scores", "/list"):
        values = HttpScore(url=service + path).values(MOLECULES)
        assert values[:2] == [0.3, 0.8]
        assert math.isnan(values[2])


@pytest.mark.parametrize(
    ("path", "says"),
    [("/few", "2 numbers for 3"), ("/words", "something else"), ("/broken", "status 500"), ("/html", "no JSON")],
)
def test_a_service_that_misbehaves_is_one_sentence(service: str, path: str, says: str) -> None:
    with pytest.raises(ScoreError, match=says):
        HttpScore(url=service + path).values(MOLECULES)


def test_a_service_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(ScoreError, match="cannot be reached"):
        HttpScore(url="http://127.0.0.1:9").values(MOLECULES)
    with pytest.raises(ConfigError, match="begins with http"):
        parse_objective({"scores": [{"kind": "http", "url": "file:///etc/passwd"}]}, where="test")


def test_a_search_is_driven_by_a_service(tiny: MoleculeGenerator, service: str) -> None:
    scores = [{"kind": "http", "url": f"{service}/scores", "name": "service"}]
    objective = Objective.of_config(parse_objective({"scores": scores}, where="test"))
    found = optimize(tiny, objective, method="random", n_calls=5)
    assert found.frame["service"].max() == pytest.approx(found.frame["smiles"].str.len().max() / 10)


def test_an_oracle_of_tdc_is_asked_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Oracle:
        def __init__(self, name: str) -> None:
            if name != "DRD2":
                raise ValueError("no such oracle")

        def __call__(self, smiles: list[str]) -> list[float]:
            return [len(s) / 10 for s in smiles]

    module = types.ModuleType("tdc")
    module.Oracle = Oracle  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tdc", module)
    assert TdcScore(oracle="DRD2").values(MOLECULES) == [0.3, 0.8, 0.1]
    with pytest.raises(ScoreError, match="no oracle 'DRD3'"):
        TdcScore(oracle="DRD3").values(MOLECULES)
    monkeypatch.setitem(sys.modules, "tdc", None)
    with pytest.raises(MissingExtraError, match="pip install PyTDC"):
        TdcScore(oracle="DRD2").values(MOLECULES)


def test_a_model_of_chemprop_predicts(tmp_path: Path) -> None:
    program, model = tmp_path / "chemprop", tmp_path / "model.pt"
    program.write_text(
        f"#!{sys.executable}\n"
        "import csv, sys\n"
        "at = {a: b for a, b in zip(sys.argv[2::2], sys.argv[3::2])}\n"
        "rows = list(csv.DictReader(open(at['--test-path'])))\n"
        "out = csv.writer(open(at['--preds-path'], 'w'))\n"
        "out.writerow(['smiles', 'logS'])\n"
        "out.writerows([r['smiles'], len(r['smiles'])] for r in rows)\n"
    )
    program.chmod(0o755)
    how = {"model": str(model), "command": str(program)}
    with pytest.raises(ScoreError, match="there is no chemprop model"):
        ChempropScore(**how).values(MOLECULES)
    model.touch()
    assert ChempropScore(**how).values(MOLECULES) == [3.0, 8.0, 1.0]
    assert ChempropScore(**how, column="logS").values(MOLECULES) == [3.0, 8.0, 1.0]
    with pytest.raises(ScoreError, match="predicts logS, not 'logD'"):
        ChempropScore(**how, column="logD").values(MOLECULES)
    program.write_text("#!/bin/sh\necho the model is damaged >&2; exit 3\n")
    with pytest.raises(ScoreError, match="the model is damaged"):
        ChempropScore(**how).values(MOLECULES)
