"""Errors of molvae: one base class, and children that are also the built-in error a caller would expect."""


class MolvaeError(Exception):
    """Base of every error molvae raises on purpose; its message is one sentence a user can act on."""


class ConfigError(MolvaeError, ValueError):
    """A configuration that is misspelled, contradictory or out of range."""


class InputError(MolvaeError, ValueError):
    """Input that cannot be used: a file, a column, a row, a molecule."""


class InputFileError(InputError, OSError):
    """A file that is missing, unreadable, damaged or of an unknown format."""


class VocabularyError(MolvaeError, KeyError):
    """A symbol or token that the vocabulary does not have; `symbols` are those that were looked for."""

    def __init__(self, message: str, *, symbols: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.symbols = symbols

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0]) if self.args else ""


class PreparedDataError(MolvaeError, ValueError):
    """A prepared folder that is incomplete, damaged or of another format version."""


class CheckpointError(MolvaeError, ValueError):
    """A checkpoint that is incomplete, damaged or of another format version."""


class MissingExtraError(MolvaeError, ImportError):
    """An optional dependency that is not installed."""


class ScoreError(MolvaeError, RuntimeError):
    """A score that cannot be computed for any molecule, such as an external program that died."""


class RecordError(MolvaeError, ValueError):
    """A record of oracle calls that is damaged or belongs to another run."""
