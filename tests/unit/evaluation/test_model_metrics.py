import numpy as np
import pytest
import torch

from molvae.evaluation.model_metrics import model_metrics
from molvae.generator import MoleculeGenerator


def test_a_model_is_judged_by_reconstruction_bounds_latent_use_and_heads(
    vae: MoleculeGenerator, molecules: tuple[str, ...]
) -> None:
    values = model_metrics(vae, [*molecules, "[Xe]"], n_bounded=8)
    rebuilt = vae.reconstruct(molecules)
    known = [m for m, reason in zip(molecules, rebuilt["reason"], strict=True) if not reason]
    assert values["encodable"] == pytest.approx(len(known) / (len(molecules) + 1))
    assert values["exact"] == pytest.approx(rebuilt.loc[rebuilt["reason"] == "", "exact"].mean())
    assert values["nelbo"] >= values["IWAE 10"] >= values["IWAE 100"] > 0
    assert 0 <= values["active units"] <= vae.latent_dim
    names = [name.removeprefix("R² ") for name in values if name.startswith("R² ")]
    assert "logp" in names
    assert "assay" not in names  # nothing that RDKit could compute
    assert all(np.isfinite(v) for v in values.values())


def test_molecules_outside_the_vocabulary_leave_nothing_to_judge(vae: MoleculeGenerator) -> None:
    assert model_metrics(vae, ["[Xe]", "xx"]) == {"encodable": 0.0}


def test_the_numbers_do_not_touch_the_global_generator(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    state = torch.get_rng_state()
    model_metrics(vae, molecules[:4], n_bounded=2)
    assert torch.equal(torch.get_rng_state(), state)
