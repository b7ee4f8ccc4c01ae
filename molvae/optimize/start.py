"""Molecules that a search begins with, brought into the model's standard form."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rdkit import Chem

from molvae.chem.inputs import as_molecules
from molvae.chem.parse import canonical_smiles, parse_smiles
from molvae.chem.standardize import drawn_together, uncharged
from molvae.errors import InputError
from molvae.inference.loaded import LoadedModel
from molvae.optimize.constraints import Constraints, SimilarityConstraint
from molvae.optimize.objective import Objective
from molvae.optimize.oracle import Candidate, Oracle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """What a search begins with.

    Attributes:
        candidates: canonical, each once, in the model's standard form; those that it cannot encode have no children.
        notes: a sentence for every molecule that was changed or left out.
    """

    candidates: list[Candidate]
    notes: tuple[str, ...]


def model_form(vae: LoadedModel, smiles: str, *, sound: bool) -> str | None:
    """A molecule as the model would write it, canonical; `None` for one that does not parse.

    That is the standard form of its training data: the largest fragment, without stereo or charges if the model has
    none. Charges that protons can balance are also removed if only sound molecules are scored; stereo and charges are
    also removed if the vocabulary cannot write them.
    """
    standard = vae.standardizer.apply(smiles)
    if standard.mol is None or standard.smiles is None:
        return canonical_smiles(smiles)
    neutral = uncharged(drawn_together(standard.mol))
    forms = [neutral] if sound else [standard.mol, neutral]
    forms += [_flat(form) for form in forms]
    texts = [Chem.MolToSmiles(form) for form in forms]
    return next((text for text in texts if vae.token_ids(text)), texts[0])


def in_model_form(vae: LoadedModel, objective: Objective) -> tuple[Objective, tuple[str, ...]]:
    """The objective with the molecules of its constraints as the model writes them; a note for each that differs."""
    given, changes, notes = objective.constraints, dict[str, object](), []
    if given.similar_to is not None:
        smiles = model_form(vae, given.similar_to.to, sound=given.sound)
        if smiles is not None and smiles != canonical_smiles(given.similar_to.to):
            changes["similar_to"] = SimilarityConstraint(to=smiles, at_least=given.similar_to.at_least)
            notes.append(f"similarity is measured to {smiles} in place of {given.similar_to.to}")
    if given.kept is not None and vae.standardizer.strip_stereo:
        flat = given.kept.flat().smiles
        if any(sign in given.kept.smiles for sign in "@/\\"):
            changes["keep"] = flat
            notes.append(f"the model has no stereo: {flat} is kept in place of {given.keep}")
    if not changes:
        return objective, ()
    own = {name: getattr(given, name) for name in given.model_fields_set}
    return replace(objective, constraints=Constraints.model_validate(own | changes)), tuple(notes)


def read_start(vae: LoadedModel, oracle: Oracle, molecules: Any) -> Start:
    """The molecules to begin with.

    Args:
        vae: the model.
        oracle: says which meet the constraints.
        molecules: in any form that `as_molecules` takes; blank ones are left out.

    Raises:
        InputError: when none of them parses, meets the constraints and can be encoded.
    """
    given = [smiles for smiles in as_molecules(molecules) if smiles and smiles.strip()]
    candidates: dict[str, Candidate] = {}
    refused: list[str] = []
    notes: list[str] = []
    for smiles in given:
        form = model_form(vae, smiles, sound=oracle.objective.constraints.sound)
        molecule = None if form is None else oracle.admits(form)
        if form is None or (molecule is None and form not in candidates):
            refused.append(f"{smiles!r} ({'unparsable' if form is None else oracle.refusal(form) or 'known'})")
        if molecule is not None:
            candidates.setdefault(molecule.smiles, Candidate(molecule.smiles, "start"))
            if molecule.smiles != canonical_smiles(smiles):
                notes.append(f"start {smiles} is used as {molecule.smiles}")
    if given and not candidates:
        kept = " and keeps the constraints" if any(parse_smiles(s) is not None for s in given) else ""
        raise InputError(f"none of the {len(given)} start molecules parses{kept}, such as {refused[0]}")
    if refused:
        notes.append(f"{len(refused)} start molecules are left out, such as {refused[0]}")
    notes += _unusable(vae, list(candidates))
    for note in notes:
        log.info(note)
    return Start(list(candidates.values()), tuple(notes))


def _unusable(vae: LoadedModel, smiles: Sequence[str]) -> list[str]:
    """Notes on molecules that the model cannot encode; raises `InputError` when it can encode none."""
    tokenized = vae.tokenize(smiles)
    listed = [
        f"{s!r} ({m.reason})" for s, m in zip(smiles, tokenized, strict=True) if m.reason and not vae.token_ids(s)
    ]
    if listed and len(listed) == len(smiles):
        raise InputError(f"the model can encode none of the start molecules: {', '.join(listed[:3])}")
    if listed:
        log.warning("%d start molecules cannot be encoded: %s", len(listed), ", ".join(listed[:3]))
    notes = [f"{len(listed)} start molecules cannot be encoded and have no children"] if listed else []
    long = sum((m.reason or "").startswith("too_long") for m in tokenized)
    if long:
        notes.append(f"{long} start molecules are longer than the model's slots hold; their children differ more")
    return notes


def _flat(mol: Chem.Mol) -> Chem.Mol:
    mol = Chem.Mol(mol)
    Chem.RemoveStereochemistry(mol)
    return mol
