"""Small molecules, a prepared folder and a model that every test may use."""

import os
import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; what is tested is Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread for each of pytest's workers; before torch is imported

import json
import shutil
from pathlib import Path

import pytest
import torch

from molvae.checkpoint import save_checkpoint
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.randomize import add_randomized
from molvae.data.prepare.run import prepare
from molvae.data.prepared import PreparedData
from molvae.generator import MoleculeGenerator
from molvae.nn.build import ModelConfig, build_model
from molvae.training.config import ExperimentConfig
from molvae.training.fit import train

GOLDEN = Path(__file__).parent / "golden" / "tiny" / "recorded.json"
MOLECULES = tuple(json.loads(GOLDEN.read_text(encoding="utf-8"))["smiles"])


@pytest.fixture(scope="session")
def molecules() -> tuple[str, ...]:
    return MOLECULES


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Benchmark data beside the repository, or where MOLVAE_SHARED_DATA says; not part of the repository."""
    path = Path(os.environ.get("MOLVAE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not path.is_dir():
        pytest.skip("needs the shared benchmark data; name its folder with MOLVAE_SHARED_DATA")
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The molecules as CSV; every fifth is validation, every fifth but one test, and half have an assay value."""
    path = tmp_path_factory.mktemp("input") / "molecules.csv"
    lines = ["smiles,split,assay"]
    for i, smiles in enumerate(MOLECULES):
        split = {0: "valid", 1: "test"}.get(i % 5, "train")
        lines.append(f"{smiles},{split},{i / 2 if i % 2 else ''}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def prepared(table: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    config = PrepareConfig(fragments=40, split="column", property_columns=("assay",), n_jobs=1)
    return prepare([table], tmp_path_factory.mktemp("prepared") / "folder", config=config)


@pytest.fixture(scope="session")
def prepared_with_graphs(table: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    config = PrepareConfig(fragments=40, split="column", graphs=True, n_jobs=1)
    return prepare([table], tmp_path_factory.mktemp("graphs") / "folder", config=config)


@pytest.fixture(scope="session")
def prepared_with_randomized(prepared: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("variants") / "folder"
    shutil.copytree(prepared.path, folder)
    return add_randomized(PreparedData.open(folder), 3, n_jobs=1)


@pytest.fixture(scope="session")
def tiny_model() -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "encoder": {"token_dim": 16, "hidden_dim": 16},
            "latent": {"latent_dim": 8},
            "decoder": {"token_dim": 16, "hidden_dim": 32, "token_dropout": 0.0},
        }
    )


@pytest.fixture(scope="session")
def experiment(prepared: PreparedData, tiny_model: ModelConfig) -> ExperimentConfig:
    return ExperimentConfig.model_validate(
        {
            "data": {"prepared": prepared.path},
            "model": tiny_model.model_dump(),
            "training": {
                "max_steps": 6,
                "batch_size": 4,
                "valid_every": 3,
                "save_every": 3,
                "warmup_steps": 1,
                "precision": "32-true",
            },
        }
    )


@pytest.fixture(scope="session")
def run(experiment: ExperimentConfig, prepared: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training run of a few steps."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    train(experiment, prepared, out, device="cpu")
    return out


@pytest.fixture(scope="session")
def vae(run: Path) -> MoleculeGenerator:
    return MoleculeGenerator.load(run, device="cpu")


@pytest.fixture
def checkpoint(prepared: PreparedData, tiny_model: ModelConfig, tmp_path: Path) -> Path:
    """An untrained checkpoint that a test may damage."""
    torch.manual_seed(0)
    model = build_model(tiny_model, vocabulary_size=len(prepared.vocabulary), property_names=["logp"])
    save_checkpoint(tmp_path / "model", model, config=tiny_model, vocabulary=prepared.vocabulary, max_length=20)
    return tmp_path / "model"
