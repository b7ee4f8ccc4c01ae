"""A whole optimization: from an objective, a method and a budget to the scored molecules."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rdkit import Chem

from molvae.chem.descriptors import DESCRIPTORS
from molvae.chem.inputs import as_molecules
from molvae.chem.similarity import ecfp4_bits, tanimoto_matrix
from molvae.config import Number, Positive, Seed, checked
from molvae.errors import ConfigError
from molvae.inference.loaded import LoadedModel
from molvae.inference.sampling import GUIDANCE
from molvae.optimize.constraints import constraints
from molvae.optimize.curves import top_auc, top_mean
from molvae.optimize.methods import DEFAULT, FINETUNED, build_search
from molvae.optimize.objective import Objective, load_objective
from molvae.optimize.oracle import SYSTEMATIC, Oracle
from molvae.optimize.pareto import front_of
from molvae.optimize.record import History
from molvae.optimize.start import Start, in_model_form, read_start
from molvae.optimize.tasks import TASKS, load_task, task_name
from molvae.progress import SILENT, Progress
from molvae.scoring.structural_filters import structural_alert

log = logging.getLogger(__name__)

MAX_IDLE = 20  # rounds in a row without a new molecule before a search ends
STUCK = 3  # such rounds before molecules are drawn from the prior until one is new
SMALLEST_BATCH, LARGEST_BATCH = 50, 200
FIRST = 100  # molecules drawn from the prior to start with, when no start molecules are given


@dataclass(frozen=True)
class Optimized:
    """What a run found.

    Attributes:
        frame: one row per call, best first: `smiles`, `score`, every component's raw value, `call`, `origin`; with
            several objectives at once `front`, whether the row is on the Pareto front. Then, where no component has the
            name, `sa`; `alert`, the first structural alert or ""; `similarity` (ECFP4 Tanimoto) to the molecule of the
            similarity constraint, or the nearest start molecule.
        scores: in the order of the calls, `(n,)`.
        budget: calls that were allowed.
        seconds: time that this process took, without the oracle.
        oracle_seconds: time that this process spent in the objective.
        refusals: molecules that a constraint kept from being scored, by reason, the most frequent first.
        hypervolume: of the transformed components, with several objectives at once.
        n_start: how many of the scored molecules the run began with.
        notes: how start molecules and the molecule of the similarity constraint were changed; why every score is 0.
    """

    frame: pd.DataFrame
    scores: np.ndarray
    budget: int
    seconds: float
    oracle_seconds: float
    refusals: Mapping[str, int]
    hypervolume: float | None = None
    n_start: int = 0
    notes: tuple[str, ...] = ()

    @property
    def stuck(self) -> bool:
        """Whether nothing but the start could be scored though calls were left."""
        return len(self.scores) <= self.n_start and len(self.scores) < self.budget

    def summary(self) -> dict[str, float]:
        """PMO's numbers: AUC of the top 10, for scores in [0, 1], and the means of the best 1, 10 and 100."""
        values = {"auc_top10": top_auc(self.scores, 10, budget=self.budget)}
        return values | {f"top{k}": top_mean(self.scores, k) for k in (1, 10, 100)}


def optimize(
    vae: LoadedModel,
    objective: Objective | Callable[[list[str]], Sequence[float]] | str | Path,
    *,
    method: str = DEFAULT,
    n_calls: int = 10_000,
    target: float | None = None,
    hits: int = 1,
    start: Any = (),
    similar_to: str | None = None,
    min_similarity: float = 0.4,
    window: Mapping[str, tuple[float | None, float | None]] | None = None,
    keep: str | None = None,
    contains: Sequence[str] = (),
    sound: bool | None = None,
    alerts: bool | None = None,
    condition: Mapping[str, float] | None = None,
    guidance: float = GUIDANCE,
    finetune: bool | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    record: str | Path | None = None,
    resume: bool = False,
    progress: Progress = SILENT,
) -> Optimized:
    """Find molecules that score high, paying for `n_calls` unique molecules.

    Args:
        vae: the model; it is not changed.
        objective: an `Objective`, a function from SMILES to numbers, a task's name, or the path of an objective's YAML.
        method: one of `molvae.optimize.methods.METHODS`.
        n_calls: unique molecules to score, those of `start` counted.
        target: the search ends as soon as `hits` molecules score this much.
        hits: see `target`.
        start: molecules to begin with, in any form; they are brought into the model's standard form. By default draws
            from the prior, and the molecule of `similar_to`.
        similar_to: score only molecules similar to this one, which the search also begins with.
        min_similarity: the least ECFP4 Tanimoto similarity to it.
        window: score only molecules whose descriptors are within these windows: name → (lowest, highest), `None` for
            an open side.
        keep: a part that every molecule has, as in `MoleculeGenerator.draw`; only such molecules are made.
        contains: score only molecules with these substructures, SMARTS.
        sound: score only sound molecules; by default as the objective has it: yes, but no for tasks.
        alerts: score only molecules without structural alerts; by default as the objective has it: yes, but no for
            tasks.
        condition: values of properties that the model is asked for while it makes molecules.
        guidance: of the condition, as in `MoleculeGenerator.draw`.
        finetune: tune a copy of the model on the best molecules found, see `Finetuning`; by default with `evolution`,
            unless the model reads graphs.
        batch_size: molecules scored at once; by default a twentieth of the calls made, from 50 to 200.
        seed: the same seed gives the same run.
        record: file to which every call is written as it is made.
        resume: go on from the calls in `record` if it exists.
        progress: reports calls.

    Raises:
        ConfigError: for an unknown method or task, or a bad objective.
        InputError: when none of `start` parses, meets the constraints and can be encoded.
        RecordError: when `record` exists and `resume` is not set, or belongs to another run.
        InputFileError: when `record` cannot be written, or another process is writing it.
        ScoreError: when a score fails altogether; the calls made before are in `record`.
    """
    began = time.perf_counter()
    checked(Seed, seed, "seed")
    checked(Positive, n_calls, "n_calls")
    checked(Positive, hits, "hits")
    if batch_size is not None:
        checked(Positive, batch_size, "batch_size")
    if target is not None:
        checked(Number, target, "target")
    wanted = as_objective(objective)
    asked_for = constraints(
        similar_to=similar_to,
        min_similarity=min_similarity,
        window=window,
        keep=keep,
        contains=contains,
        sound=sound,
        alerts=alerts,
    )
    if asked_for.model_fields_set:
        wanted = wanted.with_constraints(asked_for)
    wanted, notes = in_model_form(vae, wanted)
    start = [smiles for smiles in as_molecules(start) if smiles]
    if similar_to and similar_to not in start:
        start.insert(0, similar_to)
    if finetune is None:
        finetune = method in FINETUNED and not vae.reads_graphs
    asked = vae.condition(condition or {}, guidance=guidance)
    search = build_search(method, vae, wanted, finetune=finetune, condition=asked)
    beginning = build_search("random", vae, wanted, condition=asked)
    history = History(wanted.names)
    oracle = Oracle(wanted, n_calls, history=history)
    begin = read_start(vae, oracle, start)
    first = begin.candidates
    description = {
        "objective": wanted.description,
        "method": method,
        "finetune": finetune,
        "seed": seed,
        "start": [c.smiles for c in first],
    } | ({"condition": dict(condition), "guidance": guidance} if condition else {})
    idle, zeros = 0, None
    try:
        if record is not None:
            history.keep_in(record, description, resume=resume)
        with progress.stage("Optimizing", total=n_calls, unit="calls") as stage:
            stage.advance(min(len(history), n_calls))
            while oracle.remaining and idle < MAX_IDLE and not _reached(oracle, target, hits):
                rng = np.random.default_rng((seed, len(history), idle))
                size = min(batch_size or _batch_size(len(history)), oracle.remaining)
                waiting = [c for c in first if c.smiles not in history][:size]
                begins = not first and len(history) < min(FIRST, n_calls)
                if not waiting and (begins or idle >= STUCK):
                    waiting = beginning.propose(oracle, size, rng)
                made = oracle(waiting or search.propose(oracle, size, rng))
                idle = 0 if made else idle + 1
                stage.advance(len(made))
                if made and zeros is None and len(history) - len(made) < SYSTEMATIC <= len(history):
                    zeros = wanted.zeros(history.raw)
                    if zeros is not None:
                        log.warning("every molecule so far scores 0: %s", zeros)
    finally:
        history.close()
    if idle == MAX_IDLE:
        log.warning(
            "ended after %d of %d calls: in %d rounds no molecule was proposed that is new and keeps the constraints "
            "(refused: %s); start from other molecules or loosen the constraints",
            *(len(history), n_calls, MAX_IDLE, listed(oracle.refusals) or "none"),
        )
    return _outcome(oracle, begin, notes, time.perf_counter() - began)


def listed(refusals: Mapping[str, int]) -> str:
    """Reasons and how often each occurred, in one line."""
    return ", ".join(f"{n:,} {reason}" for reason, n in Counter(refusals).most_common())


def as_objective(objective: Objective | Callable[[list[str]], Sequence[float]] | str | Path) -> Objective:
    """The objective that a task's name, a YAML file or a function means."""
    if isinstance(objective, Objective):
        return objective
    if callable(objective):
        return Objective.of_callable(objective)
    text = str(objective)
    if isinstance(objective, Path) or text.endswith((".yaml", ".yml")):
        return load_objective(objective)
    if not text.replace("_", "").isalnum():
        raise ConfigError(f"got the objective {text!r}; expected a task ({', '.join(TASKS)}) or a .yaml file")
    return load_task(task_name(text))


def _batch_size(n_calls: int) -> int:
    """Batches grow with the calls made, because choosing one takes longer and each call adds less."""
    return min(max(SMALLEST_BATCH, n_calls // 20), LARGEST_BATCH)


def _reached(oracle: Oracle, target: float | None, hits: int) -> bool:
    return target is not None and int((np.nan_to_num(oracle.history.scores, nan=-np.inf) >= target).sum()) >= hits


def _describe(frame: pd.DataFrame, oracle: Oracle, begin: Start) -> None:
    """Add what a chemist asks of every molecule; a component of the same name stays as it is."""
    mols = [Chem.MolFromSmiles(smiles) for smiles in frame["smiles"]]
    if "sa" not in frame:
        frame["sa"] = [round(DESCRIPTORS["sa"](mol), 4) for mol in mols]
    if "alert" not in frame:
        frame["alert"] = [structural_alert(mol) or "" for mol in mols]
    target = oracle.objective.constraints.similar_to
    near = [target.to] if target is not None else [c.smiles for c in begin.candidates]
    if near and "similarity" not in frame:
        found = tanimoto_matrix(ecfp4_bits(frame["smiles"].tolist()), ecfp4_bits(near))
        frame["similarity"] = found.max(axis=1).round(4)


def _outcome(oracle: Oracle, begin: Start, notes: tuple[str, ...], seconds: float) -> Optimized:
    frame, hypervolume = oracle.history.frame(), None
    if oracle.objective.mean == "pareto":
        front, hypervolume = front_of(oracle.objective.transformed(oracle.history.raw))
        numbers = {i + 1 for i in front}
        frame["front"] = [call in numbers for call in frame["call"]]
    _describe(frame, oracle, begin)
    zeros = oracle.objective.zeros(oracle.history.raw)
    zero = () if zeros is None else (f"every molecule scores 0: {zeros}",)
    return Optimized(
        frame=frame,
        scores=oracle.history.scores,
        budget=oracle.budget,
        seconds=seconds - oracle.seconds,
        oracle_seconds=oracle.seconds,
        refusals=dict(oracle.refusals.most_common()),
        hypervolume=hypervolume,
        n_start=sum(c.smiles in oracle.history for c in begin.candidates),
        notes=(*notes, *begin.notes, *zero),
    )
