"""Every command that writes, ended at random moments: its output is whole or not there, and the next call completes it.

A moment is a time after the start, or the change of a file that is about to be made. After each end the outputs are
compared with those of a run that was not ended; then the work is gone on with, by the command that molvae has printed,
by `--resume`, or by the same call, and has to arrive at the same.

`python -m pytest tests/crash --full -n 0` tries 30 moments for each command and signal.
"""

import csv
import hashlib
import json
import random
import shlex
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from molvae.checkpoint import load_checkpoint
from molvae.data.prepared import PreparedData
from molvae.training.config import ExperimentConfig

Ended = Callable[..., dict[str, Any]]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TIMES = ("seconds", "molecules_per_second", "valid/seconds")  # what no two runs have in common


@dataclass(frozen=True)
class Case:
    """A command, what it starts from, and what it makes.

    Attributes:
        arguments: of molvae; `{name}` stands for an input.
        outputs: files and folders that the command makes whole or not at all.
        progress: files that it goes on from, the first of them first; they have to be the same only in the end.
        before: inputs that are copied into the folder first, by the name they get there.
        resume: the command that goes on after SIGKILL, if it is not the same call.
    """

    arguments: str
    outputs: tuple[str, ...]
    progress: tuple[str, ...] = ()
    before: dict[str, str] = field(default_factory=dict)
    resume: str | None = None


TRAINED: dict[str, Any] = {
    "progress": ("run/experiment.yaml", "run/metrics/metrics.csv"),
    "resume": "train --resume -o run --device cpu -q",
}
CASES = {
    "train": Case("train -c {experiment} -o run --device cpu -q", outputs=("run/model",), **TRAINED),
    "train, from files": Case(
        "train -c {from_files} -o run --device cpu -q", outputs=("run/data", "run/model"), **TRAINED
    ),
    "finetune": Case(
        "finetune {model} {new} -o run --device cpu -q {few_steps}", outputs=("run/data", "run/model"), **TRAINED
    ),
    "fit-prior": Case(
        "fit-prior -m model --data {data} --config {experiment} --device cpu -q",
        outputs=("model",),
        before={"model": "model"},
        resume="fit-prior -m model --data {data} --config {experiment} --device cpu -q --resume",
    ),
    "fit-heads": Case(
        "fit-heads -m model --data {data} --max-epochs 4 --device cpu -q",
        outputs=("model",),
        before={"model": "model"},
        resume="fit-heads -m model --data {data} --max-epochs 4 --device cpu -q --resume",
    ),
    "prepare": Case("data prepare {table} -o folder --jobs 1 -q", outputs=("folder",)),
    "prepare --overwrite": Case(
        "data prepare {table} -o folder --jobs 1 -q --overwrite", outputs=("folder",), before={"folder": "data"}
    ),
    "refragment": Case("data refragment {data} -o folder --fragments 60 -q", outputs=("folder",)),
    "randomize": Case("data randomize folder -n 2 --jobs 1 -q", outputs=("folder",), before={"folder": "data"}),
    "fingerprint": Case("data fingerprint folder --jobs 1 -q", outputs=("folder",), before={"folder": "data"}),
    "sample": Case(
        "sample -m {model} -n 20 --seed 1 -o new.csv --grid new.svg --device cpu -q",
        outputs=("new.csv", "new.svg"),
        before={"new.csv": "table"},
    ),
    "encode": Case("encode {table} -m {model} -o z.csv --jobs 1 --device cpu -q", outputs=("z.csv",)),
    "encode, .npy": Case("encode {table} -m {model} -o z.npy --jobs 1 --device cpu -q", outputs=("z.npy",)),
    "decode": Case("decode {latents} -m {model} -o out.smi --device cpu -q", outputs=("out.smi",)),
    "reconstruct": Case("reconstruct {table} -m {model} -o out.parquet --device cpu -q", outputs=("out.parquet",)),
    "interpolate": Case(
        "interpolate CCO c1ccccc1 -m {model} --steps 4 -o path.sdf --device cpu -q", outputs=("path.sdf",)
    ),
    "neighbors": Case(
        "neighbors CCO -m {model} --walks 2 --steps 3 --seed 1 -o walks.tsv --device cpu -q", outputs=("walks.tsv",)
    ),
    "optimize": Case(
        "optimize --task qed -m {model} --method evolution --no-finetune --calls 60 --batch 10 -o best.csv "
        "--device cpu -q",
        outputs=("best.csv",),
        progress=("best.csv.calls.jsonl",),
        resume="optimize --task qed -m {model} --method evolution --no-finetune --calls 60 --batch 10 -o best.csv "
        "--device cpu -q --resume",
    ),
    "evaluate": Case(
        "evaluate {table} --test {new} --train {table} --no-fcd --no-cache --jobs 1 -o metrics.json -q",
        outputs=("metrics.json",),
    ),
    "diagnose": Case(
        "diagnose {model} {table} -n 40 --descriptors basic --jobs 1 -o geometry.json --device cpu -q",
        outputs=("geometry.json",),
    ),
}


FULL_ONLY = ("train, from files", "refragment", "encode, .npy", "decode", "reconstruct", "neighbors")
"""What has its likeness among the others."""


@pytest.fixture(scope="session")
def inputs(
    prepared: PreparedData, table: Path, run: Path, experiment: ExperimentConfig, tmp_path_factory: Any
) -> dict[str, str]:
    """What commands are given: tiny data, a tiny model, experiments of a few steps."""
    folder = tmp_path_factory.mktemp("inputs")
    new = folder / "new.smi"
    new.write_text("\n".join(line.split(",")[0] for line in table.read_text().splitlines()[1:]) + "\n")
    short = {"max_steps": 12, "batch_size": 4, "accumulate": 2, "valid_every": 5, "save_every": 3}
    prior = {"model": {"kind": "autoregressive", "hidden_dim": 16, "slot_dim": 4}, "max_epochs": 4, "batch_size": 4}
    values = experiment.model_dump(mode="json")
    values["training"] |= short
    values["prior"] = prior | {"save_every": 3, "patience": 4}
    (folder / "experiment.yaml").write_text(yaml.safe_dump(values))
    values["data"] = {"inputs": [str(table)], "prepare": {"fragments": 40, "split": "column", "n_jobs": 1}}
    (folder / "from_files.yaml").write_text(yaml.safe_dump(values))
    latents = folder / "z.csv"
    dim = load_checkpoint(run).model.latent.latent_dim
    rows = [[0.3 * ((i * 7 + j * 5) % 11 - 5) for j in range(dim)] for i in range(12)]
    header = ",".join(f"z{j}" for j in range(dim))
    latents.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    few = {f"training.{name}": value for name, value in short.items()} | {"training.precision": "32-true"}
    return {
        "table": str(table),
        "new": str(new),
        "data": str(prepared.path),
        "model": str(run / "model"),
        "latents": str(latents),
        "experiment": str(folder / "experiment.yaml"),
        "from_files": str(folder / "from_files.yaml"),
        "few_steps": " ".join(f"--set {name}={value}" for name, value in few.items()),
    }


class Stage:
    """A case at work: its folder, and what an uninterrupted run leaves in it."""

    def __init__(self, name: str, ended: Ended, inputs: dict[str, str], folder: Path) -> None:
        self.case = CASES[name]
        self.ended, self.inputs, self.folder = ended, inputs, folder
        self.log = folder.with_name(f"{folder.name}.log")
        self.reset()
        self.old = self.found()
        self.whole = self.run(self.arguments(self.case.arguments))
        assert self.whole["status"] == 0, self.log.read_text()
        self.new = self.found()
        self.end = self.progress()
        assert all(value is not None for value in self.new.values()), self.new
        self.names = self.entries()

    def arguments(self, text: str) -> list[str]:
        return shlex.split(text.format(**self.inputs))

    def run(self, arguments: list[str], **moment: Any) -> dict[str, Any]:
        return self.ended(arguments=arguments, folder=self.folder, log=self.log, **moment)

    def reset(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for name, source in self.case.before.items():
            path = Path(self.inputs[source])
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, self.folder / name)

    def found(self) -> dict[str, Any]:
        """The outputs, so that they can be compared; `None` for one that is not there."""
        return {name: comparable(self.folder / name) for name in self.case.outputs}

    def progress(self) -> dict[str, Any]:
        return {name: comparable(self.folder / name) for name in self.case.progress}

    def entries(self) -> set[str]:
        """All that is in the folder; of what is in the outputs only what is hidden."""
        names = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}
        inside = tuple(f"{output}/" for output in self.case.outputs)
        return {name for name in names if not name.startswith(inside) or "/." in name}

    def fault(self, number: signal.Signals, moment: dict[str, Any]) -> tuple[str, str | None]:
        """End the command at a moment, and go on: what it left behind, and what was wrong."""
        self.reset()
        result = self.run(self.arguments(self.case.arguments), signal=number, **moment)
        printed = self.log.read_text()
        allowed = {0, -number} if number == signal.SIGKILL else {0, -number, 128 + number}  # -number: before `main`
        if result["status"] not in allowed or "Traceback" in printed:
            return "wrong", f"exit status {result['status']}"
        found = self.found()
        broken = [
            name
            for name, value in found.items()
            if value not in (self.old[name], self.new[name], without_prior(self.new[name]))
        ]
        if broken:
            return "wrong", f"neither old nor new: {', '.join(broken)}"
        if result["status"] == 0 and found != self.new:
            return "wrong", "exit status 0 without the output"
        left = {name for name in self.entries() - self.names if "/." not in f"/{name}"}  # hidden ones: the next call's
        left = {name for name in left if not name.startswith(self.state_folders)}
        if left and number != signal.SIGKILL:
            return "wrong", f"left behind: {', '.join(sorted(left))}"
        if result["status"] == 0:
            return "done", None
        outcome = "new" if found == self.new else "old" if any(v is not None for v in found.values()) else "absent"
        if outcome == "new":
            return outcome, None
        go_on = self.arguments(self.case.arguments)
        if self.case.resume is not None:
            _, _, told = printed.partition("Go on with: molvae ")
            if told:
                go_on = shlex.split(told.splitlines()[0])
            elif result["status"] == 128 + number and result["changes"]:
                return outcome, "no command to go on with was printed"
            elif all((self.folder / name).exists() for name in self.case.progress[:1]):
                go_on = self.arguments(self.case.resume)
        result = self.run(go_on)
        if result["status"] != 0:
            return outcome, f"then molvae {shlex.join(go_on)} ended with {result['status']}"
        end, expected = self.found() | self.progress(), self.new | self.end
        if end != expected:
            differing = [name for name, value in end.items() if value != expected[name]]
            return outcome, f"then molvae {shlex.join(go_on)} made something else: {', '.join(differing)}"
        if more := self.entries() - self.names:
            return outcome, f"then left behind: {', '.join(sorted(more))}"
        return outcome, None

    @property
    def state_folders(self) -> tuple[str, ...]:
        return tuple(f"{name}.{part}" for name in self.case.outputs for part in ("prior", "heads"))


def comparable(path: Path) -> Any:
    """What a file or folder holds, without the times."""
    if path.is_dir():
        names = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
        parts = unused_parts(path) | {"."}  # what is hidden is of an unfinished write
        used = sorted(name for name in names if not name.startswith(tuple(parts)))
        return {name: comparable(path / name) for name in used}
    if not path.exists():
        return None
    if path.suffix == ".json":
        return without_times(json.loads(path.read_text()))
    if path.name == "metrics.csv":
        with path.open() as file:
            return without_times(list(csv.DictReader(file)))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unused_parts(folder: Path) -> set[str]:
    """What a prepared folder has, but does not use, because `meta.json`, which is written last, does not name it."""
    file = folder / "meta.json"
    meta = json.loads(file.read_text()) if file.is_file() else {"fingerprints": {}, "randomized_smiles": {}}
    return {
        part for part, key in (("fingerprints", "fingerprints"), ("randomized", "randomized_smiles")) if key not in meta
    }


def without_prior(model: Any) -> Any:
    """What a trained model is before its prior is fitted: a whole one."""
    if not isinstance(model, dict) or "prior.safetensors" not in model:
        return model
    files = {name: value for name, value in model.items() if name != "prior.safetensors"}
    for name in ("config.json", "diagnostics.json"):
        files[name] = {key: value for key, value in files[name].items() if key != "prior"}
    return files


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(v) for name, v in value.items() if name not in TIMES}
    return [without_times(v) for v in value] if isinstance(value, list) else value


@pytest.fixture
def _chosen(name: str, moments: int) -> None:
    """Skip what only the full test tries."""
    if moments == 1 and name in FULL_ONLY:
        pytest.skip("tried with --full")


@pytest.fixture(scope="session")
def stage_of(ended: Ended, inputs: dict[str, str], tmp_path_factory: Any) -> Callable[[str], Stage]:
    made: dict[str, Stage] = {}

    def get(name: str) -> Stage:
        if name not in made:
            made[name] = Stage(name, ended, inputs, tmp_path_factory.mktemp("crash") / "work")
        return made[name]

    return get


def moments_of(stage: Stage, n: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Random moments in a run: times, and changes of files."""
    for i in range(n):
        if (i + rng.randrange(2) * (n == 1)) % 2:
            yield {"seconds": rng.uniform(0.0, stage.whole["seconds"])}
        else:
            yield {"change": rng.randint(1, stage.whole["changes"])}


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("_chosen")
def test_a_command_that_is_ended_leaves_its_output_whole_or_absent_and_can_go_on(
    name: str,
    number: signal.Signals,
    stage_of: Callable[[str], Stage],
    moments: int,
    record_property: Callable[[str, object], None],
) -> None:
    stage = stage_of(name)
    outcomes: Counter[str] = Counter()
    faults = []
    for moment in moments_of(stage, moments, random.Random(f"{name} {number.name}")):
        outcome, fault = stage.fault(number, moment)
        outcomes[outcome] += 1
        if fault is not None:
            outcomes["wrong"] += outcome != "wrong"
            faults.append(f"{moment}: {fault}\n{stage.log.read_text()[-1500:]}")
    record_property("command", name)
    record_property("signal", number.name)
    record_property("outcomes", dict(outcomes))
    assert not faults, "\n\n".join(faults)
