"""A GRU that is advanced step by step, as sampling does."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GRUSteps:
    """The steps of a `torch.nn.GRU` in eval mode, without what its own call repeats at every step.

    What enters the gates from the input is computed by `gates`: once for an input that stays the same, and once for all
    entries of an embedding that inputs are taken from.

    Args:
        gru: the GRU.
        precision: of the matrix products; everything else is done in float32.
    """

    def __init__(self, gru: nn.GRU, *, precision: torch.dtype = torch.float32) -> None:
        self.dim = gru.hidden_size
        self.precision = precision
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        layers = [[getattr(gru, f"{name}_l{layer}").detach() for name in names] for layer in range(gru.num_layers)]
        self.weights = [(inner.to(precision), outer.to(precision)) for inner, outer, _, _ in layers]
        self.biases = [(own, state) for _, _, own, state in layers]

    def gates(self, x: Tensor, *, first: int = 0, layer: int = 0) -> Tensor:
        """What inputs `(…, I)`, or the part of them that begins at column `first`, add to the gates: `(…, 3D)`.

        The bias is left out, so that the parts of an input can be added up.
        """
        weight = self.weights[layer][0][:, first : first + x.shape[-1]]
        return F.linear(x.to(self.precision), weight).float()

    def __call__(self, gates: Tensor, state: Tensor) -> Tensor:
        """The state `(n, layers, D)` after one more step, for the result of `gates` `(n, 3D)`."""
        new: list[Tensor] = []
        for layer, ((_, recurrent), (own, other)) in enumerate(zip(self.weights, self.biases, strict=True)):
            before = state[:, layer]
            inputs = (self.gates(new[-1], layer=layer) if layer else gates) + own
            recalled = F.linear(before.to(self.precision), recurrent).float() + other
            reset, update = (inputs[:, : 2 * self.dim] + recalled[:, : 2 * self.dim]).sigmoid_().chunk(2, dim=1)
            fresh = torch.addcmul(inputs[:, 2 * self.dim :], reset, recalled[:, 2 * self.dim :]).tanh_()
            new.append(torch.lerp(fresh, before, update))
        return torch.stack(new, dim=1)
