"""Run: python scripts/make/golden.py tests/golden/tiny.

Trains the tiny checkpoint that the golden tests open: 20 small molecules, memorized. It is made again only when the
checkpoint format changes; the old one is then kept as the test of its migration.
"""

import json
import sys
import tempfile
from pathlib import Path

from molvae.checkpoint import load_checkpoint, save_checkpoint
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.run import prepare
from molvae.generator import MoleculeGenerator
from molvae.training.config import ExperimentConfig
from molvae.training.fit import train

MOLECULES = [
    "CCO",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CC(=O)Nc1ccc(O)cc1",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "c1ccc2[nH]ccc2c1",
    "O=C(O)c1ccccc1",
    "CCN(CC)CC",
    "C1CCNCC1",
    "COc1ccccc1",
    "Clc1ccccc1",
    "CC(N)C(=O)O",
    "NCCc1ccc(O)c(O)c1",
    "OCC(O)CO",
    "CS(=O)(=O)c1ccccc1",
    "N#Cc1ccccc1",
    "FC(F)(F)c1ccccc1",
    "c1ccncc1",
    "O=C1CCCN1",
    "CC(C)(C)O",
]


def main(out: Path) -> None:
    """Train, save in half precision, and record what the checkpoint gives."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "m.smi").write_text("\n".join(MOLECULES))
        config = PrepareConfig(fragments=40, descriptors=("logp", "mw"), valid_fraction=0, test_fraction=0, n_jobs=1)
        data = prepare([work / "m.smi"], work / "data", config=config)
        experiment = ExperimentConfig.model_validate(
            {
                "data": {"prepared": work / "data"},
                "model": {
                    "encoder": {"token_dim": 16, "hidden_dim": 24},
                    "latent": {"latent_dim": 8},
                    "decoder": {"token_dim": 16, "hidden_dim": 48},
                },
                "training": {
                    "max_steps": 800,
                    "batch_size": 20,
                    "learning_rate": 0.01,
                    "warmup_steps": 10,
                    "valid_every": 10_000,
                    "precision": "32-true",
                    "beta": {"kind": "constant", "beta": 0.005},
                },
            }
        )
        train(experiment, data, work / "run", device="cpu")
        checkpoint = load_checkpoint(work / "run" / "model")
        save_checkpoint(
            out,
            checkpoint.model,
            config=checkpoint.config,
            vocabulary=checkpoint.vocabulary,
            max_length=checkpoint.max_length,
            standard_form=checkpoint.standard_form,
            half=True,
        )
    vae = MoleculeGenerator.load(out, device="cpu")
    z = vae.encode(MOLECULES)
    recorded = {
        "smiles": MOLECULES,
        "reconstruction": vae.decode(z),
        "z_norms": [round(float((row**2).sum() ** 0.5), 4) for row in z],
        "properties": vae.properties(MOLECULES).round(2).to_dict("list"),
        "sample_seed_0": vae.sample(5, seed=0),
    }
    (out / "recorded.json").write_text(json.dumps(recorded, indent=1) + "\n")
    exact = int(vae.reconstruct(MOLECULES)["exact"].sum())
    print(f"{out}: {exact} of {len(MOLECULES)} molecules reconstructed")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
