"""`gradient`: gradient ascent on what the heads predict from z, with the prior's density to keep z decodable."""

import numpy as np
import torch

from molvae.errors import ConfigError
from molvae.optimize.moves import Moves
from molvae.optimize.objective import Objective
from molvae.optimize.oracle import Candidate, Oracle
from molvae.optimize.search import best_first, draw_by_rank, fitness

POPULATION = 1000
FROM_PRIOR = 0.1  # share of the paths that start at a draw from the prior
JITTER = 0.3  # noise on the starts, so that no path is taken twice


class GradientAscent:
    """Gradient ascent in the latent (after Gómez-Bombarelli et al. 2018).

    Paths start at the best molecules and at draws from the prior; every few steps the latent is decoded.

    Args:
        moves: the model behind it.
        objective: its scores must be properties that the model's heads predict.
        steps: steps of Adam per path.
        rate: learning rate of Adam, in units of z.
        density: weight of the prior's log-density per dimension.
        snapshots: latents decoded per path.

    Raises:
        ConfigError: when the heads do not predict a score, or the latent has VQ codes.
    """

    def __init__(
        self,
        moves: Moves,
        objective: Objective,
        *,
        steps: int = 30,
        rate: float = 0.05,
        density: float = 0.02,
        snapshots: int = 3,
    ) -> None:
        self.moves, self.objective = moves, objective
        self.steps, self.rate, self.density, self.snapshots = steps, rate, density, snapshots
        self.columns = head_columns(objective, moves)

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        """See `Search`."""
        values = fitness(oracle, rng)
        alive = best_first(values, POPULATION)
        paths = -(-2 * n // self.snapshots)
        starts = self.moves.from_prior(paths, rng)
        if len(alive):
            drawn = draw_by_rank(values[alive], round((1 - FROM_PRIOR) * paths), rng)
            parents = self.moves.encode([oracle.history.calls[alive[i]].smiles for i in drawn])
            encoded = [parent.z for parent in parents if parent is not None]
            starts[: len(encoded)] = encoded
        jitter = JITTER * rng.standard_normal((paths, len(starts[0])))
        path = self.climb(np.stack(starts) + jitter)
        fresh: dict[str, Candidate] = {}
        for greedy in (True, False):  # where the likeliest molecule is known already, another draw may be new
            decoded = self.moves.decode(path, rng, greedy=greedy)
            fresh |= {s: Candidate(s, "gradient") for s in decoded if oracle.admits(s) is not None}
            if len(fresh) >= n:
                break
        return list(fresh.values())[:n]

    def climb(self, starts: np.ndarray) -> np.ndarray:
        """Latents on the paths from starts `(paths, Z)`: `(paths · snapshots, Z)`, the ends of the paths first."""
        with torch.backends.cudnn.flags(enabled=False):  # cuDNN has no backward pass of a GRU in eval mode
            return self._climb(starts)

    def _climb(self, starts: np.ndarray) -> np.ndarray:
        vae = self.moves.vae
        prior, condition = vae.default_prior, self.moves.condition(len(starts))
        if prior.affordable is not None:  # its density is too expensive to compute at every step
            prior = vae.prior("standard")
        condition = None if condition is None else condition.detach()
        z = torch.from_numpy(starts.astype(np.float32)).to(vae.device).requires_grad_(True)
        optimizer = torch.optim.Adam([z], lr=self.rate)
        kept = []
        for step in range(1, self.steps + 1):
            raw = vae.model.heads.predict(z)[:, self.columns]
            slopes = self._slopes(raw.detach().cpu().double().numpy())
            likely = prior.log_prob(z, condition=condition).sum() / z.shape[1]
            height = (raw * torch.from_numpy(slopes).to(raw)).sum() + self.density * likely
            (z.grad,) = torch.autograd.grad(-height, z)
            optimizer.step()
            if step % max(self.steps // self.snapshots, 1) == 0:
                kept.append(z.detach().cpu().numpy().copy())
        return np.concatenate(kept[::-1])

    def _slopes(self, raw: np.ndarray) -> np.ndarray:
        """Slope of the score in every raw value, `(n, C)`, by central differences, as transforms have no gradients."""
        step = 1e-3 * self.moves.vae.model.heads.std[self.columns].cpu().double().numpy()
        columns = []
        for i, width in enumerate(step):
            shift = np.zeros_like(raw)
            shift[:, i] = width
            columns.append((self.objective.scores(raw + shift) - self.objective.scores(raw - shift)) / (2 * width))
        return np.nan_to_num(np.stack(columns, axis=1))


def head_columns(objective: Objective, moves: Moves) -> list[int]:
    """Index of each score among the heads' properties; raises `ConfigError` when one is not among them."""
    heads = moves.vae.model.heads
    if moves.vae.model.latent.discrete:
        raise ConfigError("the method gradient needs a continuous latent; this model has VQ codes")
    columns = []
    for component in objective.components:
        if component.descriptor not in heads.names:
            raise ConfigError(
                f"the method gradient needs scores that the model's heads predict, of: {', '.join(heads.names)}; "
                f"got {component.name!r}"
            )
        columns.append(heads.names.index(component.descriptor))
    return columns
