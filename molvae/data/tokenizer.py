"""What an encoder reads of a molecule: its standard form as token ids, and its graph; or why it has neither."""

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
class Spelled:
    """One molecule, ready for an encoder.

    Attributes:
        smiles: standardized and canonical; `None` where there is none.
        reason: why the molecule cannot be used, `None` where it can.
        spellings: token ids of the canonical SMILES, or of each randomized one; none where there is a reason.
        graph: `None` where no part of the model reads it.
        canonical: token ids of the canonical SMILES, which the graph's atoms stand in the order of.
        lost: what the standard form does not keep of it: "stereo", "isotopes".
    """

    smiles: str | None
    reason: str | None
    spellings: list[list[int]] = field(default_factory=list)
    graph: MolGraph | None = None
    canonical: list[int] = field(default_factory=list)
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Speller:
    """Standardizes molecules as the training data were, and writes them in the model's vocabulary.

    Holds no weights and needs no torch: worker processes get a copy.

    Args:
        standardizer: of the training data.
        vocabulary: of the model, which names the notation.
        graphs: whether the model reads graphs.
        n_variants: randomized SMILES (Bjerrum 2017) to spell a molecule from; 0 spells the canonical one. Variants
            with symbols outside the vocabulary or too many tokens are left out, and the canonical spelling takes the
            place of none.
        seed: of the randomization; a molecule's variants do not depend on what stands beside it.
        max_tokens: what the encoder can hold; `None` is any number.
    """

    standardizer: Standardizer
    vocabulary: Vocabulary
    graphs: bool = False
    n_variants: int = 0
    seed: int = 0
    max_tokens: int | None = None

    @cached_property
    def notation(self) -> Notation:
        """The vocabulary's notation."""
        return notation(self.vocabulary.notation)

    def spell(self, smiles: str | None) -> Spelled:
        """Spell one SMILES; never raises for a bad molecule, the reason is in the result."""
        if smiles is None or not smiles.strip():
            return Spelled(None, "blank")
        standard = self.standardizer.apply(smiles.strip())
        if standard.smiles is None:
            return Spelled(None, standard.reason)
        try:
            token_ids = self.vocabulary.encode(self.notation.to_symbols(standard.smiles))
        except InputError:
            return Spelled(standard.smiles, f"not_{self.notation.name}")
        except VocabularyError as error:
            return Spelled(standard.smiles, f"unknown_symbol {' '.join(error.symbols)}")
        if self.max_tokens is not None and len(token_ids) > self.max_tokens:
            return Spelled(standard.smiles, "too_long", lost=standard.lost)
        graph = standard_graph(standard) if self.graphs else None
        variants = self._variants(standard.smiles) if self.n_variants else []
        return Spelled(standard.smiles, None, variants or [token_ids], graph, token_ids, standard.lost)

    def spell_many(self, smiles: Sequence[str | None]) -> list[Spelled]:
        """`spell` for each of a list."""
        return [self.spell(text) for text in smiles]

    def _variants(self, smiles: str) -> list[list[int]]:
        mol = parse_smiles(smiles)  # whose atoms have the same order however the molecule was given
        if mol is None:
            return []
        with silence_rdkit():
            texts = Chem.MolToRandomSmilesVect(mol, self.n_variants, randomSeed=self.seed + 1)  # 0 is no seed
        variants = []
        for text in texts:
            try:
                ids = self.vocabulary.encode(self.notation.to_symbols(text))
            except (InputError, VocabularyError):
                continue
            if self.max_tokens is None or len(ids) <= self.max_tokens:
                variants.append(ids)
        return variants
