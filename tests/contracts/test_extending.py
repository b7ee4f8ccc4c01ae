"""A model of parts that the package does not know trains, is measured and decodes like any other."""

import torch
from throwaway import PointLatentConfig, WindowDecoderConfig

from molvae.data.batches import MolBatch
from molvae.evaluation.collapse import diagnose
from molvae.nn.encoders.gru import GRUEncoder
from molvae.nn.heads import PropertyHeads
from molvae.nn.vae import MolVAE
from molvae.training.losses import reconstruction_loss

BATCH = MolBatch.of_token_ids([[4, 5, 6, 7], [8, 4], [9, 10, 11], [5]])


def test_a_new_latent_and_a_new_decoder_make_a_model() -> None:
    torch.manual_seed(0)
    encoder = GRUEncoder(14, token_dim=8, hidden_dim=8)
    latent = PointLatentConfig(latent_dim=6).build(encoder.h_dim)
    decoder = WindowDecoderConfig(hidden_dim=32).build(14, latent.latent_dim)
    model = MolVAE(encoder, latent, decoder, PropertyHeads(6, [], mean=[], std=[]))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        out = model.encode(BATCH)
        loss = reconstruction_loss(model.decoder(out.z, BATCH.token_ids), BATCH.token_ids) + 0.01 * out.regularizer
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    measured = diagnose(model.eval(), [BATCH], max_length=8)
    assert measured.exact == 1.0
    assert model.latent.standard_prior().sample_target(3).shape == (3, 6)
