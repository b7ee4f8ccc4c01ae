"""Molecules to what an encoder reads: token ids of the standard form and a graph, or the reason why there are none."""

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
        smiles: standardized and canonical; `None` where there is none.
        reason: why the molecule cannot be used, `None` where it can.
        token_ids: of the canonical SMILES, or of each randomized one; none where there is a reason.
        graph: `None` where no part of the model reads it.
        canonical_ids: token ids of the canonical SMILES, in whose order the graph's atoms stand.
        lost: what the standard form does not keep of it: "stereo", "isotopes".
    """

    smiles: str | None
    reason: str | None
    token_ids: list[list[int]] = field(default_factory=list)
    graph: MolGraph | None = None
    canonical_ids: list[int] = field(default_factory=list)
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class MoleculeTokenizer:
    """Standardizes molecules as the training data were, and writes them in the model's vocabulary.

    Holds no weights and needs no torch: worker processes get a copy.

    Args:
        standardizer: of the training data.
        vocabulary: of the model, which names the notation.
        graphs: whether the model reads graphs.
        max_tokens: the longest molecule that the model can hold; `None` for no limit.
        randomized_smiles: so many random SMILES (Bjerrum 2017) of each molecule; 0 takes the canonical one. Those with
            symbols outside the vocabulary, or longer than the limit, are left out, and the canonical one takes the
            place of none.
        seed: of the randomization; a molecule's SMILES do not depend on what stands beside it.
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
        """Tokenize one SMILES; never raises for a bad molecule, the reason is in the result."""
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
        """`tokenize` for each of a list."""
        return [self.tokenize(text) for text in smiles]

    def _randomized(self, smiles: str) -> list[list[int]]:
        mol = parse_smiles(smiles)  # whose atoms have the same order however the molecule was given
        if mol is None:
            return []
        with silence_rdkit():
            texts = Chem.MolToRandomSmilesVect(mol, self.randomized_smiles, randomSeed=self.seed + 1)  # 0 is no seed
        found = []
        for text in texts:
            try:
                token_ids = self.vocabulary.encode(self.notation.to_symbols(text))
            except (InputError, VocabularyError):
                continue
            if self.max_tokens is None or len(token_ids) <= self.max_tokens:
                found.append(token_ids)
        return found
