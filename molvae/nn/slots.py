"""Slots: equal parts of h and z, each of which represents its own consecutive tokens of the molecule."""

import torch
from torch import Tensor, nn

MAX_PARTS = 128  # number of token positions with a learned bias of their own; later ones share the last one


class SequenceSlots(nn.Module):
    """M slots, each an attention-weighted mean of token states; the attention starts at the slot's own tokens.

    A slot whose tokens lie beyond the end of the molecule is empty: it gets a learned vector that is the same for all
    molecules.

    A latent that represents the molecule as a whole is like a hash of it, which a prior can hardly predict. A slot can
    be predicted from the slots before it.

    Args:
        dim: size of a token's state (D).
        n_slots: number of slots (M).
        tokens_per_slot: number of consecutive tokens that a slot represents; the last slot takes all remaining ones.
    """

    begins: Tensor

    def __init__(self, dim: int, *, n_slots: int, tokens_per_slot: int = 1) -> None:
        super().__init__()
        self.score = nn.Linear(dim, n_slots, bias=False)
        nn.init.zeros_(self.score.weight)
        self.bias = nn.Parameter(slot_bias(MAX_PARTS, n_slots, tokens_per_slot=tokens_per_slot).T.contiguous())
        self.position = nn.Parameter(torch.zeros(n_slots, dim))
        self.empty = nn.Parameter(torch.randn(dim) / 10)
        self.register_buffer("begins", torch.arange(n_slots) * tokens_per_slot, persistent=False)

    def forward(self, states: Tensor, known: Tensor) -> Tensor:
        """Compute the slots.

        Args:
            states: token states `(B, T, D)`.
            known: `(B, T)` bool, False for padding; every row has at least one True.

        Returns:
            The slots `(B, M, D)`.
        """
        positions = torch.arange(states.shape[1], device=states.device).clamp(max=MAX_PARTS - 1)
        scores = self.score(states).transpose(1, 2).float() + self.bias[:, positions]
        weights = scores.masked_fill(~known.unsqueeze(1), -torch.inf).softmax(-1)
        filled = self.begins < known.sum(1, keepdim=True)  # (B, M)
        found = weights.to(states.dtype) @ states
        return torch.where(filled.unsqueeze(2), found, self.empty.to(found.dtype)) + self.position


def slot_bias(n_parts: int, n_slots: int, *, tokens_per_slot: int = 1) -> Tensor:
    """Initial attention logits `(n_parts, n_slots)` between token positions and slots, highest at the own slot.

    >>> slot_bias(4, 2, tokens_per_slot=2)
    tensor([[-0.0000, -1.0000],
            [-0.2500, -0.2500],
            [-1.0000, -0.0000],
            [-2.2500, -0.0000]])
    """
    part = torch.arange(n_parts, dtype=torch.float32).unsqueeze(1) / tokens_per_slot
    slot = torch.arange(n_slots, dtype=torch.float32)
    distance = part - slot
    distance[:, -1] = distance[:, -1].clamp(max=0.0)
    return -distance.square()


class SlotLinear(nn.Linear):
    """A linear layer that is applied to each slot of h with the same weights: `(B, h_dim)` → `(B, out_dim)`.

    Args:
        h_dim: size of h.
        out_dim: size of the result.
        n_slots: number of slots of h and of the result.
    """

    def __init__(self, h_dim: int, out_dim: int, *, n_slots: int = 1) -> None:
        super().__init__(h_dim // n_slots, out_dim // n_slots)
        self.n_slots = n_slots

    def forward(self, h: Tensor) -> Tensor:
        """Apply the layer to h `(B, h_dim)`: `(B, out_dim)`."""
        return super().forward(h.unflatten(1, (self.n_slots, -1))).flatten(1)
