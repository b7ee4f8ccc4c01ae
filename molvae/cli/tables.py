"""Tables that commands show or write."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from molvae.chem.descriptors import descriptor_table
from molvae.chem.parse import canonical_smiles, parse_smiles
from molvae.chem.standardize import Standardizer
from molvae.chem.stereo import stereoisomers
from molvae.config import MAX_LINE
from molvae.data.shards import open_prepared
from molvae.errors import InputError
from molvae.formats.readers import InputRow, read_molecules
from molvae.inference.encoding import ENCODED
from molvae.inference.features import count_reasons
from molvae.inference.sampling import Sampled
from molvae.scoring.parallel import map_chunks

if TYPE_CHECKING:
    import pandas as pd

    from molvae.optimize.run import Optimized

COLUMNS = ("qed", "logp", "sa")
CHUNK = 2000  # molecules whose scores take about as long as starting a process


def described(smiles: Sequence[str], *, n_jobs: int = 1) -> "pd.DataFrame":
    """`smiles` with QED, logP and SA (nan where a molecule does not parse), computed in several processes."""
    import pandas as pd

    if len(smiles) <= CHUNK:
        values = descriptor_table(smiles, COLUMNS)
    else:
        chunks = map_chunks(descriptor_table, smiles, COLUMNS, chunk_size=CHUNK, description="Scores", n_jobs=n_jobs)
        values = np.concatenate(list(chunks))
    frame = pd.DataFrame(values.astype(float).round(4), columns=list(COLUMNS))
    frame.insert(0, "smiles", list(smiles))
    return frame


def undescribed(smiles: Sequence[str]) -> "pd.DataFrame":
    """`smiles` alone."""
    import pandas as pd

    return pd.DataFrame({"smiles": list(smiles)})


def with_stereoisomers(frame: "pd.DataFrame", most: int) -> "pd.DataFrame":
    """A row for each stereoisomer of each molecule, at most so many; `drawn_as` has what the model wrote."""
    isomers = [stereoisomers(smiles, most=most) for smiles in frame["smiles"]]
    repeated = frame.loc[frame.index.repeat([len(one) for one in isomers])].reset_index(drop=True)
    repeated.insert(1, "drawn_as", repeated["smiles"])
    repeated["smiles"] = [smiles for one in isomers for smiles in one]
    return repeated


def read_rows(
    path: str, *, split: str, smiles_column: str | None, name_column: str | None = None, max_line: int = MAX_LINE
) -> list[InputRow]:
    """The rows of a file, or the molecules of a prepared folder of one split."""
    if Path(path).is_dir():
        prepared = open_prepared(path)
        smiles = prepared.smiles(prepared.indices(split))
        return [InputRow(path, row, text) for row, text in enumerate(smiles, start=1)]
    return list(read_molecules(path, smiles_column=smiles_column, name_column=name_column, max_line=max_line))


def read_input(path: str, *, split: str, smiles_column: str | None) -> list[str | None]:
    """The SMILES of `read_rows`."""
    return [row.smiles for row in read_rows(path, split=split, smiles_column=smiles_column)]


def check_molecules(*texts: str) -> None:
    """Raise `InputError` for a molecule that does not parse, before a model is loaded for it; it says what is blank."""
    for text in texts:
        if text and parse_smiles(text) is None:
            raise InputError(f"{text!r} does not parse as a molecule")


def known_molecules(paths: Sequence[str], standardizer: Standardizer) -> frozenset[str]:
    """Canonical SMILES of the files' molecules, both as they are and in the model's standard form."""
    known: set[str] = set()
    for path in paths:
        before = len(known)
        for row in read_molecules(path):
            if row.smiles is not None:
                standard = standardizer.apply(row.smiles).smiles
                known.update(s for s in (standard, canonical_smiles(row.smiles)) if s is not None)
        if len(known) == before:
            raise InputError(f"{path} holds no molecule that parses, so nothing to be novel against")
    return frozenset(known)


def sampling_summary(frame: "pd.DataFrame", drawn: Sampled, *, novel: bool, diagnostics: Mapping[str, Any]) -> Table:
    """What was drawn, its average properties, and whether the model uses its latent.

    Validity and novelty alone say nothing: a collapsed model has both.
    """
    n, total = len(frame), drawn.n_drawn
    table = Table("sampled molecules", "", title_justify="left")
    table.columns[1].justify = "right"
    table.add_row("drawn from the prior", f"{total:,}")
    if drawn.n_unlikely:
        table.add_row("unlikely, left out", f"{drawn.n_unlikely:,} ({100 * drawn.n_unlikely / total:.2f} %)")
    table.add_row("valid", f"{100 * drawn.valid:.2f} %")
    if drawn.n_lost:
        table.add_row("without the part to keep, left out", f"{drawn.n_lost:,}")
    if drawn.n_unsound:
        table.add_row("unsound, left out", f"{drawn.n_unsound:,}")
    table.add_row("kept", f"{n:,}")
    table.add_row("unique among the kept", f"{100 * frame['smiles'].nunique() / n:.2f} %")
    if novel:
        share = drawn.n_known / max(total - drawn.n_unlikely - drawn.n_invalid - drawn.n_repeated, 1)
        table.add_row("known, left out", f"{drawn.n_known:,} ({100 * share:.2f} %)")
    for column, label in zip(COLUMNS, ("QED", "logP", "SA"), strict=True):
        if column not in frame:
            continue
        table.add_row(f"mean {label} ± sd", f"{frame[column].mean():.2f} ± {frame[column].std():.2f}")
    latent = diagnostics.get("latent")
    if latent:
        table.add_section()
        table.add_row(
            "the model: exact reconstruction, held out",
            "–" if latent["exact"] is None else f"{100 * latent['exact']:.1f} %",
        )
        table.add_row("the model: active units", f"{latent['active_units']} of {latent['latent_dim']}")
    return table


def reconstruction_summary(frame: "pd.DataFrame") -> str:
    """How many molecules were encoded and rebuilt, why others were not, and what the standard form does not keep."""
    read = frame["reason"].isin(ENCODED)
    decoded = frame["tanimoto"].notna()
    lines = [f"{int(read.sum()):,} of {len(frame):,} molecules encoded"]
    if read.any():
        exact = frame.loc[read, "exact"]
        lines.append(f"  exact: {100 * exact.mean():.2f} % ({int(exact.sum()):,} of {len(exact):,} encoded)")
        mean = f"{frame.loc[decoded, 'tanimoto'].mean():.3f}" if decoded.any() else "–"
        lines.append(f"  mean Tanimoto similarity: {mean} (of the {int(decoded.sum()):,} decoded to a molecule)")
    lines += [f"  {reason}: {n:,}" for reason, n in count_reasons(frame["reason"]).items()]
    for what in ("stereo", "isotopes"):
        n = int(frame["lost"].str.split().map(lambda lost, what=what: what in lost).sum())
        if n:
            lines.append(f"  {what} that the model does not keep: {n:,} molecules, none of them exact")
    return "\n".join(lines)


def neighbors_summary(frame: "pd.DataFrame") -> str:
    """How many steps have each status."""
    counts = frame["status"].value_counts()
    n = len(frame) - int(counts.get("start", 0))
    listed = ", ".join(f"{int(counts.get(status, 0)):,} {status}" for status in ("new", "copy", "none"))
    return f"{n:,} steps: {listed}"


def optimization_summary(found: "Optimized") -> Table:
    """How good the best molecules are, after how many calls, and what the search itself cost."""
    table = Table("optimization", "", title_justify="left")
    table.columns[1].justify = "right"
    n = len(found.scores)
    table.add_row("molecules scored", f"{n:,} of {found.budget:,}")
    unscored = int(np.isnan(found.scores).sum())
    if unscored:
        table.add_row("without a score (nan)", f"{unscored:,}")
    for reason, count in found.refusals.items():
        table.add_row(f"not scored, {reason}", f"{count:,}")
    values = found.summary()
    for k in (1, 10, 100):
        value = values[f"top{k}"]
        table.add_row("best" if k == 1 else f"mean of the best {k}", "–" if np.isnan(value) else f"{value:.4f}")
    known = found.scores[~np.isnan(found.scores)]
    if ((known >= 0) & (known <= 1)).all():  # the area is defined for such scores only
        table.add_row("area under the top-10 curve", f"{values['auc_top10']:.4f}")
    if found.hypervolume is not None:
        table.add_row("on the Pareto front", f"{int(found.frame['front'].sum()):,}")
        table.add_row("hypervolume", f"{found.hypervolume:.4f}")
    table.add_section()
    table.add_row("search, this run", f"{found.seconds:.1f} s")
    table.add_row("scoring, this run", f"{found.oracle_seconds:.1f} s")
    return table
