"""Fingerprints of a prepared folder, and the losses that need them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from molvae.chem.similarity import tanimoto
from molvae.data.batches import collate
from molvae.data.prepare.fingerprints import add_fingerprints
from molvae.data.prepare.refragment import refragment
from molvae.data.prepared import PreparedData
from molvae.errors import PreparedDataError
from molvae.training.losses import fingerprint_loss, tanimoto_loss


@pytest.fixture
def data(prepared: PreparedData, tmp_path: Path) -> PreparedData:
    shutil.copytree(prepared.path, tmp_path / "p")
    return add_fingerprints(PreparedData.open(tmp_path / "p"), n_jobs=1)


def test_rows_are_the_ecfp4_bits_of_the_molecules(data: PreparedData) -> None:
    rows = data.with_fingerprints().fingerprints
    assert rows is not None
    assert rows.shape == (len(data), 128)
    bits = np.unpackbits(np.asarray(rows), axis=1).astype(bool)
    smiles = data.smiles()
    similarity = (bits[0] & bits[1]).sum() / (bits[0] | bits[1]).sum()
    assert similarity == pytest.approx(tanimoto(smiles[0], smiles[1]), abs=0.02)  # half as many bits, some collide


def test_another_vocabulary_keeps_them(data: PreparedData, tmp_path: Path) -> None:
    other = refragment(data, tmp_path / "other", fragments=0).with_fingerprints()
    np.testing.assert_array_equal(other.fingerprints, data.with_fingerprints().fingerprints)


def test_a_folder_without_them_says_so(prepared: PreparedData) -> None:
    with pytest.raises(PreparedDataError, match="molvae data fingerprint"):
        prepared.with_fingerprints()


def test_the_loss_is_one_minus_the_correlation_of_the_distances(data: PreparedData) -> None:
    batch = collate(data.with_fingerprints(), np.arange(12))
    assert batch.fingerprints is not None
    bits = np.unpackbits(batch.fingerprints.numpy(), axis=1).astype(float)
    z = np.random.default_rng(0).standard_normal((12, 5)).astype(np.float32)
    pairs = [(i, j) for i in range(12) for j in range(i + 1, 12)]
    tanimoto_distance = [1 - np.minimum(bits[i], bits[j]).sum() / np.maximum(bits[i], bits[j]).sum() for i, j in pairs]
    latent = [np.linalg.norm(z[i] - z[j]) for i, j in pairs]
    expected = 1 - np.corrcoef(latent, tanimoto_distance)[0, 1]
    assert float(tanimoto_loss(torch.from_numpy(z), batch.fingerprints)) == pytest.approx(expected, abs=1e-4)


def test_descending_the_loss_makes_latents_alike_where_molecules_are(data: PreparedData) -> None:
    batch = collate(data.with_fingerprints(), np.arange(12))
    assert batch.fingerprints is not None
    z = torch.randn(12, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.1)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = tanimoto_loss(z, batch.fingerprints)
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.2 < losses[0]


def test_latents_all_alike_give_a_finite_gradient(data: PreparedData) -> None:
    batch = collate(data.with_fingerprints(), np.arange(4))
    assert batch.fingerprints is not None
    z = torch.zeros(4, 3, requires_grad=True)
    tanimoto_loss(z, batch.fingerprints).backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


def test_the_bits_cost_as_many_nats_as_their_probabilities_say(data: PreparedData) -> None:
    batch = collate(data.with_fingerprints(), np.arange(4))
    assert batch.fingerprints is not None
    on = np.unpackbits(batch.fingerprints.numpy(), axis=1).sum()
    rare = torch.full((4, 1024), -3.0)  # every bit with the same probability, so their order does not matter
    p = 1 / (1 + np.exp(3.0))
    expected = -(on * np.log(p) + (4 * 1024 - on) * np.log(1 - p)) / 4
    assert float(fingerprint_loss(rare, batch.fingerprints)) == pytest.approx(expected, rel=1e-5)


def test_a_linear_layer_learns_the_bits(data: PreparedData) -> None:
    batch = collate(data.with_fingerprints(), np.arange(8))
    assert batch.fingerprints is not None
    layer = torch.nn.Linear(8, 1024)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = fingerprint_loss(layer(torch.eye(8)), batch.fingerprints)
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.02 * losses[0]
