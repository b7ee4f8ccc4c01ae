import torch

from molvae.nn.draws import draw_index


def test_draws_are_in_proportion_to_the_weights():
    weights = torch.tensor([[0.0, 1.0, 0.0, 2.0, 0.0], [3.0, 0.0, 3.0, 0.0, 0.0]])
    drawn = draw_index(weights.repeat_interleave(4000, 0), torch.Generator().manual_seed(0)).view(2, -1)
    shares = torch.stack([torch.bincount(row, minlength=5) / 4000 for row in drawn])
    torch.testing.assert_close(shares, weights / weights.sum(1, keepdim=True), atol=0.03, rtol=0)
    assert (shares[weights == 0] == 0).all()


def test_the_same_seed_draws_the_same():
    weights = torch.rand(20, 7)
    assert (
        draw_index(weights, torch.Generator().manual_seed(3)).tolist()
        == draw_index(weights, torch.Generator().manual_seed(3)).tolist()
    )


def test_entries_without_weight_are_never_drawn_whatever_their_place() -> None:
    weights = torch.zeros(1, 70)
    weights[0, [3, 40, 67]] = torch.tensor([1.0, 2.0, 1.0])
    places = torch.linspace(0, 1, 4001, dtype=torch.float64)[:-1]
    drawn = draw_index(weights.expand(4000, -1), places=places)
    assert torch.bincount(drawn, minlength=70).nonzero().squeeze(1).tolist() == [3, 40, 67]
    assert torch.bincount(drawn)[[3, 40, 67]].tolist() == [1000, 2000, 1000]
    last = draw_index(weights, places=torch.tensor([1 - 2.0**-53], dtype=torch.float64))
    assert last.tolist() == [67]
