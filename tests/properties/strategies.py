"""Random molecules, names and labels."""

import selfies
from hypothesis import settings
from hypothesis import strategies as st
from rdkit import Chem

from molvae.chem.parse import parse_smiles

fewer = settings(max_examples=max(20, settings().max_examples // 10))
"""For tests whose examples take long."""

_SYMBOLS = sorted(selfies.get_semantic_robust_alphabet())
_BRACKETS = [
    "[C@H1]",
    "[C@@H1]",
    "[C@]",
    "[/C]",
    "[\\C]",
    "[13C]",
    "[2H]",
    "[NH3+1]",
    "[O-1]",
    "[nop]",
    "[=N+1]",
    "[Si]",
]
_SALTS = [".Cl", ".[Na+]", ".O", ".OC(=O)/C=C/C(=O)O", ".CS(C)=O", ".F[P-](F)(F)(F)(F)F"]


def _canonical(symbols: list[str]) -> str:
    try:
        mol = parse_smiles(selfies.decoder("".join(symbols)))
    except selfies.DecoderError:
        return ""
    return "" if mol is None else Chem.MolToSmiles(mol)


molecules = st.lists(st.sampled_from(_SYMBOLS + _BRACKETS), min_size=1, max_size=30).map(_canonical).filter(bool)
"""Canonical SMILES with charges, isotopes and stereo, of every element that SELFIES has by default."""

salts = st.tuples(molecules, st.lists(st.sampled_from(_SALTS), max_size=3)).map(
    lambda parts: parts[0] + "".join(parts[1])
)
"""SMILES of molecules with up to three other components."""

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('",;\t\n\r |#='), max_size=30)
"""What may stand in a cell."""
