"""The settings of a prepared folder."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from molvae.chem.standard_form import StandardForm
from molvae.config import MAX_LINE, Fraction, Jobs, LineLength, RandomizedSmiles, Seconds


class PrepareConfig(StandardForm):
    """The settings of `molvae data prepare`."""

    notation: Literal["selfies", "smiles"] = "selfies"
    fragments: Annotated[int, Field(ge=0, le=60_000)] = 1024
    """Size of the vocabulary of symbols and fragments; 0 uses symbols only."""
    descriptors: tuple[str, ...] = ("basic",)
    """Descriptors, or sets of descriptors (`none`, `basic`, `wide`, `full`), to compute as properties."""
    descriptor_fraction: Fraction = 1.0
    """Share of the molecules whose descriptors are computed; the others have missing labels, which heads can handle."""
    property_columns: tuple[str, ...] = ()
    """Input columns to keep as properties: numbers, or true and false; see `molvae.data.prepare.labels`."""
    censored: Literal["drop", "value"] = "drop"
    """Whether a limit such as >10 is a missing label, or its number is the label."""
    conflicts: Literal["median", "mean", "first", "error"] = "median"
    """What becomes of different labels in the rows of one molecule; they are listed in `conflicts.csv`."""
    smiles_column: str | None = None
    name_column: str | None = None
    exclude: tuple[Path, ...] = ()
    """Files of molecules to leave out, such as test sets; molecules are compared in their standard form."""
    max_symbols: Annotated[int, Field(ge=1, le=65_535)] = 256
    split: Literal["hash", "scaffold", "column", "files"] = "hash"
    split_column: str = "split"
    valid_fraction: Fraction = 0.05
    test_fraction: Fraction = 0.05
    """With `split: files`, valid_fraction is taken from the file called train if no file is called valid."""
    graphs: bool = False
    """Also write molecular graphs, for graph encoders."""
    fingerprints: bool = False
    """Also write ECFP4 bits, for `training.tanimoto_weight` and `training.fingerprint_weight`."""
    randomized_smiles: RandomizedSmiles = 0
    """Number of randomized SMILES per molecule to write as well, for `training.randomized_smiles`."""
    unknown: Literal["error", "skip", "extend"] = "error"
    """What to do with symbols that a given vocabulary lacks."""
    escape_formulas: bool = False
    """Write cells of `rejected.csv` that begin with = + - or @ so that spreadsheets do not run them."""
    seconds_per_molecule: Seconds | None = None
    """A molecule that takes longer is rejected as too_slow, one that crashes RDKit as crashed; `None` for no limit."""
    max_line: LineLength = MAX_LINE
    """A line, or a record of several lines, with more characters is rejected as line_too_long."""
    n_jobs: Jobs = -1

    @model_validator(mode="after")
    def _fractions_leave_a_training_set(self) -> "PrepareConfig":
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError("valid_fraction + test_fraction must stay below 1")
        return self

    @property
    def standard_form(self) -> StandardForm:
        """The settings of the standard form alone."""
        return StandardForm.model_validate({name: getattr(self, name) for name in StandardForm.model_fields})
