import torch

from molvae.nn.heads import PropertyHeads

N_CODES, N_SLOTS, SLOT = 50, 3, 4


def heads_of_codes() -> tuple[PropertyHeads, torch.Tensor]:
    torch.manual_seed(0)
    codes = torch.randn(N_CODES, SLOT)
    kinds = {"codebook": lambda: codes, "n_codes": N_CODES, "n_slots": N_SLOTS}
    return PropertyHeads(N_SLOTS * SLOT, ["mw"], mean=[300.0], std=[50.0], hidden_dim=16, **kinds), codes


def test_heads_learn_what_each_code_adds() -> None:
    heads, codes = heads_of_codes()
    value = torch.randn(N_CODES)
    rows = torch.randint(N_CODES, (2000, N_SLOTS))
    z, wanted = codes[rows].flatten(1), value[rows].sum(1, keepdim=True)
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.01)
    for step in range(150):
        part = slice(step % 10 * 200, step % 10 * 200 + 200)
        loss = (heads(z[part]) - wanted[part]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fresh = torch.randint(N_CODES, (500, N_SLOTS))
    error = (heads(codes[fresh].flatten(1)) - value[fresh].sum(1, keepdim=True)).square().mean()
    assert error < 0.1 * wanted.var()


def test_between_codes_predictions_change_smoothly_and_have_a_gradient() -> None:
    heads, codes = heads_of_codes()
    near = torch.cdist(codes[:1], codes)[0].topk(2, largest=False).indices[1]
    path = torch.lerp(codes[0], codes[near], torch.linspace(0, 1, 101).unsqueeze(1)).repeat(1, N_SLOTS)
    path.requires_grad_()
    predicted = heads(path).squeeze(1)
    assert predicted.diff().abs().max() < 0.2 * (predicted.max() - predicted.min())
    predicted.sum().backward()
    assert path.grad[50].abs().sum() > 0


def test_known_codes_give_what_is_found_without_them() -> None:
    torch.manual_seed(0)
    codes = torch.randn(12, 3)
    heads = PropertyHeads(6, ["logp"], mean=[0.0], std=[1.0], n_slots=2, codebook=lambda: codes, n_codes=12)
    indices = torch.tensor([[0, 5], [11, 11], [3, 7]])
    z = codes[indices].flatten(1)
    torch.testing.assert_close(heads(z, codes=indices), heads(z))
