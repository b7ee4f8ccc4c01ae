"""The exceptions of molvae: a base class, and subclasses that also inherit from a fitting built-in exception."""


class MolvaeError(Exception):
    """Base of every error that molvae raises on purpose; the message tells the user in one sentence what to change."""


class ConfigError(MolvaeError, ValueError):
    """A configuration with a misspelled key, contradictory settings or a value out of range."""


class InputError(MolvaeError, ValueError):
    """Input that cannot be used: a file, a column, a row, a molecule."""


class InputFileError(InputError, OSError):
    """A file that is missing, unreadable, damaged or of an unknown format."""


class VocabularyError(MolvaeError, KeyError):
    """A symbol or token id that the vocabulary lacks; `symbols` are the missing symbols."""

    def __init__(self, message: str, *, symbols: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.symbols = symbols

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0]) if self.args else ""


class PreparedDataError(MolvaeError, ValueError):
    """A prepared folder that is incomplete, damaged or of another format version."""


class CheckpointError(MolvaeError, ValueError):
    """A checkpoint that is incomplete, damaged or of another format version."""


class MissingExtraError(MolvaeError, ImportError):
    """An optional dependency that is not installed."""

    @classmethod
    def of(cls, what: str, extra: str) -> "MissingExtraError":
        """The error that names the extra, from a package index and from a checkout.

        >>> print(MissingExtraError.of("plots need the package matplotlib", "report"))
        plots need the package matplotlib: pip install 'molvae[report]', or '.[report]' from a checkout
        """
        return cls(f"{what}: pip install 'molvae[{extra}]', or '.[{extra}]' from a checkout")


class ScoreError(MolvaeError, RuntimeError):
    """A score that cannot be computed for any molecule, such as an external program that died."""


class PatternTimeoutError(MolvaeError, TimeoutError):
    """A substructure that is searched for longer than allowed."""


class RecordError(MolvaeError, ValueError):
    """A record of oracle calls that is damaged or belongs to another optimization run."""


class HubError(MolvaeError):
    """What the hub, or the way to it, said no to."""
