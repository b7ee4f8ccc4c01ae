"""The base class of critics: networks that are trained beside a model, and that the model is trained against."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from molvae.config import Section, Size, Weight, a
from molvae.nn.latents.base import LatentSettings

LAYERS = 3


@dataclass(frozen=True)
class Seen:
    """What a critic sees of a batch.

    Attributes:
        z: `(B, Z)`, what the decoder got.
        logits: `(B, T - 1, V)`, what it said of the tokens after bos.
        token_ids: `(B, T)`, the tokens of the molecules.
    """

    z: Tensor
    logits: Tensor
    token_ids: Tensor

    def detached(self) -> "Seen":
        """The same without gradients to the model."""
        return Seen(self.z.detach(), self.logits.detach(), self.token_ids)


class Critic(nn.Module):
    """Base of all critics; they are used in training only, and no part of the checkpoint.

    A critic has its own group of the optimizer, with its own learning rate and moments. As AdamW treats every weight by
    itself, that is an optimizer of its own; both step after the same backward pass. The model's penalty takes the
    critic's weights as constants, and the critic's loss takes the model's outputs as constants.
    """

    def penalty(self, seen: Seen) -> Tensor:
        """What the model minimizes, a scalar, with the critic's weights as constants."""
        raise NotImplementedError

    def loss(self, seen: Seen) -> Tensor:
        """What the critic minimizes, a scalar; `seen` has no gradients."""
        raise NotImplementedError

    def constant(self, *inputs: Tensor) -> Tensor:
        """`forward` with weights that get no gradient."""
        return functional_call(self, {name: p.detach() for name, p in self.named_parameters()}, inputs)


def perceptron(in_dim: int, hidden_dim: int, out_dim: int = 1) -> nn.Sequential:
    """A network with leaky ReLUs, which critics commonly have."""
    sizes = [in_dim] + [hidden_dim] * LAYERS
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(hidden_dim, out_dim))


class CriticSettings(Section):
    """Base of the settings of critics, which build them."""

    member: ClassVar[type[Critic]]
    of_z: ClassVar[bool] = True
    """Whether the critic judges z, which must then be continuous."""

    kind: str
    weight: Weight = 1.0
    """Weight of the penalty in the loss of the model."""
    learning_rate: Annotated[float, Field(ge=1e-9, le=10)] = 1e-4
    """Of the critic, at the peak; it follows the schedule of the model's."""
    hidden_dim: Size = 256

    def check(self, latent: LatentSettings) -> None:
        """Raise `ValueError` if the critic cannot be used with the latent."""
        if self.of_z and (latent.member.discrete or latent.member.curved):
            raise ValueError(
                f"{a(self.kind)} critic needs a continuous z that can be anywhere, which {a(latent.kind)} latent "
                f"has not; leave out training.critic"
            )

    def build(self, latent_dim: int, vocabulary_size: int) -> Critic:
        """Build the critic, with untrained weights."""
        raise NotImplementedError
