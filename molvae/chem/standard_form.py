"""The options of the standard form of molecules. This module does not need rdkit."""

from typing import Annotated

from pydantic import Field

from molvae.config import Positive, Section

ORGANIC_ELEMENTS = ("B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I")


class StandardForm(Section):
    """The form that molecules get before training, encoding and featurizing; see `molvae.chem.standardize`."""

    largest_fragment: bool = True
    """Keep only the largest component, without counterions and solvents; otherwise reject such molecules."""
    neutralize: bool = False
    """Neutralize charges by adding or removing protons, and draw sulfoxides and the like without charges."""
    strip_isotopes: bool = False
    """Remove isotope labels."""
    strip_stereo: bool = False
    """Remove stereocenters and double-bond geometry."""
    elements: tuple[str, ...] = ORGANIC_ELEMENTS
    """The only elements allowed besides hydrogen; empty allows all."""
    min_atoms: Positive = 1
    """The fewest heavy atoms that are allowed."""
    max_atoms: Annotated[int, Field(ge=1)] = 100
    """The most heavy atoms that are allowed."""
