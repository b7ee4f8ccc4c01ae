"""Every config of configs/family, with small layers: it trains, and the commands and the Python interface work with it.

Bad pairs are refused in one sentence, before anything is trained.
"""

import csv
import gzip
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

import molvae
from molvae.cli import main
from molvae.config import parse_config
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.run import prepare
from molvae.data.prepared import PreparedData
from molvae.errors import ConfigError
from molvae.training.config import ExperimentConfig, load_experiment

ROOT = Path(__file__).parents[2]
FAMILY = sorted(path.stem for path in (ROOT / "configs" / "family").glob("*.yaml"))
QUICK = ("vae", "hierarchical", "gumbel", "fsq", "wae", "masked", "transformer")  # the others take minutes together
N_MOLECULES, LONGEST = 60, 28
SMALL = {
    "n_slots": 24,  # of a token each, which is enough for short molecules
    "n_vectors": 24,
    "token_dim": 8,
    "hidden_dim": 12,
    "latent_dim": 24,
    "n_codes": 8,
    "n_components": 4,
    "n_heads": 2,
    "n_layers": 1,
    "hidden_dims": [8],
    "n_transforms": 2,
    "slot_dim": 2,
    "levels": [3, 2, 2],
    "global_dim": 24,
    "local_dim": 24,
    "n_spheres": 4,
    "k": 2,
    "n_steps": 2,
}
TRAINING = {
    "max_time": None,
    "max_steps": 4,
    "batch_size": 16,
    "valid_every": 4,
    "valid_molecules": 20,
    "precision": "32-true",
}
CHIRAL, SALT = "C[C@H](N)C(=O)O", "CC(=O)Nc1ccccc1.Cl"


def shrunk(values: Any) -> Any:
    """The same experiment with layers of a few units."""
    if not isinstance(values, dict):
        return values
    return {name: SMALL.get(name, shrunk(value)) for name, value in values.items()}


@pytest.fixture(scope="module")
def molecules() -> list[str]:
    with gzip.open(ROOT / "data" / "zinc_sample.csv.gz", "rt", encoding="utf-8") as file:
        short = (row["smiles"] for row in csv.DictReader(file) if len(row["smiles"]) <= LONGEST)
        return [*islice(short, N_MOLECULES), CHIRAL, "C"]


@pytest.fixture(scope="module")
def data(molecules: Sequence[str], tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """SELFIES, of which every latent of an untrained model decodes to a molecule."""
    path = tmp_path_factory.mktemp("family") / "molecules.csv"
    rows = [f"{smiles},{'valid' if i % 5 == 0 else 'train'}" for i, smiles in enumerate(molecules)]
    path.write_text("\n".join(["smiles,split", *rows]) + "\n", encoding="utf-8")
    config = PrepareConfig(notation="selfies", fragments=60, split="column", descriptors=("logp", "qed"), n_jobs=1)
    return prepare([path], path.parent / "data", config=config)


def works(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, f"{arguments}\n{result.output}\n{result.stderr}\n{result.exception!r}"
    return result


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAMILY]
)
def test_a_member_trains_and_works_everywhere(
    name: str, data: PreparedData, molecules: Sequence[str], tmp_path: Path
) -> None:
    values = yaml.safe_load((ROOT / "configs" / "family" / f"{name}.yaml").read_text(encoding="utf-8"))
    values = shrunk(values)
    values["training"] |= TRAINING
    if values.get("prior", {}).get("fit") == "two-stage":
        values["prior"] |= {"max_epochs": 1, "batch_size": 16}
    config, run = tmp_path / "config.yaml", tmp_path / "run"
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    works("train", "-c", config, "--data", data.path, "-o", run, "--device", "cpu", "-q")

    rows = tmp_path / "rows.smi"
    rows.write_text("\n".join([*molecules[:40], CHIRAL, SALT]) + "\n", encoding="utf-8")
    works("sample", "-m", run, "-n", 3, "-o", tmp_path / "sampled.csv", "-q")
    assert len(pd.read_csv(tmp_path / "sampled.csv")) == 3
    works("encode", "-m", run, rows, "-o", tmp_path / "encoded.csv", "-q")
    works("reconstruct", "-m", run, rows, "-o", tmp_path / "rebuilt.csv", "-q")
    works("interpolate", "-m", run, molecules[0], molecules[1], "--steps", 3, "-o", tmp_path / "path.csv", "-q")
    works("diagnose", run, rows, "--descriptors", "logp", "-n", 40, "-o", tmp_path / "geometry.json", "--jobs", 1, "-q")
    arguments = ["--test", rows, "-n", 2, "--seeds", "0", "--no-fcd", "--no-cache", "--jobs", 1]
    works("evaluate", run, *arguments, "-o", tmp_path / "metrics.json", "-q")
    objective = tmp_path / "objective.yaml"
    objective.write_text("scores: [{kind: logp}]\n", encoding="utf-8")
    arguments = ["--objective", objective, "--method", "evolution", "--calls", 6, "--batch", 3, "--no-finetune"]
    works("optimize", "-m", run, *arguments, "--start", CHIRAL, "-o", tmp_path / "best.csv", "-q")

    vae = molvae.load(run, device="cpu")
    assert len(vae.sample(3, seed=0)) == 3
    encoded = vae.encode_rows([*molecules[:5], CHIRAL, SALT, "C", "xx"])
    assert encoded.valid.tolist() == [True] * 8 + [False]
    assert len(vae.decode(encoded.z)) == 9
    assert np.isfinite(vae.negative_elbo(list(molecules[:5]))).all()
    assert len(vae.interpolate(molecules[0], molecules[1], steps=3, method="linear")) == 3
    assert len(vae.neighbors(molecules[0], walks=1, steps=3, seed=0)) == 3


REFUSED = {
    "a flow prior needs a continuous latent": {"model.latent.kind": "vq", "prior.model.kind": "flow"},
    "a gmm prior needs a continuous latent": {"model.latent.kind": "fsq", "prior.model.kind": "gmm"},
    "a masked prior needs a latent of codes, which a gaussian latent has not": {"prior.model.kind": "masked"},
    "a spline prior is a density over all z, and a sphere latent lies on a surface": {
        "model.latent.kind": "sphere",
        "prior.model.kind": "spline",
    },
    "a total_correlation critic needs a continuous z": {
        "model.latent.kind": "vq",
        "training.critic.kind": "total_correlation",
    },
    "an adversarial critic needs a continuous z": {
        "model.latent.kind": "sphere",
        "training.critic.kind": "adversarial",
    },
    "guidance follows a condition, and the model has none": {
        "prior.model.kind": "flow_matching",
        "prior.model.guidance": 2.0,
    },
    "a vamp prior is trained with the model: give it fit: joint": {"prior.model.kind": "vamp"},
    "a vamp prior is made of Gaussian posteriors": {
        "model.latent.kind": "autoencoder",
        "model.latent.noise": 0.1,
        "prior.model.kind": "vamp",
        "prior.fit": "joint",
    },
    "an exemplar prior is fitted afterwards: give it fit: two-stage": {
        "prior.model.kind": "exemplar",
        "prior.fit": "joint",
    },
    "a tcvae latent splits the KL to N": {
        "model.latent.kind": "tcvae",
        "prior.model.kind": "flow",
        "prior.fit": "joint",
    },
    "an autoencoder without noise has no KL to a joint prior": {
        "model.latent.kind": "autoencoder",
        "prior.model.kind": "flow",
        "prior.fit": "joint",
    },
    "an iwae objective weights samples": {"model.latent.kind": "vq", "training.objective.kind": "iwae"},
    "doubly_reparametrized needs a Gaussian posterior": {
        "model.latent.kind": "sphere",
        "training.objective.kind": "iwae",
        "training.objective.doubly_reparametrized": True,
    },
    "training.corruption hides tokens": {"model.encoder.kind": "gnn", "training.corruption": 0.1},
    "8 heads need hidden_dim to be a multiple of 16, not 20": {
        "model.decoder.kind": "transformer",
        "model.decoder.hidden_dim": 20,
    },
    "12 slots do not divide global_dim 32": {
        "model.latent.kind": "hierarchical",
        "model.encoder.n_slots": 12,
    },
    "5 spheres do not divide 128 dimensions": {"model.latent.kind": "sphere", "model.latent.n_spheres": 5},
}


@pytest.mark.parametrize(("sentence", "settings"), REFUSED.items(), ids=REFUSED.keys())
def test_bad_pairs_are_refused_in_one_sentence_before_training(sentence: str, settings: dict[str, Any]) -> None:
    values: dict[str, Any] = {"training": {"max_steps": 1}}
    for place, value in settings.items():
        *parents, last = place.split(".")
        node = values
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    with pytest.raises(ConfigError) as caught:
        parse_config(ExperimentConfig, values, where="test")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FAMILY)
def test_every_config_of_the_family_is_whole(name: str) -> None:
    path = ROOT / "configs" / "family" / f"{name}.yaml"
    config = load_experiment(path)
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert config.training.max_time is not None
