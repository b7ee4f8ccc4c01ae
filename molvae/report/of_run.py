"""The report of a trained model: curves, use of the latent, reconstructions, samples, a map."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molvae.chem.descriptors import descriptor_table
from molvae.inference.encoding import encode_rows, reconstruct
from molvae.inference.loaded import LoadedModel
from molvae.inference.sampling import Sampled
from molvae.progress import SILENT, Progress
from molvae.report.latent_map import map_values, project
from molvae.report.page import Card, Section, figure_svg, new_figure

CURVES = {
    "reconstruction": "reconstruction (nats)",
    "kl": "KL (nats)",
    "property_loss": "property loss",
    "beta": "beta",
}
SHOWN_SAMPLES, SHOWN_PAIRS, ON_MAP = 24, 12, 250


def run_sections(
    vae: LoadedModel,
    held_out: Sequence[str],
    drawn: Sampled,
    *,
    metrics: Path | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> list[Section]:
    """The sections of a model's report.

    Args:
        vae: the model.
        held_out: molecules that it was not trained on.
        drawn: what was sampled from it.
        metrics: `metrics.csv` of its training run.
        seed: of the choice of molecules.
        progress: reports molecules.
    """
    chosen = np.random.default_rng(seed).permutation(len(held_out))
    molecules = [held_out[i] for i in np.sort(chosen[:ON_MAP])]
    curves = [] if metrics is None or not metrics.is_file() else _curves(pd.read_csv(metrics))
    return [
        Section("Model", facts=model_facts(vae)),
        *([Section("Training", figures=curves)] if curves else []),
        *_latent_use(vae.diagnostics),
        _reconstructions(vae, [held_out[i] for i in chosen[:SHOWN_PAIRS]], progress),
        _samples(drawn),
        *_map(vae, molecules, progress),
    ]


def model_facts(vae: LoadedModel) -> list[tuple[str, str]]:
    """What a model is and what was measured after its training, as names and values."""
    model, latent = vae.model, vae.diagnostics.get("latent", {})
    training = vae.diagnostics.get("training", {})
    facts = [
        ("encoder", type(model.encoder).__name__),
        ("latent", f"{type(model.latent).__name__}, {vae.latent_dim} dimensions"),
        ("decoder", type(model.decoder).__name__),
        ("prior that is sampled", type(vae.default_prior).__name__),
        ("vocabulary", f"{len(vae.vocabulary):,} tokens of {vae.notation.name}"),
        ("weights", f"{sum(p.numel() for p in model.parameters()):,}"),
        ("property heads", ", ".join(model.heads.names[:12]) + (" …" if len(model.heads.names) > 12 else "") or "none"),
    ]
    for name, label in (("molecules", "molecules seen"), ("steps", "steps"), ("seconds", "seconds of training")):
        if name in training:
            facts.append((label, f"{training[name]:,}"))
    if latent:
        facts += [
            ("reconstruction, held out (nats)", f"{latent['reconstruction']:.2f}"),
            ("KL, held out (nats)", f"{latent['kl']:.2f}"),
            ("active units", f"{latent['active_units']} of {latent['latent_dim']}"),
            ("exact, greedy", "–" if latent["exact"] is None else f"{100 * latent['exact']:.1f} %"),
        ]
        if latent.get("collapse_warning"):
            facts.append(("warning", latent["collapse_warning"]))
    return facts


def _curves(metrics: pd.DataFrame) -> list[str]:
    figures = []
    for name, label in CURVES.items():
        columns = [c for c in (f"train/{name}", f"valid/{name}") if c in metrics and metrics[c].notna().any()]
        if columns:
            figure = new_figure(5.2, 2.8)
            panel = figure.subplots()
            for column in columns:
                known = metrics[["step", column]].dropna()
                style: dict[str, Any] = (
                    {"marker": "o", "markersize": 3} if column.startswith("valid") else {"alpha": 0.8}
                )
                panel.plot(known["step"], known[column], linewidth=1.4, label=column.split("/")[0], **style)
            panel.set_xlabel("step")
            panel.set_ylabel(label)
            panel.grid(alpha=0.3)
            panel.spines[["top", "right"]].set_visible(False)
            panel.legend(frameon=False)
            figures.append(figure_svg(figure))
    return figures


def _latent_use(diagnostics: dict[str, Any]) -> list[Section]:
    nats = diagnostics.get("latent", {}).get("kl_per_dimension")
    if not nats:
        return []
    figure = new_figure(5.2, 2.8)
    panel = figure.subplots()
    panel.bar(range(len(nats)), nats, width=1.0)
    panel.set_xlabel("unit, the fullest first")
    panel.set_ylabel("KL (nats)")
    panel.spines[["top", "right"]].set_visible(False)
    figures = [figure_svg(figure)]
    history = [row for row in diagnostics.get("training", {}).get("history", []) if "kl_per_dimension" in row]
    if len(history) > 1:
        values = np.array([row["kl_per_dimension"] for row in history]).T
        figure = new_figure(5.2, 2.8)
        panel = figure.subplots()
        steps = [row["step"] for row in history]
        image = panel.pcolormesh(steps, range(len(values)), values, shading="nearest", cmap="viridis", rasterized=True)
        panel.set_xlabel("step")
        panel.set_ylabel("unit, sorted")
        figure.colorbar(image, label="KL (nats)")
        figures.append(figure_svg(figure))
    note = "KL of each unit to the standard prior; a unit near 0 says nothing about the molecule."
    return [Section("Use of the latent", note=note, figures=figures)]


def _reconstructions(vae: LoadedModel, smiles: Sequence[str], progress: Progress) -> Section:
    rebuilt = reconstruct(vae, smiles, progress=progress)
    rows = []
    for row in rebuilt.itertuples():
        said = row.reason or ("exact" if row.exact else f"similarity {row.tanimoto:.2f}")
        given = f"given; {row.lost} is not kept" if row.lost else "given"
        blank = row.reason.replace("_", " ") or "no molecule"
        rows.append((Card(row.smiles, given), Card(row.reconstruction, said, blank)))
    pairs = [[card for pair in rows[i : i + 3] for card in pair] for i in range(0, len(rows), 3)]
    note = "Molecules that were held out, each beside what the decoder makes of its latent."
    return Section("Reconstructions", note=note, rows=pairs)


def _samples(drawn: Sampled) -> Section:
    values = descriptor_table(drawn.smiles, ("qed", "logp", "sa"))
    facts = [
        ("draws that are molecules", f"{100 * drawn.valid:.1f} %"),
        ("unique", f"{100 * len(set(drawn.smiles)) / len(drawn.smiles):.1f} %"),
    ]
    for name, column in zip(("QED", "logP", "SA"), values.T, strict=True):
        facts.append((f"mean {name} ± sd", f"{np.nanmean(column):.2f} ± {np.nanstd(column):.2f}"))
    cards = [
        Card(s, f"QED {q:.2f}, logP {p:.1f}, SA {a:.1f}") for s, (q, p, a) in zip(drawn.smiles, values, strict=True)
    ]
    note = f"{len(drawn.smiles)} molecules from the prior, of which the first {SHOWN_SAMPLES} are shown."
    return Section("Samples", note=note, facts=facts, rows=[cards[:SHOWN_SAMPLES]])


def _map(vae: LoadedModel, smiles: Sequence[str], progress: Progress) -> list[Section]:
    encoded = encode_rows(vae, smiles, progress=progress)
    standard = [str(s) for s, valid in zip(encoded.smiles, encoded.valid, strict=True) if valid]
    if len(standard) < 3:
        return []
    points, axes = project(encoded.z[encoded.valid])
    logp = descriptor_table(standard, ("logp",))[:, 0]
    values = map_values(points, logp, standard, axes=axes, color_name="logP")
    return [Section("Map", note="Held-out molecules in the latent, projected on its main axes.", latent_map=values)]
