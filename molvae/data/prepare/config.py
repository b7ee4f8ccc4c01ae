"""The settings of a prepared folder."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from molvae.chem.standard_form import StandardForm
from molvae.config import Fraction, Positive

MOST_RANDOMIZED = 255  # per molecule: numbered in a byte, 0 being its canonical SMILES


class PrepareConfig(StandardForm):
    """How input molecules become a prepared folder."""

    notation: Literal["selfies", "smiles"] = "selfies"
    fragments: Annotated[int, Field(ge=0, le=60_000)] = 1024
    """Size of the merged vocabulary; 0 keeps plain symbols."""
    descriptors: tuple[str, ...] = ("basic",)
    """Descriptors or sets of them (`none`, `basic`, `wide`, `full`) to compute."""
    descriptor_fraction: Fraction = 1.0
    """Share of the molecules that get descriptors; the labels of the others are missing, which heads allow."""
    property_columns: tuple[str, ...] = ()
    """Numeric input columns to keep as properties; an unreadable value is a missing label."""
    smiles_column: str | None = None
    name_column: str | None = None
    exclude: tuple[Path, ...] = ()
    """Files of molecules to leave out, compared in the standard form: sets that a model will be tested on."""
    max_symbols: Positive = 256
    split: Literal["hash", "scaffold", "column", "files"] = "hash"
    split_column: str = "split"
    valid_fraction: Fraction = 0.05
    test_fraction: Fraction = 0.05
    """With `split: files`, valid_fraction is carved from the file called train when none is called valid."""
    graphs: bool = False
    """Write molecular graphs too, for the encoders that read them."""
    fingerprints: bool = False
    """Write ECFP4 bits too, for `training.tanimoto_weight` and `training.fingerprint_weight`."""
    randomized_smiles: Annotated[int, Field(ge=0, le=MOST_RANDOMIZED)] = 0
    """Randomized SMILES of each molecule to write too, for `training.randomized_smiles`."""
    unknown: Literal["error", "skip", "extend"] = "error"
    """What to do with symbols that a given vocabulary lacks."""
    n_jobs: int = -1

    @model_validator(mode="after")
    def _fractions_leave_a_training_set(self) -> "PrepareConfig":
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError("valid_fraction + test_fraction must stay below 1")
        return self

    @property
    def standard_form(self) -> StandardForm:
        """The part that is the molecules' standard form."""
        return StandardForm.model_validate({name: getattr(self, name) for name in StandardForm.model_fields})
