"""The report of a list of molecules: what they look like, and how they compare with the training molecules."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from molvae.chem.parse import parse_smiles
from molvae.chem.similarity import tanimoto_matrix
from molvae.chem.soundness import is_sound
from molvae.progress import SILENT, Progress
from molvae.report.distributions import distribution_figure
from molvae.report.page import Card, Section, figure_svg, new_figure
from molvae.scoring.molecules import PROPERTIES, DescribedMolecules, describe_molecules
from molvae.scoring.structural_filters import refused_by

SHOWN, SHOWN_PAIRS, SHOWN_SCAFFOLDS, SHOWN_FILTERS = 30, 12, 12, 12
COMPARED = 1000  # molecules whose nearest training molecule is looked for
MOST_TRAINING = 20_000  # training molecules that are read, at random
BLOCK = 5000


def molecule_sections(
    smiles: Sequence[str | None],
    training: Sequence[str] = (),
    *,
    seed: int = 0,
    n_jobs: int = 1,
    progress: Progress = SILENT,
) -> list[Section]:
    """The sections of a report on generated molecules.

    Args:
        smiles: as they were generated, invalid ones included.
        training: what they are compared with.
        seed: of what is shown and compared.
        n_jobs: processes; -1 is one per core.
        progress: reports molecules.
    """
    rng = np.random.default_rng(seed)
    here = describe_molecules(smiles, n_jobs=n_jobs, progress=progress)
    few = [training[i] for i in np.sort(rng.permutation(len(training))[:MOST_TRAINING])]
    there = describe_molecules(few, filters=False, n_jobs=n_jobs, progress=progress, description="Training")
    picked = rng.permutation(len(here))
    sections = [_summary(here, set(there.smiles), len(training)), _grid(here, picked[:SHOWN])]
    sections += [_distributions(here, there), _filters(here)]
    if len(there):
        sections.append(_nearest(here, there, picked[:COMPARED]))
    return [*sections, _scaffolds(here, there)]


def _summary(here: DescribedMolecules, known: set[str], n_training: int) -> Section:
    n = len(here)
    facts = [
        ("rows", f"{here.n_input:,}"),
        ("molecules", f"{n:,} ({100 * n / max(here.n_input, 1):.1f} %)"),
    ]
    if n:
        distinct = set(here.smiles)
        sound = sum(is_sound(mol) for s in here.smiles if (mol := parse_smiles(s)) is not None)
        facts.append(("unique", f"{100 * len(distinct) / n:.1f} %"))
        facts.append(("sound (no radicals, peroxides and the like)", f"{100 * sound / n:.1f} %"))
        if known:
            facts.append(
                (f"not among the {n_training:,} of training", f"{100 * len(distinct - known) / len(distinct):.1f} %")
            )
    return Section("Summary", facts=facts)


def _grid(here: DescribedMolecules, rows: np.ndarray) -> Section:
    cards = []
    for i in rows:
        logp, sa, qed, weight = here.properties[i]
        cards.append(Card(here.smiles[i], f"QED {qed:.2f}, logP {logp:.1f}, SA {sa:.1f}, {weight:.0f} g/mol"))
    return Section("Molecules", note=f"{len(cards)} at random. A click copies the SMILES.", rows=[cards])


def _distributions(here: DescribedMolecules, there: DescribedMolecules) -> Section:
    names = list(PROPERTIES)
    generated = {"generated": dict(zip(names, here.properties.T, strict=True))}
    reference = dict(zip(names, (there if len(there) else here).properties.T, strict=True))
    name = "training" if len(there) else "the same molecules"
    figure = distribution_figure(generated if len(there) else {}, reference, reference_name=name)
    table = []
    for i, label in enumerate(names):
        row = [label, _mean(here.properties[:, i])]
        table.append([*row, _mean(there.properties[:, i])] if len(there) else row)
    header = ["property", "generated", "training"] if len(there) else ["property", "generated"]
    return Section("Distributions", figures=[figure_svg(figure)], header=header, table=table)


def _mean(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.2f} ± {known.std():.2f}" if len(known) else "–"


def _filters(here: DescribedMolecules) -> Section:
    refused: Counter[str] = Counter()
    example: dict[str, str] = {}
    assert here.passes is not None
    for row in np.flatnonzero(~here.passes):
        mol = parse_smiles(here.smiles[row])
        name = refused_by(mol) if mol is not None else None
        if name is not None:
            refused[name] += 1
            example.setdefault(name, here.smiles[row])
    share = f"{100 * float(here.passes.mean()):.1f} %" if len(here) else "–"
    cards = [Card(example[name], f"{name}: {n:,}") for name, n in refused.most_common(SHOWN_FILTERS)]
    note = "The structural filters of MOSES; each refused molecule counts for the first filter that refuses it."
    return Section("Filters", note=note, facts=[("pass all filters", share)], rows=[cards] if cards else ())


def _nearest(here: DescribedMolecules, there: DescribedMolecules, rows: np.ndarray) -> Section:
    bits = _unpacked(here.fingerprints[rows])
    best, where = np.full(len(rows), -1.0), np.zeros(len(rows), dtype=int)
    for first in range(0, len(there), BLOCK):
        similarity = tanimoto_matrix(bits, _unpacked(there.fingerprints[first : first + BLOCK]))
        column = similarity.argmax(1)
        value = similarity[np.arange(len(rows)), column]
        where, best = np.where(value > best, column + first, where), np.maximum(value, best)
    figure = new_figure(5.2, 2.6)
    panel = figure.subplots()
    panel.hist(best, bins=40, range=(0, 1))
    panel.set_xlabel("Tanimoto similarity to the nearest training molecule")
    panel.set_ylabel("molecules")
    panel.spines[["top", "right"]].set_visible(False)
    cards = []
    for k in range(min(SHOWN_PAIRS, len(rows))):
        cards.append(Card(here.smiles[rows[k]], "generated"))
        cards.append(Card(there.smiles[where[k]], f"nearest of training, {best[k]:.2f}"))
    facts = [
        ("compared", f"{len(rows):,} with {len(there):,} of training"),
        ("mean similarity to the nearest", f"{best.mean():.3f}" if len(rows) else "–"),
    ]
    pairs = [cards[i : i + 6] for i in range(0, len(cards), 6)]
    return Section("Nearest training molecules", facts=facts, figures=[figure_svg(figure)], rows=pairs)


def _unpacked(fingerprints: np.ndarray) -> np.ndarray:
    return np.unpackbits(fingerprints, axis=1, bitorder="little").astype(np.float32)


def _scaffolds(here: DescribedMolecules, there: DescribedMolecules) -> Section:
    total = sum(here.scaffolds.values())
    facts = [
        ("molecules with a scaffold of two rings or more", f"{total:,}"),
        ("scaffolds", f"{len(here.scaffolds):,}"),
    ]
    if there.scaffolds:
        new = sum(scaffold not in there.scaffolds for scaffold in here.scaffolds)
        facts.append(("scaffolds that training lacks", f"{100 * new / max(len(here.scaffolds), 1):.1f} %"))
    cards = []
    for scaffold, n in here.scaffolds.most_common(SHOWN_SCAFFOLDS):
        beside = f"; training {there.scaffolds[scaffold]:,}" if there.scaffolds else ""
        cards.append(Card(scaffold, f"{n:,} ({100 * n / total:.1f} %){beside}"))
    return Section("Scaffolds", note="Bemis and Murcko, the most frequent first.", facts=facts, rows=[cards])
