"""What a prepared folder holds, as tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from molvae.cli.options import console
from molvae.formats.readers import numeric_columns

if TYPE_CHECKING:
    from molvae.data.prepared import PreparedData

MOST_HINTED = 8  # names in the hint
KINDS = {
    "counterion": "counterions",
    "solvent": "solvents",
    "copy": "copies",
    "molecule": "other molecules (co-crystals, mixtures)",
}


def show_prepared(prepared: "PreparedData", quiet: bool, *, stdout: bool = False) -> None:
    """Print what a prepared folder holds."""
    screen = Console(highlight=False, markup=False) if stdout else console(quiet)
    screen.print(_rows(prepared))
    show_left_out(prepared, screen)
    properties = prepared.meta["properties"]
    if properties["names"]:
        screen.print(_scales(properties))
    if any(properties.get("clipped", ())):
        screen.print(
            "clipped: labels more than 10 sd from the mean, which heads learn as 10; their logarithm may suit better",
            soft_wrap=True,
        )


def hint_at_labels(inputs: Sequence[str | Path], kept: Sequence[str], screen: Console) -> None:
    """Name the columns of input files that look like labels and are not kept."""
    found = {name: None for path in inputs for name in numeric_columns(path) if name not in kept}
    if found:
        names = list(found)[:MOST_HINTED]
        screen.print(
            f"not kept: {', '.join(names)}, which look like labels; keep one with --property {names[0]}, or of a run "
            f"with --set 'data.prepare.property_columns=[{names[0]}]'",
            soft_wrap=True,
        )


def show_left_out(prepared: "PreparedData", screen: Console) -> None:
    """Print what was left out of rows that were kept, and what became of labels."""
    meta = prepared.meta
    for kind, found in meta.get("stripped", {}).items():
        listed = ", ".join(f"{smiles} {n:,}" for smiles, n in list(found["most_common"].items())[:5])
        screen.print(f"left out of {found['rows']:,} rows: {KINDS[kind]} ({listed})", soft_wrap=True)
    labels = meta["properties"].get("labels")
    if not labels:
        return
    screen.print(_labels(labels))
    for name, count in labels.items():
        if count["examples"]:
            listed = ", ".join(repr(text[:40]) for text in count["examples"])
            screen.print(f"{name}: unreadable labels such as {listed}", soft_wrap=True)
        if count["limits"]:
            taken = f"{name}: the numbers of {count['limits']:,} limits such as >10 were taken for labels"
            screen.print(taken, soft_wrap=True)
        if count["conflicts"]:
            rule = meta["options"]["conflicts"]
            kept = "the first" if rule == "first" else f"their {rule}"
            screen.print(
                f"{name}: {count['conflicts']:,} molecules have rows with different labels, of which {kept} is kept "
                f"(see {prepared.path / 'conflicts.csv'})",
                soft_wrap=True,
            )


def _rows(prepared: "PreparedData") -> Table:
    meta = prepared.meta
    rows = _table("rows", "number", title=str(prepared.path))
    rows.add_row("read", f"{meta['rows']['read']:,}")
    for reason, n in meta["rows"]["rejected"].items():
        rows.add_row(f"  rejected: {reason}", f"{n:,}")
    if elsewhere := meta["rows"].get("in_other_split"):
        rows.add_row("    duplicates of a molecule in another split", f"{elsewhere:,}")
    rows.add_row("kept", f"{meta['rows']['kept']:,}", end_section=True)
    for split, n in meta["splits"].items():
        rows.add_row(f"  {split}", f"{n:,}")
    if without := meta["rows"].get("without_split"):
        rows.add_row("  rows that name no split, taken for train", f"{without:,}")
    tokens = meta["tokens"]
    rows.add_section()
    rows.add_row("vocabulary (tokens)", f"{tokens['vocabulary']:,}")
    rows.add_row("tokens per molecule, mean", f"{tokens['mean_length']:.2f}")
    rows.add_row("tokens per molecule, most", f"{tokens['max_length']:,}")
    if kind := meta.get("fingerprints"):
        rows.add_section()
        rows.add_row("bits per fingerprint", f"{kind['bits']:,}")
    if randomized := meta.get("randomized_smiles"):
        rows.add_section()
        rows.add_row("randomized SMILES per molecule", f"{randomized['each']:,}")
        rows.add_row("tokens per randomized SMILES, mean", f"{randomized['mean_length']:.2f}")
        rows.add_row("canonical SMILES instead", f"{randomized['canonical_instead']:,}")
    return rows


def _labels(labels: Mapping[str, Mapping[str, Any]]) -> Table:
    """Per property, how many molecules have a label, and why the others have none."""
    kinds = ["labeled", "missing"]
    kinds += [kind for kind in ("unreadable", "censored", "replicates") if any(c[kind] for c in labels.values())]
    table = _table("labels", *kinds, title="molecules")
    for name, count in labels.items():
        table.add_row(name, *(f"{count[kind]:,}" for kind in kinds))
    return table


def _scales(properties: Mapping[str, Any]) -> Table:
    """Mean and standard deviation, and not their defaults where labels are missing or do not vary."""
    names, mean, std = properties["names"], properties["mean"], properties["std"]
    labeled = properties.get("labeled", [None] * len(names))  # older folders did not count
    varies = properties.get("varies", [True] * len(names))
    clipped = properties.get("clipped", [0] * len(names))
    table = _table("property", "mean", "sd", *(["clipped"] if any(clipped) else []), title="training split")
    for name, n, center, scale, vary, far in zip(names, labeled, mean, std, varies, clipped, strict=True):
        measured = ["–" if n == 0 else f"{center:.4g}", f"{scale:.4g}" if vary else "–"]
        table.add_row(name, *measured, *([f"{far:,}"] if any(clipped) else []))
    return table


def _table(*columns: str, title: str) -> Table:
    table = Table(*columns, title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    return table
