"""Weighted retraining: the model is trained on the best molecules while the search goes on (Tripp et al. 2020)."""

import copy
from functools import partial

import numpy as np
import torch

from molvae.data.batches import MolBatch
from molvae.errors import ConfigError
from molvae.inference.loaded import LoadedModel
from molvae.nn.likelihood import token_losses
from molvae.optimize.oracle import Oracle
from molvae.optimize.search import best_first, fitness


class Finetuning:
    """Tunes a copy of the model on the best molecules found: weighted retraining (Tripp et al. 2020).

    It learns only from molecules that the search has scored.

    Args:
        vae: its `model` is replaced by the copy that is tuned.
        every: calls between two tunings.
        molecules: how many of the best molecules it learns from.
        steps: batches per tuning.
        batch_size: molecules per batch.
        learning_rate: of AdamW.
        beta: weight of the latent's regularizer.
    """

    def __init__(
        self,
        vae: LoadedModel,
        *,
        every: int = 500,
        molecules: int = 500,
        steps: int = 20,
        batch_size: int = 64,
        learning_rate: float = 5e-4,
        beta: float = 0.05,
    ) -> None:
        if vae.reads_graphs:
            raise ConfigError("fine-tuning during a search needs a model that reads tokens only, not graphs")
        self.vae = vae
        prior = vae.priors.get("learned")
        vae.model, prior = copy.deepcopy((vae.model, prior))  # together: a prior of codes knows its codebooks
        if prior is not None:
            vae.priors = vae.priors | {"learned": prior}
        self.prior = prior
        self.every, self.molecules, self.steps, self.batch_size, self.beta = every, molecules, steps, batch_size, beta
        self.optimizer = torch.optim.AdamW(self._parameters(), lr=learning_rate)
        self._tuned_at = 0

    def tune(self, oracle: Oracle, rng: np.random.Generator) -> bool:
        """Tune, if enough calls have been made since the last time; returns whether the model has changed."""
        if len(oracle.history) - self._tuned_at < self.every:
            return False
        self._tuned_at = len(oracle.history)
        best = best_first(fitness(oracle, rng), self.molecules)
        ids = [i for i in (self.vae.token_ids(oracle.history.calls[k].smiles) for k in best) if i]
        if len(ids) < 2:
            return False
        weights = 1.0 / (np.arange(len(ids)) + 0.1 * len(ids))  # by rank
        parts = [self.vae.model, *([] if self.prior is None else [self.prior])]
        for part in parts:
            part.train()
        if self.vae.model.latent.discrete:
            self.vae.model.latent.eval()  # a few molecules must not take over the codebooks
        with torch.random.fork_rng():  # dropout and posterior draws have no generator of their own
            torch.manual_seed(int(rng.integers(2**62)))
            for _ in range(self.steps):
                rows = rng.choice(len(ids), size=self.batch_size, p=weights / weights.sum())
                self._step(MolBatch.of_token_ids([ids[r] for r in rows]).to(self.vae.device))
        for part in parts:
            part.eval()
        return True

    def _step(self, batch: MolBatch) -> None:
        model = self.vae.model
        condition = model.embed_condition(len(batch))
        log_prior = None if self.prior is None else partial(self.prior.log_prob, condition=condition)
        latent = model.encode(batch, log_prior=log_prior)
        logits = model.decoder(latent.z, batch.token_ids, condition=condition)
        loss = token_losses(logits, batch.token_ids).mean()
        self.optimizer.zero_grad()
        (loss + self.beta * latent.regularizer + latent.auxiliary).backward()
        torch.nn.utils.clip_grad_norm_(self._parameters(), 1.0)
        self.optimizer.step()

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [*self.vae.model.parameters(), *([] if self.prior is None else self.prior.parameters())]
