"""How generated molecules begin: from the text of a kept part to the tokens that spell it and what may follow."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import torch

from molvae.chem.notation import Notation
from molvae.data.vocabulary import SPECIALS, Vocabulary
from molvae.errors import InputError
from molvae.nn.decoders.base import Openings

BONDS = frozenset("-=#$:/\\")


class OpeningWriter:
    """Writes beginnings of molecules in a vocabulary.

    The symbols at the end of a beginning may be part of a fragment that goes on with what is generated: there, all
    tokens that agree with the symbols left are allowed, and the decoder chooses among them. Before that, the tokens are
    those of byte-pair encoding.

    Args:
        vocabulary: of the model.
        notation: of the vocabulary.
    """

    def __init__(self, vocabulary: Vocabulary, notation: Notation) -> None:
        self.vocabulary = vocabulary
        self.notation = notation

    def symbols(self, text: str) -> list[str]:
        """The symbols of a beginning.

        Raises:
            InputError: when the notation or the vocabulary cannot write it.
        """
        symbols = self.notation.beginning(text)
        unknown = self.vocabulary.unknown_symbols([symbols])
        if unknown:
            raise InputError(f"the model's vocabulary cannot write {', '.join(unknown)}")
        return symbols

    def n_settled(self, symbols: Sequence[str]) -> int:
        """How many of the tokens of byte-pair encoding do not depend on what follows."""
        left, n = len(symbols) - self._longest, 0
        for token in self.vocabulary.encode(symbols):
            left -= self.vocabulary.symbol_counts[token]
            if left < 0:
                break
            n += 1
        return n

    def openings(self, beginnings: Sequence[Sequence[str]], *, device: torch.device | str) -> Openings:
        """Openings, one row per beginning, given as symbols; equal ones share their states."""
        states: dict[tuple[str, ...], int] = {}
        rows, columns, last = [], [], [0]
        for symbols in map(tuple, beginnings):
            if symbols in states:
                continue
            first = states[symbols] = len(last)
            last += [first + len(symbols)] * (len(symbols) + 1)
            for place, tokens in self._allowed(symbols).items():
                rows += [first + place] * len(tokens)
                columns += tokens
        allowed = torch.zeros(len(last), len(self.vocabulary), dtype=torch.bool)
        allowed[0, self._anywhere] = True
        allowed[rows, columns] = True
        return Openings(
            allowed=allowed.to(device),
            last=torch.tensor(last, device=device),
            n_symbols=torch.tensor(self.vocabulary.symbol_counts, device=device),
            state=torch.tensor([states[tuple(symbols)] for symbols in beginnings], device=device),
        )

    def _allowed(self, symbols: tuple[str, ...]) -> dict[int, list[int]]:
        """The tokens allowed after each number of symbols."""
        after_bond = bool(symbols) and symbols[-1] in BONDS
        allowed: dict[int, list[int]] = {}
        place = 0
        settled = self.vocabulary.encode(symbols)[: self.n_settled(symbols)]
        for token in settled:
            allowed[place] = [token]
            place += self.vocabulary.symbol_counts[token]
        for at in range(place, len(symbols)):
            left = symbols[at:]
            within = [self._ids[left[:n]] for n in range(1, len(left) + 1) if left[:n] in self._ids]
            allowed[at] = within + self._beyond(left, after_bond)
        allowed[len(symbols)] = self._beyond((), after_bond)
        return allowed

    def _beyond(self, left: tuple[str, ...], after_bond: bool) -> list[int]:
        """The tokens that spell what is left and begin what follows."""
        return [token for token, symbol in self._following.get(left, []) if not (after_bond and symbol in BONDS)]

    @cached_property
    def _ids(self) -> dict[tuple[str, ...], int]:
        return {token: i for i, token in enumerate(self.vocabulary.tokens, start=len(SPECIALS))}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.vocabulary.tokens)) - 1

    @cached_property
    def _following(self) -> dict[tuple[str, ...], list[tuple[int, str]]]:
        """Beginnings of tokens → tokens that go on with something that may follow, and its first symbol."""
        found = defaultdict(list)
        for token, i in self._ids.items():
            for n, symbol in enumerate(token):
                if "." not in token and self.notation.may_follow(symbol):
                    found[token[:n]].append((i, symbol))
        return dict(found)

    @cached_property
    def _anywhere(self) -> list[int]:
        """The tokens allowed after the beginning: all but those that begin another component."""
        return [*range(len(SPECIALS)), *(i for token, i in self._ids.items() if "." not in token)]
