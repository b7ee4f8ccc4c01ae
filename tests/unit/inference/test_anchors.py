"""Anchored decoding: every molecule comes back from its own latent, however little the model has learned."""

import numpy as np
import torch

from molvae.data.vocabulary import EOS
from molvae.generator import MoleculeGenerator
from molvae.inference.sampling import anchors_of, decode

MOLECULES = ["CCO", "c1ccccc1", "CC(=O)Nc1ccc(O)cc1", "C", "CC(C)Cc1ccc(cc1)C(C)C(=O)O"]


def known(vae: MoleculeGenerator) -> tuple[list[str], np.ndarray]:
    encoded = vae.encode_rows(MOLECULES)
    usable = np.flatnonzero(encoded.valid)
    assert len(usable) >= 3
    return [str(encoded.smiles[i]) for i in usable], encoded.z[usable]


def test_anchored_decoding_inverts_encoding(vae: MoleculeGenerator) -> None:
    smiles, z = known(vae)
    assert decode(vae, z, anchors=anchors_of(vae, smiles, z)) == smiles
    rows = z[::-1].copy()  # not the latents they were encoded to
    assert decode(vae, rows, anchors=anchors_of(vae, smiles, rows)) == smiles


def test_anchors_add_nothing_where_the_molecule_is_decoded_anyway(vae: MoleculeGenerator) -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((64, vae.latent_dim)).astype(np.float32)
    decoded = vae.decode(z)
    own = [i for i, s in enumerate(decoded) if s and vae.tokenize([s])[0].reason is None]
    ids = vae.model.decode(torch.from_numpy(z[own]), max_length=vae.max_length)
    written = [i for i, row in zip(own, ids, strict=True) if vae.tokenize([decoded[i]])[0].canonical_ids == _body(row)]
    assert written
    anchors = anchors_of(vae, [decoded[i] for i in written], z[written])
    assert float(anchors.additions.max()) < 0.02


def test_anchors_of_weight_0_change_nothing(vae: MoleculeGenerator) -> None:
    smiles, z = known(vae)
    anchors = anchors_of(vae, smiles, z)
    off = anchors.weighted(torch.zeros(len(z), 1))
    assert decode(vae, z, anchors=off) == decode(vae, z)


def _body(row: torch.Tensor) -> list[int]:
    ids = row.tolist()
    return ids[: ids.index(EOS)] if EOS in ids else []
