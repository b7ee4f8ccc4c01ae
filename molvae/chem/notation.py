"""Line notations (SMILES and SELFIES): from a canonical SMILES to a sequence of symbols, and back."""

import re
from collections.abc import Sequence
from typing import Protocol

import selfies

from molvae.chem.parse import canonical_smiles
from molvae.errors import ConfigError, InputError


class Notation(Protocol):
    """A way to write molecules as sequences of symbols."""

    name: str

    def to_symbols(self, smiles: str) -> list[str]:
        """Split a canonical SMILES into symbols; raises `InputError` when the notation cannot write it."""
        ...

    def to_smiles(self, symbols: Sequence[str]) -> str:
        """The canonical SMILES of the symbols, or "" when they do not spell a molecule."""
        ...

    def to_text(self, symbols: Sequence[str]) -> str:
        """A SMILES with the atoms in the order of the symbols, or text that is no SMILES when they spell none."""
        ...

    def beginning(self, text: str) -> list[str]:
        """The symbols of a SMILES that is to go on with an atom bonded to its last one.

        Raises:
            InputError: when the notation cannot write it.
        """
        ...

    def may_follow(self, symbol: str) -> bool:
        """Whether a symbol bonds one more atom to the atom before it, by a single bond, and is no branch or ring."""
        ...


class SelfiesNotation:
    """SELFIES (Krenn et al. 2020): every sequence of symbols is a valid molecule.

    The default valence constraints of the `selfies` package are used.

    >>> SelfiesNotation().to_symbols("CC=O")
    ['[C]', '[C]', '[=O]']
    """

    name = "selfies"

    def to_symbols(self, smiles: str) -> list[str]:
        """Split a SMILES into SELFIES symbols.

        Raises:
            InputError: when the molecule breaks the valence constraints (hypervalent P, S, halogens …).
        """
        try:
            return list(selfies.split_selfies(selfies.encoder(smiles)))
        except selfies.EncoderError as error:
            raise InputError(f"{smiles!r} cannot be written as SELFIES: {_first_line(error)}") from error

    def to_smiles(self, symbols: Sequence[str]) -> str:
        """The canonical SMILES of any sequence of SELFIES symbols; "" only when it contains no atom."""
        return canonical_smiles(self.to_text(symbols)) or ""

    def to_text(self, symbols: Sequence[str]) -> str:
        """A SMILES with the atoms in the order of the symbols; "" for a symbol that is none of SELFIES."""
        try:
            return str(selfies.decoder("".join(symbols)))
        except selfies.DecoderError:
            return ""

    def beginning(self, text: str) -> list[str]:
        """The symbols of a SMILES that is to go on with an atom bonded to its last one.

        Raises:
            InputError: as in `to_symbols`.
        """
        return self.to_symbols(text + "C")[:-1]  # an aromatic atom may need what follows

    def may_follow(self, symbol: str) -> bool:
        """Whether a symbol bonds one more atom by a single bond: one such as `[C]`, no `[=C]`, `[Ring1]`, `[Branch1]`.

        >>> [SelfiesNotation().may_follow(s) for s in ("[C]", "[=C]", "[Ring1]")]
        [True, False, False]
        """
        return symbol[1:2].isalnum() and not symbol.startswith(("[Branch", "[Ring", "[nop"))


class SmilesNotation:
    """SMILES split into atoms, bonds, branches and ring closures (with the pattern of Schwaller et al. 2018).

    >>> SmilesNotation().to_symbols("CC(=O)Cl")
    ['C', 'C', '(', '=', 'O', ')', 'Cl']
    """

    name = "smiles"
    _pattern = re.compile(r"\[[^\]]+\]|Br|Cl|%\d{2}|[A-Za-z0-9()=#$:/\\.+\-*@~]")

    def to_symbols(self, smiles: str) -> list[str]:
        """Split a SMILES into symbols.

        Raises:
            InputError: when a character does not belong to any symbol.
        """
        symbols = self._pattern.findall(smiles)
        if "".join(symbols) != smiles:
            raise InputError(f"{smiles!r} cannot be split into SMILES symbols")
        return symbols

    def to_smiles(self, symbols: Sequence[str]) -> str:
        """The canonical SMILES, or "" when the symbols do not spell a valid molecule."""
        return canonical_smiles("".join(symbols)) or ""

    def to_text(self, symbols: Sequence[str]) -> str:
        """The symbols as they are."""
        return "".join(symbols)

    def beginning(self, text: str) -> list[str]:
        """The symbols of a SMILES that is to go on with an atom bonded to its last one.

        Raises:
            InputError: as in `to_symbols`.
        """
        return self.to_symbols(text)

    def may_follow(self, symbol: str) -> bool:
        """Whether a symbol is an atom or a single bond.

        >>> [SmilesNotation().may_follow(s) for s in ("C", "[nH]", "-", "=", "(", "1")]
        [True, True, True, False, False, False]
        """
        return symbol == "-" or symbol[0].isalpha() or symbol[0] == "["


NOTATIONS: dict[str, type[SelfiesNotation] | type[SmilesNotation]] = {
    "selfies": SelfiesNotation,
    "smiles": SmilesNotation,
}


def notation(name: str) -> Notation:
    """The notation called `name`; raises `ConfigError` for an unknown one."""
    if name not in NOTATIONS:
        raise ConfigError(f"unknown notation {name!r}; expected one of: {', '.join(NOTATIONS)}")
    return NOTATIONS[name]()


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
