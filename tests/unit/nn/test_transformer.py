"""Transformer blocks: positions are relative, and checkpointing keeps gradients and saves memory."""

import torch

from molvae.nn.decoders.transformer import TransformerDecoder
from molvae.nn.transformer import rotate


def test_products_of_rotated_states_depend_on_their_distance_only() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(a: int, b: int) -> torch.Tensor:
        return (rotate(q, torch.tensor([a])) * rotate(k, torch.tensor([b]))).sum()

    torch.testing.assert_close(product(3, 1), product(12, 10), atol=1e-5, rtol=1e-4)
    assert abs(float(product(3, 1) - product(3, 2))) > 1e-3


def test_checkpointing_keeps_the_gradients_and_saves_memory() -> None:
    tokens, z = torch.randint(4, 14, (16, 20)), torch.randn(16, 6)
    kept, gradients = [], []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        decoder = TransformerDecoder(14, 6, hidden_dim=32, n_layers=4, n_heads=4, checkpointing=checkpointing)
        saved = [0]

        def pack(tensor: torch.Tensor, saved: list[int] = saved) -> torch.Tensor:
            saved[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = decoder.train()(z, tokens).square().mean()
        kept.append(saved[0])
        loss.backward()
        gradients.append([p.grad for p in decoder.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)
    assert kept[1] < kept[0] / 2
