"""One small trained model of every kind, made by `molvae train` from one YAML, and the models that ship.

The small ones know their 72 training molecules by heart, which takes seconds and is enough for every command to mean
something: what they were trained on comes back from its latent, samples parse, walks lead from one molecule to another.
"""

import csv
import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from molvae.cli import main

ZINC_SAMPLE = Path(__file__).parents[2] / "data" / "zinc_sample.csv.gz"
SHIPPED = ("zinc", "moses", "qsar")
N_ZINC, LONGEST, N_HELD_OUT = 55, 32, 8

DRUGS = (
    "CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O",
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "COc1ccc2cc(ccc2c1)[C@H](C)C(=O)O",
    "CC(=O)Oc1ccccc1C(=O)[O-]",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CC(=O)Nc1ccc(O)cc1",
    "C[NH2+][C@H]1CC[C@H](c2ccc(Cl)c(Cl)c2)c2ccccc21",
    "CN[C@H]1CC[C@H](c2ccc(Cl)c(Cl)c2)c2ccccc21",
    "C[C@H](N)Cc1ccccc1",
    "C[NH+](C)CCc1c[nH]c2ccccc12",
    "CC(C)NC[C@H](O)COc1cccc2ccccc12",
    "C[C@@H](O)[C@H](N)C(=O)O",
    "C[C@H]([NH3+])C(=O)[O-]",
    "O=[N+]([O-])c1ccc(Cl)cc1",
    "C",
    "CO",
    "CCO",
    "CN1CCC[C@H]1c1cccnc1",
    "C[C@@H]1CCCCN1",
    "O=C([O-])c1ccccc1",
    "C/C=C/C(=O)O",
    "C[N+](C)(C)CCO",
    "CCOC(=O)c1ccc(N)cc1",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "c1ccc2[nH]ccc2c1",
)
"""With stereocentres, double-bond geometry and charges, which the molecules of ZINC's sample lack."""

SLOTS = 16
GRU = {"kind": "gru", "token_dim": 32, "hidden_dim": 48}
GNN = {"kind": "gnn", "hidden_dim": 32, "n_layers": 2, "h_dim": 64}
DECODER = {"token_dim": 32, "hidden_dim": 96, "token_dropout": 0.0}
HEADS = {"properties": ["logp", "qed", "mw"], "hidden_dim": 16}
CONDITION = {"properties": ["logp", "mw"], "dim": 8}
TRAINING = {
    "max_steps": 150,
    "batch_size": 32,
    "learning_rate": 0.01,
    "warmup_steps": 20,
    "precision": "32-true",
    "valid_every": 150,
    "save_every": 150,
}
FLOW = {"kind": "flow", "n_transforms": 3, "hidden_dims": [32]}
AUTOREGRESSIVE = {"kind": "autoregressive", "hidden_dim": 48, "n_layers": 1}
FITTED = {"fit": "two-stage", "max_epochs": 40, "patience": 40, "batch_size": 32, "learning_rate": 0.005}


def gaussian(**sections: Any) -> dict[str, Any]:
    """SELFIES, of which every latent decodes to a molecule."""
    return {
        "data": {"prepare": {"notation": "selfies"}},
        "model": {
            "encoder": GRU,
            "latent": {"kind": "gaussian", "latent_dim": 16},
            "decoder": DECODER,
            "heads": HEADS,
            **sections.pop("model", {}),
        },
        "training": TRAINING | {"beta": {"kind": "linear", "beta": 0.02}},
        **sections,
    }


def codes(**sections: Any) -> dict[str, Any]:
    """Slots of VQ codes of one codebook over SMILES, like the models that ship."""
    return {
        "data": {"prepare": {"notation": "smiles"}},
        "model": {
            "encoder": GRU | {"n_slots": SLOTS},
            "latent": {"kind": "vq", "n_slots": SLOTS, "n_codes": 32, "code_dim": 4, "shared": True},
            "decoder": DECODER | {"n_slots": SLOTS},
            "heads": HEADS,
            **sections.pop("model", {}),
        },
        "training": TRAINING | {"beta": {"kind": "constant", "beta": 1.0}},
        **sections,
    }


EXPERIMENTS: dict[str, dict[str, Any]] = {
    "gaussian": gaussian(),
    "gaussian_flow": gaussian(prior=FITTED | {"model": FLOW}),
    "codes": codes(prior=FITTED | {"model": AUTOREGRESSIVE}),
    "conditional_flow": gaussian(model={"condition": CONDITION}, prior=FITTED | {"model": FLOW}),
    "conditional_codes": codes(model={"condition": CONDITION}, prior={"fit": "joint", "model": AUTOREGRESSIVE}),
    "graph": gaussian(model={"encoder": GNN}),
}


@dataclass(frozen=True)
class Kind:
    """A trained model of one kind.

    Attributes:
        name: of the kind.
        where: what `-m` is given: a run's folder, or the name of a model that ships.
        experiment: the YAML it was trained from; `None` for those that ship.
        trained: what `molvae train` said; `None` for those that ship.
    """

    name: str
    where: str
    experiment: Path | None = None
    trained: Result | None = None

    @property
    def run(self) -> Path:
        return Path(self.where)

    @property
    def data(self) -> Path:
        """The prepared folder."""
        return self.run / "data"

    def copy_to(self, folder: Path) -> Path:
        """A copy of the run that a test may change."""
        return Path(shutil.copytree(self.run, folder / "copy"))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the small models are trained on: drugs with stereo and charges, and small molecules of ZINC."""
    with gzip.open(ZINC_SAMPLE, "rt", encoding="utf-8") as file:
        short = (row["smiles"] for row in csv.DictReader(file) if len(row["smiles"]) <= LONGEST)
        molecules = [*DRUGS, *islice(short, N_ZINC)]
    path = tmp_path_factory.mktemp("library") / "library.csv"
    held_out = len(molecules) - N_HELD_OUT
    rows = [f"{smiles},{'train' if i < held_out else 'valid'}" for i, smiles in enumerate(molecules)]
    path.write_text("\n".join(["smiles,split", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def write_experiment(library: Path) -> Callable[..., Path]:
    """Writes a YAML of an experiment on the library, sections given over those of a kind."""

    def write(path: Path, name: str, **changes: Any) -> Path:
        values = json.loads(json.dumps(EXPERIMENTS[name]))  # a deep copy that shares nothing
        values["data"]["inputs"] = [str(library)]
        values["data"]["prepare"] |= {"fragments": 150, "split": "column", "n_jobs": 1, "graphs": name == "graph"}
        values["data"]["prepare"]["descriptors"] = ["logp", "qed", "mw"]
        for place, value in changes.items():
            *parents, last = place.split("__")
            node = values
            for parent in parents:
                node = node.setdefault(parent, {})
            node[last] = value
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def kind_of(tmp_path_factory: pytest.TempPathFactory, write_experiment: Callable[..., Path]) -> Callable[[str], Kind]:
    """The model of a kind, trained when it is first asked for."""
    made: dict[str, Kind] = {name: Kind(name, name) for name in SHIPPED}
    folder = tmp_path_factory.mktemp("kinds")

    def get(name: str) -> Kind:
        if name not in made:
            config = write_experiment(folder / f"{name}.yaml", name)
            run = folder / name
            arguments = ["train", "-c", str(config), "-o", str(run), "--device", "cpu"]
            made[name] = Kind(name, str(run), config, CliRunner().invoke(main, arguments))
        return made[name]

    return get


@pytest.fixture
def kind(request: pytest.FixtureRequest, kind_of: Callable[[str], Kind]) -> Kind:
    """Asked for with `@pytest.mark.parametrize("kind", [names], indirect=True)`."""
    return kind_of(request.param)
