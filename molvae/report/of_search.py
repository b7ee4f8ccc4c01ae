"""The report of an optimization, from the record of its calls."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from molvae.config import parse_config
from molvae.errors import ConfigError
from molvae.optimize.curves import top_auc, top_curve, top_mean
from molvae.optimize.objective import Objective, ObjectiveConfig
from molvae.optimize.pareto import front_of
from molvae.optimize.record import Call, History
from molvae.report.page import Card, Section, figure_svg, new_figure

PARENT = re.compile(r"#(\d+)")
SHOWN_BEST, SHOWN_TIMES = 24, 12


def search_sections(description: Mapping[str, Any], history: History) -> list[Section]:
    """The sections of a search's report.

    Args:
        description: of the run, the first line of its record.
        history: its calls.
    """
    scores = history.scores
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    facts = [
        ("method", str(description.get("method"))),
        ("seed", str(description.get("seed"))),
        ("molecules scored", f"{len(history):,}"),
        *((f"mean of the best {k}" if k > 1 else "best", f"{top_mean(scores, k):.4f}") for k in (1, 10, 100)),
    ]
    known = scores[np.isfinite(scores)]
    if len(known) and (known >= 0).all() and (known <= 1).all():
        facts.append(("area under the top-10 curve", f"{top_auc(scores, 10, budget=len(history)):.4f}"))
    unscored = len(scores) - len(known)
    if unscored:
        facts.append(("without a score", f"{unscored:,}"))
    sections = [
        Section("Search", facts=facts, figures=[_curve(scores), *_components(history)]),
        *_front(description, history),
        Section("The best", rows=[[_card(history.calls[i], history) for i in order[:SHOWN_BEST]]]),
        _over_time(history),
    ]
    line = lineage(history, history.calls[order[0]])
    table = [[f"#{call.number}", f"{call.score:.4f}", call.origin] for call in line]
    note = "From the best molecule back to the one that the search began with; of two parents the first is followed."
    cards = [_card(call, history) for call in line]
    lines = Section("Lineage of the best", note=note, rows=[cards], header=("call", "score", "made by"), table=table)
    return [*sections, lines]


def lineage(history: History, call: Call) -> list[Call]:
    """A call, the call of its first parent, and so on to one without a parent."""
    line = [call]
    while (parent := PARENT.search(line[-1].origin)) is not None and int(parent[1]) < line[-1].number:
        line.append(history.calls[int(parent[1]) - 1])
    return line


def _card(call: Call, history: History) -> Card:
    parts = ", ".join(f"{name} {value:.3g}" for name, value in zip(history.names, call.raw, strict=True))
    return Card(call.smiles, f"#{call.number}: {call.score:.4f}" + (f" ({parts})" if len(history.names) > 1 else ""))


def _curve(scores: np.ndarray) -> str:
    figure = new_figure()
    panel = figure.subplots()
    every = max(1, len(scores) // 100)
    for k, label in ((1, "best"), (10, "mean of the best 10"), (100, "mean of the best 100")):
        panel.plot(*top_curve(scores, k, every=every), linewidth=1.6, label=label)
    panel.scatter(np.arange(1, len(scores) + 1), scores, s=2, color="0.7", zorder=0, rasterized=True)
    panel.set_xlabel("oracle calls")
    panel.set_ylabel("score")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
    return figure_svg(figure)


def _components(history: History) -> list[str]:
    if len(history.names) < 2:
        return []
    figure = new_figure(5.6, 1.5 * len(history.names) + 0.5)
    panels = np.atleast_1d(figure.subplots(len(history.names), 1, sharex=True))
    for panel, name, values in zip(panels, history.names, history.raw.T, strict=True):
        panel.scatter(np.arange(1, len(values) + 1), values, s=2, rasterized=True)
        panel.set_ylabel(name, fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("oracle calls")
    return [figure_svg(figure)]


def _front(description: Mapping[str, Any], history: History) -> list[Section]:
    objective = _objective(description.get("objective"))
    if objective is None or objective.mean != "pareto" or len(history.names) < 2:
        return []
    values = objective.transformed(history.raw)
    front, volume = front_of(values)
    figure = new_figure(4.6, 3.6)
    panel = figure.subplots()
    panel.scatter(values[:, 0], values[:, 1], s=3, color="0.75", rasterized=True)
    panel.scatter(values[front, 0], values[front, 1], s=12)
    panel.set_xlabel(history.names[0])
    panel.set_ylabel(history.names[1])
    panel.spines[["top", "right"]].set_visible(False)
    facts = [("molecules on the front", f"{len(front):,}"), ("hypervolume", f"{volume:.4f}")]
    cards = [_card(history.calls[i], history) for i in front[np.argsort(-values[front, 0])][:SHOWN_BEST]]
    note = "Molecules that none beats in everything, after the transforms; the first two scores are drawn."
    return [Section("Pareto front", note=note, facts=facts, figures=[figure_svg(figure)], rows=[cards])]


def _objective(description: Any) -> Objective | None:
    """The objective of a record, where it was one of named scores."""
    while isinstance(description, dict) and "scores" not in description:
        description = description.get("objective")
    if description is None:
        return None
    try:
        return Objective.of_config(parse_config(ObjectiveConfig, description, where="the record's objective"))
    except ConfigError:
        return None


def _over_time(history: History) -> Section:
    best, records = -np.inf, []
    for call in history.calls:
        if call.score > best:
            best = call.score
            records.append(call)
    shown = np.linspace(0, max(len(records) - 1, 0), min(SHOWN_TIMES, len(records))).round()
    kept = np.unique(shown).astype(int)
    cards = [_card(records[i], history) for i in kept]
    return Section("Best over time", note="Molecules that were the best when they were found.", rows=[cards])
