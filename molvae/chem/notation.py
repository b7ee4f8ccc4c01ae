"""Line notations: a canonical SMILES as a sequence of symbols, and back."""

import re
from collections.abc import Sequence
from typing import Protocol

import selfies

from molvae.chem.parse import canonical_smiles
from molvae.errors import ConfigError, InputError


class Notation(Protocol):
    """A way to write a molecule as symbols; `to_smiles` gives "" for what is no molecule."""

    name: str

    def to_symbols(self, smiles: str) -> list[str]:
        """Split a canonical SMILES into symbols; raises `InputError` when the notation cannot write it."""
        ...

    def to_smiles(self, symbols: Sequence[str]) -> str:
        """Canonical SMILES of the symbols, "" when they spell no molecule."""
        ...


class SelfiesNotation:
    """SELFIES (Krenn et al. 2020): every sequence of symbols is a valid molecule.

    The `selfies` package's default valence constraints are used; they are stored by name in every vocabulary.

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
        """Canonical SMILES of any sequence of SELFIES symbols; "" only when no atom is left."""
        try:
            smiles = selfies.decoder("".join(symbols))
        except selfies.DecoderError:  # a symbol that is no SELFIES at all
            return ""
        return canonical_smiles(smiles) or ""


class SmilesNotation:
    """SMILES cut into atoms, bonds, branches and ring closures (the pattern of Schwaller et al. 2018).

    >>> SmilesNotation().to_symbols("CC(=O)Cl")
    ['C', 'C', '(', '=', 'O', ')', 'Cl']
    """

    name = "smiles"
    _pattern = re.compile(r"\[[^\]]+\]|Br|Cl|%\d{2}|[A-Za-z0-9()=#$:/\\.+\-*@~]")

    def to_symbols(self, smiles: str) -> list[str]:
        """Split a SMILES into symbols.

        Raises:
            InputError: when a character belongs to no symbol.
        """
        symbols = self._pattern.findall(smiles)
        if "".join(symbols) != smiles:
            raise InputError(f"{smiles!r} cannot be cut into SMILES symbols")
        return symbols

    def to_smiles(self, symbols: Sequence[str]) -> str:
        """Canonical SMILES, "" when the symbols spell no valid molecule."""
        return canonical_smiles("".join(symbols)) or ""


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
