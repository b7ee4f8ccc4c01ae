"""The loss functions of training, averaged over molecules."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from molvae.data.vocabulary import PAD
from molvae.nn.heads import PropertyHeads
from molvae.processes import mean_over_processes


def reconstruction_loss(logits: Tensor, token_ids: Tensor) -> Tensor:
    """Negative log-likelihood of the tokens after bos in nats, summed over tokens and averaged over molecules.

    Args:
        logits: `(B, T - 1, V)`.
        token_ids: `(B, T)`.
    """
    targets = token_ids[:, 1:]
    total = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=PAD, reduction="sum")
    return total / len(targets)


def loss_of_heads(heads: PropertyHeads, z: Tensor, properties: Tensor, *, codes: Tensor | None = None) -> Tensor:
    """What heads minimize on z `(B, Z)` and properties `(B, P)` in their own units, nan where missing.

    The code indices `(B, M)` of z save a search for them; see `PropertyHeads.forward`.
    """
    labels = heads.standardize(properties)
    if heads.likelihood == "gaussian":
        return property_nll(*heads.distribution(z, codes=codes), labels)
    return property_loss(heads(z, codes=codes), labels)


def property_loss(predicted: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error of standardized properties over the known labels; 0 if there are none.

    Args:
        predicted: `(B, P)`, standardized.
        labels: `(B, P)`, standardized, nan where missing.
    """
    known = torch.isfinite(labels)
    error = (predicted.float() - labels.nan_to_num()).square()
    n_known = mean_over_processes(known.sum().float())  # each process has other labels, and the mean is over all
    return torch.where(known, error, torch.zeros_like(error)).sum() / n_known.clamp(min=1)


def property_nll(mean: Tensor, logvar: Tensor, labels: Tensor) -> Tensor:
    """−log N(label; mean, variance) in nats, summed over known labels and averaged over molecules.

    This is the term that labels add to the ELBO, −E log p(y|z) (Kingma et al. 2014); a property that z does not tell
    gets a large variance and little weight.

    Args:
        mean: `(B, P)`, of standardized properties.
        logvar: `(B, P)`, log of their variance.
        labels: `(B, P)`, standardized, nan where missing.
    """
    known = torch.isfinite(labels)
    error = (mean.float() - labels.nan_to_num()).square()
    each = 0.5 * (error * torch.exp(-logvar.float()) + logvar.float() + math.log(2 * math.pi))
    molecules = mean_over_processes(each.new_tensor(float(len(labels))))
    return torch.where(known, each, torch.zeros_like(each)).sum() / molecules.clamp(min=1)


def tanimoto_loss(latents: Tensor, fingerprints: Tensor) -> Tensor:
    """One minus the Pearson correlation of latent and Tanimoto distances over all pairs of a batch; from 0 to 2.

    Args:
        latents: `(B, Z)`.
        fingerprints: `(B, bits / 8)` uint8, packed bits.
    """
    bits = _unpack(fingerprints)
    both, size = bits @ bits.T, bits.sum(1)
    tanimoto = 1 - both / (size.unsqueeze(0) + size.unsqueeze(1) - both).clamp(min=1)
    first, second = torch.triu_indices(len(bits), len(bits), offset=1, device=bits.device)
    distances = torch.stack([F.pdist(latents.float()), tanimoto[first, second]])
    centered = distances - distances.mean(dim=1, keepdim=True)
    norms = centered.norm(dim=1).clamp(min=1e-6)
    return 1 - (centered[0] @ centered[1]) / (norms[0] * norms[1])


def fingerprint_loss(logits: Tensor, fingerprints: Tensor) -> Tensor:
    """Negative log-likelihood of independent fingerprint bits in nats, summed over bits and averaged over molecules.

    Args:
        logits: `(B, bits)`.
        fingerprints: `(B, bits / 8)` uint8, packed bits.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), _unpack(fingerprints), reduction="sum") / len(logits)


def _unpack(fingerprints: Tensor) -> Tensor:
    """Unpack bits: `(B, bits / 8)` uint8 → `(B, bits)` float, 0 or 1; their order is the same in all rows."""
    shifts = torch.arange(8, device=fingerprints.device, dtype=torch.uint8)
    return ((fingerprints.unsqueeze(-1) >> shifts) & 1).flatten(1).float()
