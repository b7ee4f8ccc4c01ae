"""What every score of an objective is: a value of single molecules, and the settings that a YAML gives it."""

from collections.abc import Sequence
from dataclasses import dataclass

from rdkit import Chem

from molvae.config import Section
from molvae.optimize.transforms import PositiveNumber, Transform


@dataclass(frozen=True)
class Molecule:
    """One molecule as scores see it: canonical SMILES and RDKit's molecule."""

    smiles: str
    mol: Chem.Mol


class Score(Section):
    """Base of every score.

    Attributes:
        kind: what the YAML calls it.
        transform: from the raw value to [0, 1]; `None` keeps the value as it is.
        weight: in the mean over an objective's scores.
        name: of the column in output tables; by default `label`.
    """

    kind: str
    transform: Transform | None = None
    weight: PositiveNumber = 1.0
    name: str | None = None

    @property
    def label(self) -> str:
        """What the column is called when no name is given."""
        return self.kind

    @property
    def single_value(self) -> str | None:
        """Which of `SINGLE_VALUES` this is; `None` for other scores."""
        return None

    def values(self, molecules: Sequence[Molecule]) -> list[float]:
        """Raw values, one per molecule; nan where there is none."""
        raise NotImplementedError
