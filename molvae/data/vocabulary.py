"""Token ids of symbols and fragments. This module needs neither rdkit nor selfies.

A *symbol* is the smallest unit of a notation, such as `Cl`, `(` or `[=O]`. A *fragment* is a sequence of symbols that
byte-pair encoding has merged into one token. A *token* is a symbol or a fragment, and has an id.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from molvae.documents import DocumentError, read_json
from molvae.errors import PreparedDataError, VocabularyError
from molvae.files import write_json

PAD, BOS, EOS, MASK = 0, 1, 2, 3
SPECIALS = ("<pad>", "<bos>", "<eos>", "<mask>")
FORMAT_VERSION = 1
MOST_TOKENS = 100_000
_FIRST_CHARACTER = 0xF0000  # a private-use code point per symbol, for the tokenizers library


_Symbol = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class _Description(BaseModel):
    """The content of `vocabulary.json`, before its parts are compared."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format_version: Literal[1]
    notation: Literal["selfies", "smiles"]
    specials: list[str]
    tokens: list[Annotated[tuple[_Symbol, ...], Field(min_length=1, strict=False)]] = Field(max_length=MOST_TOKENS)
    merges: list[Annotated[tuple[int, int, int], Field(strict=False)]] = Field(max_length=MOST_TOKENS)

    @field_validator("specials")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        if tuple(value) != SPECIALS:
            raise ValueError(f"expected {', '.join(SPECIALS)}")
        return value


@dataclass(frozen=True)
class Vocabulary:
    """Token ids of the symbols of a notation and of fragments, their byte-pair merges (Sennrich et al. 2016).

    Ids 0 to 3 are the special tokens pad, bos, eos and mask; every other token spells one or more symbols.

    Attributes:
        notation: the name of the notation, "selfies" or "smiles".
        tokens: the symbols that each token spells, in the order of ids, without the special tokens.
        merges: pairs of token ids in the order in which they were learned; pair r is merged into token `merged[r]`.
        merged: the token id that each merge results in.

    >>> v = Vocabulary.of_symbols(["[C]", "[O]"], notation="selfies")
    >>> v.encode(["[C]", "[O]"]), v.decode([4, 5])
    ([4, 5], ['[C]', '[O]'])
    """

    notation: str
    tokens: tuple[tuple[str, ...], ...]
    merges: tuple[tuple[int, int], ...] = ()
    merged: tuple[int, ...] = ()

    @classmethod
    def of_symbols(cls, symbols: Iterable[str], *, notation: str) -> "Vocabulary":
        """A vocabulary with one token per symbol, sorted, and no fragments."""
        return cls(notation=notation, tokens=tuple((s,) for s in sorted(set(symbols))))

    def __len__(self) -> int:
        return len(SPECIALS) + len(self.tokens)

    @cached_property
    def symbol_ids(self) -> dict[str, int]:
        """The token id of each symbol."""
        return {t[0]: i for i, t in enumerate(self.tokens, start=len(SPECIALS)) if len(t) == 1}

    @cached_property
    def symbol_counts(self) -> list[int]:
        """The number of symbols that each token id spells; 0 for the special tokens."""
        return [0] * len(SPECIALS) + [len(token) for token in self.tokens]

    def learn_merges(self, corpus: Iterable[Sequence[str]], *, n_fragments: int) -> "Vocabulary":
        """Add fragments learned on `corpus` until the vocabulary has `n_fragments` tokens, symbols included."""
        from tokenizers import Tokenizer, models, trainers

        if n_fragments <= len(self.tokens):
            return self
        tokenizer = Tokenizer(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=n_fragments,
            show_progress=False,
            initial_alphabet=[self._character(i) for i in self.symbol_ids.values()],
            limit_alphabet=len(self.symbol_ids),
            min_frequency=2,
        )
        tokenizer.train_from_iterator((self._characters(symbols) for symbols in corpus), trainer)
        ids = {self._character(i): i for i in self.symbol_ids.values()}
        tokens, merges, merged = list(self.tokens), [], []
        for left, right in json.loads(tokenizer.to_str())["model"]["merges"]:
            pair = (ids[left], ids[right])
            if left + right not in ids:
                ids[left + right] = len(SPECIALS) + len(tokens)
                tokens.append(self._spell(tokens, pair[0]) + self._spell(tokens, pair[1]))
            merges.append(pair)
            merged.append(ids[left + right])
        return Vocabulary(self.notation, tuple(tokens), tuple(merges), tuple(merged))

    def extend(self, symbols: Iterable[str]) -> "Vocabulary":
        """The same vocabulary with new symbols at the end; existing ids do not change."""
        new = sorted(set(symbols) - set(self.symbol_ids))
        return Vocabulary(self.notation, self.tokens + tuple((s,) for s in new), self.merges, self.merged)

    def encode(self, symbols: Sequence[str]) -> list[int]:
        """The token ids of a sequence of symbols, without bos and eos.

        Raises:
            VocabularyError: for symbols that the vocabulary lacks; the message names them.
        """
        return self.encode_many([symbols])[0]

    def encode_many(self, molecules: Sequence[Sequence[str]]) -> list[list[int]]:
        """`encode` for many molecules at once; raises `VocabularyError` for unknown symbols, with their counts."""
        unknown = self.unknown_symbols(molecules)
        if unknown:
            listed = ", ".join(f"{s} ({n}×)" for s, n in unknown.most_common(20))
            raise VocabularyError(
                f"the vocabulary of {len(self)} tokens lacks {len(unknown)} symbols: {listed}", symbols=tuple(unknown)
            )
        if not self.merges:
            return [[self.symbol_ids[s] for s in symbols] for symbols in molecules]
        encoded = self._tokenizer.encode_batch_fast([self._characters(m) for m in molecules], add_special_tokens=False)
        return [e.ids for e in encoded]

    def unknown_symbols(self, molecules: Iterable[Sequence[str]]) -> Counter[str]:
        """How often each symbol occurs that the vocabulary lacks."""
        known = self.symbol_ids
        return Counter(s for symbols in molecules for s in symbols if s not in known)

    def decode(self, token_ids: Iterable[int]) -> list[str]:
        """The symbols that token ids spell, up to the first eos; pad, bos and mask are skipped.

        Raises:
            VocabularyError: for an id outside the vocabulary.
        """
        symbols: list[str] = []
        for i in token_ids:
            if i == EOS:
                break
            if i >= len(self) or i < 0:
                raise VocabularyError(f"token id {i} is outside the vocabulary of {len(self)} tokens")
            if i >= len(SPECIALS):
                symbols.extend(self.tokens[i - len(SPECIALS)])
        return symbols

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready description; `from_json` reverses it."""
        return {
            "format_version": FORMAT_VERSION,
            "notation": self.notation,
            "specials": list(SPECIALS),
            "tokens": [list(t) for t in self.tokens],
            "merges": [[*pair, new] for pair, new in zip(self.merges, self.merged, strict=True)],
        }

    @classmethod
    def from_json(cls, value: Any) -> "Vocabulary":
        """Rebuild from `to_json`'s dictionary; raises `PreparedDataError` if the dictionary is invalid."""
        try:
            read = _Description.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise PreparedDataError(f"the vocabulary is damaged: {where}: {first['msg']}") from error
        vocabulary = cls(
            notation=read.notation,
            tokens=tuple(read.tokens),
            merges=tuple((a, b) for a, b, _ in read.merges),
            merged=tuple(new for _, _, new in read.merges),
        )
        vocabulary._check()
        return vocabulary

    def _check(self) -> None:
        """Raise `PreparedDataError` unless every token is spelled once and can be reached by the merges."""
        ids = {token: i for i, token in enumerate(self.tokens, start=len(SPECIALS))}
        if len(ids) < len(self.tokens):
            twice = next(token for token, n in Counter(self.tokens).items() if n > 1)
            raise PreparedDataError(f"the vocabulary is damaged: the token {''.join(twice)!r} occurs twice")
        known = set(self.symbol_ids.values())
        for rank, ((left, right), new) in enumerate(zip(self.merges, self.merged, strict=True)):
            if left not in known or right not in known:
                raise PreparedDataError(f"the vocabulary is damaged: merge {rank} joins tokens that are not there yet")
            if ids.get(self._spell(self.tokens, left) + self._spell(self.tokens, right)) != new:
                raise PreparedDataError(f"the vocabulary is damaged: merge {rank} does not spell token {new}")
            known.add(new)
        if len(set(self.merges)) < len(self.merges):
            raise PreparedDataError("the vocabulary is damaged: a merge occurs twice")
        unreachable = [token for token, i in ids.items() if i not in known]
        if unreachable:
            raise PreparedDataError(
                f"the vocabulary is damaged: no merge makes the token {''.join(unreachable[0])!r}"
                + (f", nor {len(unreachable) - 1} others" if len(unreachable) > 1 else "")
            )

    def save(self, path: str | Path) -> None:
        """Write `vocabulary.json`."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read `vocabulary.json`; raises `PreparedDataError` if it is missing or damaged."""
        try:
            return cls.from_json(read_json(path))
        except (OSError, DocumentError) as error:
            raise PreparedDataError(f"cannot read the vocabulary {path}: {error}") from error

    def __repr__(self) -> str:
        return f"Vocabulary({self.notation}, {len(self.symbol_ids)} symbols, {len(self.merges)} merges)"

    @staticmethod
    def _spell(tokens: Sequence[tuple[str, ...]], token_id: int) -> tuple[str, ...]:
        return tokens[token_id - len(SPECIALS)]

    @staticmethod
    def _character(symbol_id: int) -> str:
        return chr(_FIRST_CHARACTER + symbol_id)

    def _characters(self, symbols: Sequence[str]) -> str:
        ids = self.symbol_ids
        return "".join(chr(_FIRST_CHARACTER + ids[s]) for s in symbols)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer, models

        text = {i: "".join(self._character(self.symbol_ids[s]) for s in t) for i, t in enumerate(self.tokens, start=4)}
        vocab = {t: i for i, t in text.items()}
        merges = [(text[a], text[b]) for a, b in self.merges]
        return Tokenizer(models.BPE(vocab=vocab, merges=merges, cache_capacity=0))  # molecules hardly ever repeat

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("notation", "tokens", "merges", "merged")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
