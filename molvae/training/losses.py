"""What training minimises, in nats a molecule."""

import torch
import torch.nn.functional as F
from torch import Tensor

from molvae.data.vocabulary import PAD


def reconstruction_loss(logits: Tensor, token_ids: Tensor) -> Tensor:
    """Negative log-likelihood of the tokens after bos: summed over tokens, mean over molecules.

    Args:
        logits: `(B, T - 1, V)`.
        token_ids: `(B, T)`.
    """
    targets = token_ids[:, 1:]
    total = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=PAD, reduction="sum")
    return total / len(targets)


def property_loss(predicted: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error over the labels that are there (standardised units); 0 when none is.

    Args:
        predicted: `(B, P)`.
        labels: `(B, P)`, nan where missing.
    """
    known = torch.isfinite(labels)
    error = (predicted.float() - labels.nan_to_num()).square()
    return torch.where(known, error, torch.zeros_like(error)).sum() / known.sum().clamp(min=1)
