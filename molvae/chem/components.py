"""Kinds of the components that the standard form leaves out of salts, solvates and mixtures."""

from functools import lru_cache

from rdkit import Chem
from rdkit.Chem.SaltRemover import SaltRemover

SOLVENTS = frozenset(
    {
        "O", "[2H]O[2H]", "CO", "CCO", "CCCO", "CC(C)O", "CCCCO", "CC(C)=O", "CCC(C)=O", "CS(C)=O", "CN(C)C=O", "CC#N",
        "CCOCC", "C1CCOC1", "C1COCCO1", "CCOC(C)=O", "ClCCl", "ClC(Cl)Cl", "ClCCCl", "c1ccccc1", "Cc1ccccc1", "CCCCCC",
        "CCCCC", "CCCCCCC", "C1CCCCC1", "COC(C)(C)C", "CN1CCCC1=O", "c1ccncc1", "OCCO",
    }
)  # fmt: skip
KINDS = ("counterion", "solvent", "copy", "molecule")


@lru_cache(maxsize=10_000)
def component_kind(component: str, kept: str) -> str:
    """What a component is beside the one that is kept: one of `KINDS`.

    A counterion has a charge, no carbon, or is an acid or base of RDKit's list of salts; a copy is the kept component
    again; what is left is a molecule of its own, as in a co-crystal or a mixture.

    Args:
        component: canonical SMILES.
        kept: canonical SMILES.

    >>> [component_kind(text, "CCN") for text in ("Cl", "O", "CCN", "NC(=O)c1cccnc1")]
    ['counterion', 'solvent', 'copy', 'molecule']
    """
    if component == kept:
        return "copy"
    if component in SOLVENTS:
        return "solvent"
    mol = Chem.MolFromSmiles(component, sanitize=False)
    if mol is None:
        return "molecule"
    elements = {atom.GetAtomicNum() for atom in mol.GetAtoms()}
    if Chem.GetFormalCharge(mol) or 6 not in elements:
        return "counterion"
    sizes = (salt for salt in _salts() if salt.GetNumAtoms() == mol.GetNumAtoms())
    Chem.FastFindRings(mol)
    mol.UpdatePropertyCache(strict=False)
    return "counterion" if any(mol.HasSubstructMatch(salt) for salt in sizes) else "molecule"


@lru_cache(maxsize=1)
def _salts() -> list[Chem.Mol]:
    return list(SaltRemover().salts)  # type: ignore[attr-defined]
