"""From molecules to what an encoder reads: the token ids and graph of the standard form, or a reason for rejection."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rdkit import Chem

from molvae.chem.graphs import MolGraph, standard_graph
from molvae.chem.notation import Notation, notation
from molvae.chem.parse import parse_smiles, silence_rdkit
from molvae.chem.standardize import Standardizer
from molvae.data.vocabulary import Vocabulary
from molvae.errors import InputError, VocabularyError


@dataclass(frozen=True)
class TokenizedMolecule:
    """One molecule, ready for an encoder.

    Attributes:
        smiles: standardized canonical SMILES; `None` if the molecule could not be standardized.
        reason: why the molecule cannot be used; `None` if it can.
        token_ids: the token ids of the canonical SMILES, or of each randomized SMILES; empty if there is a reason.
        graph: the molecular graph; `None` if no part of the model reads it.
        canonical_ids: the token ids of the canonical SMILES, whose atom order is that of the graph.
        lost: what the standard form removed: "stereo", "isotopes".
    """

    smiles: str | None
    reason: str | None
    token_ids: list[list[int]] = field(default_factory=list)
    graph: MolGraph | None = None
    canonical_ids: list[int] = field(default_factory=list)
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class MoleculeTokenizer:
    """Standardizes molecules like the training data and converts them to tokens of the model's vocabulary.

    It has no weights and does not need torch, so that worker processes can get a copy.

    Args:
        standardizer: the standard form of the training data.
        vocabulary: the vocabulary of the model, which also names the notation.
        graphs: whether the model reads graphs.
        max_tokens: the most tokens per molecule that the encoder can represent; `None` for no limit.
        randomized_smiles: number of randomized SMILES (Bjerrum 2017) per molecule; 0 uses the canonical SMILES.
            Randomized SMILES with unknown symbols or more than `max_tokens` tokens are left out; if none remains, the
            canonical SMILES is used.
        seed: seed of the randomization; a molecule's randomized SMILES do not depend on the other molecules.
    """

    standardizer: Standardizer
    vocabulary: Vocabulary
    graphs: bool = False
    max_tokens: int | None = None
    randomized_smiles: int = 0
    seed: int = 0

    @cached_property
    def notation(self) -> Notation:
        """The vocabulary's notation."""
        return notation(self.vocabulary.notation)

    def tokenize(self, smiles: str | None) -> TokenizedMolecule:
        """Tokenize one SMILES; a molecule that cannot be used raises no error, but its result has a reason."""
        if smiles is None or not smiles.strip():
            return TokenizedMolecule(None, "blank")
        standard = self.standardizer.apply(smiles.strip())
        if standard.smiles is None:
            return TokenizedMolecule(None, standard.reason)
        try:
            token_ids = self.vocabulary.encode(self.notation.to_symbols(standard.smiles))
        except InputError:
            return TokenizedMolecule(standard.smiles, f"not_{self.notation.name}")
        except VocabularyError as error:
            return TokenizedMolecule(standard.smiles, f"unknown_symbol {' '.join(error.symbols)}")
        if self.max_tokens is not None and len(token_ids) > self.max_tokens:
            return TokenizedMolecule(standard.smiles, f"too_long {len(token_ids)} of {self.max_tokens} tokens")
        graph = standard_graph(standard) if self.graphs else None
        randomized = self._randomized(standard.smiles) if self.randomized_smiles else []
        return TokenizedMolecule(standard.smiles, None, randomized or [token_ids], graph, token_ids, standard.lost)

    def tokenize_many(self, smiles: Sequence[str | None]) -> list[TokenizedMolecule]:
        """`tokenize` for each SMILES of a list."""
        return [self.tokenize(text) for text in smiles]

    def _randomized(self, smiles: str) -> list[list[int]]:
        mol = parse_smiles(smiles)  # the same atom order for every input form of the molecule
        if mol is None:
            return []
        with silence_rdkit():
            texts = Chem.MolToRandomSmilesVect(
                mol, self.randomized_smiles, randomSeed=self.seed % (2**31 - 1) + 1
            )  # a C int; 0: no seed
        found = []
        for text in texts:
            try:
                token_ids = self.vocabulary.encode(self.notation.to_symbols(text))
            except (InputError, VocabularyError):
                continue
            if self.max_tokens is None or len(token_ids) <= self.max_tokens:
                found.append(token_ids)
        return found
