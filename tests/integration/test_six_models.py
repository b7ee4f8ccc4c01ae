"""Every encoder with every latent and a learned prior: trained, saved, loaded in another process, sampled."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import molvae
from molvae.data.prepared import PreparedData
from molvae.generator import MoleculeGenerator
from molvae.training.config import ExperimentConfig
from molvae.training.fit import train

SLOTS = 4
GRU = {"kind": "gru", "token_dim": 16, "hidden_dim": 12, "n_slots": SLOTS}
GNN = {"kind": "gnn", "hidden_dim": 12, "n_layers": 2, "h_dim": 16, "n_slots": SLOTS}
ENCODERS = {"gru": GRU, "gnn": GNN, "fused": {"kind": "fused", "sequence": GRU, "graph": GNN}}
LATENTS = {
    "gaussian": {"kind": "gaussian", "latent_dim": 8},
    "vq": {"kind": "vq", "n_slots": SLOTS, "n_codes": 12, "code_dim": 2, "shared": True},
}
PRIOR = {"kind": "autoregressive", "hidden_dim": 16, "n_layers": 1, "slot_dim": 2, "n_components": 8, "shared": True}


@pytest.fixture(scope="module")
def six(prepared_with_graphs: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("six")
    decoder = {"token_dim": 16, "hidden_dim": 24, "n_slots": SLOTS}
    for encoder, encoder_config in ENCODERS.items():
        for latent, latent_config in LATENTS.items():
            config = {
                "data": {"prepared": str(prepared_with_graphs.path)},
                "model": {"encoder": encoder_config, "latent": latent_config, "decoder": decoder},
                "prior": {"fit": "joint", "model": PRIOR},
                "training": {"max_steps": 6, "batch_size": 8, "beta": {"kind": "constant", "beta": 1.0}},
            }
            experiment = ExperimentConfig.model_validate(config)
            train(experiment, prepared_with_graphs, folder / f"{encoder}-{latent}", device="cpu")
    return {path.name: path for path in folder.iterdir()}


def numbers(vae: MoleculeGenerator) -> list[str]:
    smiles = ["CCO", "CC(=O)Nc1ccccc1"]
    parts = (vae.encode(smiles), vae.properties(smiles).select_dtypes("number").to_numpy(), vae.negative_elbo(smiles))
    return [*(hashlib.sha256(part.tobytes()).hexdigest() for part in parts), *vae.sample(5, seed=1)]


def test_each_gives_equal_numbers_in_another_process(six: dict[str, Path]) -> None:
    here = {name: numbers(molvae.load(str(path), device="cpu")) for name, path in six.items()}
    assert len({tuple(found) for found in here.values()}) == len(ENCODERS) * len(LATENTS)
    program = (
        f"import json, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import molvae\n"
        "from test_six_models import numbers\n"
        "print(json.dumps({n: numbers(molvae.load(p, device='cpu')) for n, p in json.loads(sys.argv[1]).items()}))"
    )
    paths = json.dumps({name: str(path) for name, path in six.items()})
    done = subprocess.run([sys.executable, "-c", program, paths], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == here
