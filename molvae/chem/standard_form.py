"""The options of the one standard form of a molecule. Knows no chemistry: rdkit is not needed."""

from typing import Annotated

from pydantic import Field

from molvae.config import Positive, Section

ORGANIC_ELEMENTS = ("B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I")


class StandardForm(Section):
    """What every molecule is brought to before training, encoding and featurizing; see `molvae.chem.standardize`."""

    largest_fragment: bool = True
    """Drop counter-ions and solvents; otherwise several fragments are a rejection."""
    neutralize: bool = False
    """Remove charges that protons can balance, and those of sulfoxides and their like."""
    strip_isotopes: bool = False
    """Drop isotope labels."""
    strip_stereo: bool = False
    """Drop stereocenters and double-bond geometry."""
    elements: tuple[str, ...] = ORGANIC_ELEMENTS
    """The only elements allowed besides hydrogen; empty allows all."""
    min_atoms: Positive = 1
    """Fewest heavy atoms allowed."""
    max_atoms: Annotated[int, Field(ge=1)] = 100
    """Most heavy atoms allowed."""
