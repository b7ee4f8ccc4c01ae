"""A loaded model on a device: it turns molecules into tensors and back, and has the one loop that encodes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from molvae.checkpoint import Checkpoint, load_checkpoint
from molvae.chem.inputs import as_molecules
from molvae.chem.notation import notation
from molvae.chem.standardize import Standardizer
from molvae.config import Number, checked
from molvae.data.atom_tokens import AtomTokenMap
from molvae.data.batches import MolBatch
from molvae.data.graphs import GraphStore
from molvae.data.tokenizer import MoleculeTokenizer, TokenizedMolecule
from molvae.device import resolve_device
from molvae.errors import CheckpointError, ConfigError, InputError, VocabularyError
from molvae.nn.draws import NOT_FINITE
from molvae.nn.priors.base import Prior

BATCH = 512  # molecules encoded or decoded in one batch


class LoadedModel:
    """A trained model, ready for molecules.

    Args:
        checkpoint: an opened checkpoint.
        device: where the model runs: "auto", "cpu", "cuda", "cuda:1", …

    Attributes:
        model: the network, in eval mode.
        priors: by name: "standard", and "learned" if the checkpoint has one.
        vocabulary: the tokens and their ids.
        notation: SELFIES or SMILES, whichever the vocabulary is made of.
        standardizer: brings molecules into the standard form of the training data.
        tokenizer: standardizes molecules and turns them into tokens.
        max_length: most tokens a generated molecule may have, eos counted.
        sampling: the default temperatures and top-p of draws.
        diagnostics: what was measured after training.
        known: the training set; `None` where the checkpoint does not have it.
        least_likely: log likelihoods below which draws are left out, by way to draw; see `molvae.inference.sampling`.

    Raises:
        ConfigError: for a device that is not there.
    """

    def __init__(self, checkpoint: Checkpoint, *, device: str = "auto") -> None:
        self.device = resolve_device(device)
        self.model = checkpoint.model.to(self.device).eval()
        self.vocabulary = checkpoint.vocabulary
        self.max_length = checkpoint.max_length
        self.diagnostics = checkpoint.diagnostics
        self.sampling = checkpoint.sampling
        self.known = checkpoint.known
        self.least_likely: dict[Any, float] = {}
        self.notation = notation(checkpoint.vocabulary.notation)
        self.standardizer = Standardizer(**checkpoint.standard_form.arguments())
        self.tokenizer = MoleculeTokenizer(
            self.standardizer,
            self.vocabulary,
            graphs=self.reads_graphs,
            max_tokens=self.model.encoder.max_tokens,
        )
        self.priors: dict[str, Prior] = {"standard": self.model.latent.standard_prior().to(self.device)}
        if checkpoint.prior is not None:
            self.priors["learned"] = checkpoint.prior.to(self.device)

    @classmethod
    def load(cls, path: str | Path | None = None, *, device: str = "auto") -> Self:
        """Open a checkpoint directory, a run's directory, or a shipped model by its name; `None` opens the default one.

        Raises:
            CheckpointError: when there is no complete checkpoint.
        """
        return cls(load_checkpoint(path), device=device)

    @property
    def latent_dim(self) -> int:
        """Number of latent dimensions, Z."""
        return self.model.latent.latent_dim

    @property
    def reads_graphs(self) -> bool:
        """Whether the encoder reads graphs."""
        return self.model.encoder.reads_graphs

    @property
    def default_prior(self) -> Prior:
        """The learned prior if there is one, else the standard one."""
        return self.priors.get("learned", self.priors["standard"])

    @cached_property
    def atom_tokens(self) -> AtomTokenMap:
        """Which token wrote each atom."""
        return AtomTokenMap(self.vocabulary)

    def prior(self, name: str | None = None) -> Prior:
        """The prior called "learned" or "standard"; by default the learned one if there is one.

        Raises:
            ConfigError: when the model has no such prior.
        """
        if name is None:
            return self.default_prior
        if name not in self.priors:
            hint = "; fit one with `molvae fit-prior`" if name == "learned" else ""
            raise ConfigError(f"the model has no prior {name!r}, only: {', '.join(self.priors)}{hint}")
        return self.priors[name]

    def sample_z(
        self, n: int, *, prior: str | None = None, condition: Tensor | None = None, temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Latents `(n, Z)` drawn from a prior.

        Args:
            n: how many.
            prior: its name; see `prior`.
            condition: `(n, C)` or `(1, C)`; by default no property is asked for.
            temperature: below 1 favors likely latents.
            generator: random numbers for the draws, on the model's device.
        """
        given, source = self.condition_rows(n, condition), self.prior(prior)
        target = source.sample_target(n, condition=given, temperature=temperature, generator=generator)
        return self.model.latent.to_z(target)

    @torch.no_grad()
    def condition(self, asked: Mapping[str, float], *, guidance: float = 1.0) -> Tensor | None:
        """The condition c `(1, C)` that asks for values of properties; `None` for a model without a condition.

        Args:
            asked: values by name, in the properties' own units.
            guidance: how far to go from the condition that asks for nothing toward the one wanted: 1 reaches it, as in
                training; above 1 goes beyond it.

        Raises:
            ConfigError: for a property that the model is not conditioned on, and a number out of range.
        """
        known = () if self.model.condition is None else self.model.condition.names
        checked(Number, guidance, "guidance")
        for name in asked:
            checked(Number, asked[name], f"a condition on {name}")
            if name not in known:
                raise ConfigError(
                    f"the model cannot be asked for {name!r}; it can be asked for: {', '.join(known) or 'nothing'}"
                )
        values = torch.tensor([[asked.get(name, torch.nan) for name in self.model.heads.names]], device=self.device)
        nothing, wanted = self.model.embed_condition(1), self.model.embed_condition(1, values)
        return None if nothing is None or wanted is None else nothing + guidance * (wanted - nothing)

    def condition_rows(self, n: int, condition: Tensor | None = None) -> Tensor | None:
        """A condition `(1, C)` for n molecules, `(n, C)`; by default no property is asked for.

        `None` for a model without a condition.
        """
        return self.model.embed_condition(n) if condition is None else condition.expand(n, -1)

    def generator(self, seed: int | None) -> torch.Generator:
        """A random number generator on the model's device; without a seed it differs every time."""
        generator = torch.Generator(device=self.device)
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        return generator

    def token_ids(self, smiles: str) -> list[int] | None:
        """Token ids of a SMILES, in the order in which it is written; `None` when the vocabulary cannot write it."""
        try:
            return self.vocabulary.encode(self.notation.to_symbols(smiles))
        except (InputError, VocabularyError):
            return None

    def to_smiles(self, token_ids: Tensor | Sequence[Sequence[int]]) -> list[str]:
        """Canonical SMILES of rows of token ids, "" where they are no molecule."""
        rows = token_ids.tolist() if isinstance(token_ids, Tensor) else token_ids
        return [self.notation.to_smiles(self.vocabulary.decode(row)) for row in rows]

    def tokenize(self, molecules: Any) -> list[TokenizedMolecule]:
        """Standardize molecules, given in any form that `as_molecules` takes, and turn them into tokens."""
        return self.tokenizer.tokenize_many(as_molecules(molecules))

    def batch(self, molecules: Sequence[TokenizedMolecule]) -> MolBatch:
        """A batch on the model's device, with one row per SMILES of each molecule; all molecules must be usable."""
        graphs = [m.graph for m in molecules for _ in m.token_ids if m.graph is not None]
        graph = None
        if graphs:
            lines = [m.canonical_ids for m in molecules for _ in m.token_ids]
            lengths = np.array([len(line) for line in lines], dtype=np.int64)
            graph = GraphStore.of_graphs(graphs).batch(np.arange(len(graphs)))
            graph = graph.with_atom_tokens(self.atom_tokens, np.concatenate(lines), lengths)
        return MolBatch.of_token_ids([ids for m in molecules for ids in m.token_ids], graph=graph).to(self.device)

    @torch.no_grad()
    def per_molecule(
        self,
        molecules: Sequence[TokenizedMolecule],
        function: Callable[[MolBatch], Tensor],
        width: int,
        *,
        batch_size: int = BATCH,
        advance: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Compute numbers for each molecule, in the order of the input; all encoding goes through this loop.

        Args:
            molecules: tokenized.
            function: gives `(B, width)` for a batch; the rows of a molecule's several SMILES are averaged.
            width: numbers per molecule.
            batch_size: SMILES per batch; changes the numbers only by rounding.
            advance: called with the number of rows that are done.

        Returns:
            `(n, width)` float32, nan rows where a molecule cannot be used.
        """
        values = np.full((len(molecules), width), np.nan, dtype=np.float32)
        usable = [row for row, molecule in enumerate(molecules) if molecule.reason is None]
        usable.sort(key=lambda row: len(molecules[row].token_ids[0]))  # rows of a batch have similar lengths
        if advance is not None:
            advance(len(molecules) - len(usable))
        for rows in _batches(molecules, usable, batch_size):
            batch = [molecules[row] for row in rows]
            numbers = function(self.batch(batch)).float().cpu()
            counts = torch.tensor([len(m.token_ids) for m in batch])
            owners = torch.repeat_interleave(counts)
            total = torch.zeros(len(batch), width).index_add_(0, owners, numbers)
            values[rows] = (total / counts.unsqueeze(1)).numpy()
            if advance is not None:
                advance(len(rows))
        return values

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}({self.vocabulary!r}, latent_dim={self.latent_dim}, device={str(self.device)!r})"


def check_finite(values: np.ndarray) -> None:
    """Raise `CheckpointError` unless all that a model computed for usable molecules is finite."""
    if not np.isfinite(values).all():
        raise CheckpointError(NOT_FINITE)


def _batches(molecules: Sequence[TokenizedMolecule], rows: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Rows in batches of at most `batch_size` SMILES, and at least one molecule."""
    batch: list[int] = []
    n = 0
    for row in rows:
        if batch and n + len(molecules[row].token_ids) > batch_size:
            yield batch
            batch, n = [], 0
        batch.append(row)
        n += len(molecules[row].token_ids)
    if batch:
        yield batch
