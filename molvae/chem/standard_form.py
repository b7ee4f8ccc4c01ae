"""The options of the standard form of molecules. This module does not need rdkit."""

from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from molvae.config import Positive, Section

_PERIODIC_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr "
    "Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir "
    "Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh "
    "Fl Mc Lv Ts Og"
)
ELEMENTS = frozenset(_PERIODIC_TABLE.split())
ORGANIC_ELEMENTS = ("B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I")


def check_element(symbol: str) -> str:
    """The symbol itself; raises `ValueError` when no element has it."""
    if symbol not in ELEMENTS:
        raise ValueError(f"{symbol[:20]!r} is the symbol of no element; expected symbols such as C, N and Cl")
    return symbol


Element = Annotated[str, AfterValidator(check_element)]


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
    elements: tuple[Element, ...] = ORGANIC_ELEMENTS
    """The only elements allowed besides hydrogen; empty allows all."""
    min_atoms: Positive = 1
    """The fewest heavy atoms that are allowed."""
    max_atoms: Positive = 100
    """The most heavy atoms that are allowed."""

    @model_validator(mode="after")
    def _some_size_is_allowed(self) -> Self:
        if self.min_atoms > self.max_atoms:
            raise ValueError(f"min_atoms {self.min_atoms} is above max_atoms {self.max_atoms}: no molecule fits")
        return self
