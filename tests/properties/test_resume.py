"""`optimize --resume`: however often and wherever a run is killed, its record becomes that of the uninterrupted run."""

import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from molvae.chem.descriptors import descriptors
from molvae.chem.parse import parse_smiles
from molvae.generator import MoleculeGenerator
from molvae.optimize.run import optimize

TINY = Path(__file__).parents[1] / "golden" / "tiny"
METHODS = ("random", "evolution", "tanimoto-bo")  # cmaes, bo and fine-tuning begin anew when resumed
START = ("CC(=O)Oc1ccccc1C(=O)O", "CCO", "CN1CCC[C@H]1c1cccnc1")
N_CALLS = 12


class Killed(BaseException):
    """What ends a run where a signal would; no `except Exception` catches it."""


@cache
def tiny() -> MoleculeGenerator:
    return MoleculeGenerator.load(TINY, device="cpu")


def logp(smiles: list[str]) -> list[float | None]:
    return [None if "F" in s else float(descriptors(parse_smiles(s), ("logp",))[0]) for s in smiles]


def run(record: Path, how: tuple[str, int, int, bool], objective: Any = logp) -> None:
    method, seed, batch_size, started = how
    start = START if started else ()
    optimize(
        tiny(), objective, method=method, n_calls=N_CALLS, batch_size=batch_size, seed=seed, start=start,
        finetune=False, record=record, resume=True,
    )  # fmt: skip


@cache
def uninterrupted(how: tuple[str, int, int, bool]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "r.jsonl", how)
        return (Path(folder) / "r.jsonl").read_bytes()


class KilledRuns(RuleBasedStateMachine):
    """A run that is killed before, between and after batches, and while it writes its record."""

    @initialize(
        method=st.sampled_from(METHODS),
        seed=st.integers(0, 1),
        batch_size=st.sampled_from([3, 5]),
        started=st.booleans(),
    )
    def begin(self, method: str, seed: int, batch_size: int, started: bool) -> None:
        self.how = (method, seed, batch_size, started)
        self.folder = Path(tempfile.mkdtemp())
        self.record = self.folder / "r.jsonl"

    @rule(batches=st.integers(0, 3))
    def run_until_killed(self, batches: int) -> None:
        left = batches

        def score(smiles: list[str]) -> list[float | None]:
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            return logp(smiles)

        with suppress(Killed):
            run(self.record, self.how, score)

    @rule(text=st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1, max_size=40))
    def die_while_a_line_is_written(self, text: str) -> None:
        if self.record.exists():
            with self.record.open("a", encoding="utf-8") as file:
                file.write('{"call": ' + text)

    @rule(text=st.binary(max_size=40))
    def die_while_the_record_is_rewritten(self, text: bytes) -> None:
        (self.folder / ".r.jsonl.molvae-part").write_bytes(text)
        (self.folder / ".r.jsonl.molvae-lock").write_bytes(text)

    def teardown(self) -> None:
        if hasattr(self, "how"):
            run(self.record, self.how)
            assert self.record.read_bytes() == uninterrupted(self.how)
            assert [path.name for path in self.folder.iterdir()] == ["r.jsonl"]
            shutil.rmtree(self.folder)


TestKilledRuns = KilledRuns.TestCase
TestKilledRuns.settings = settings(max_examples=settings().max_examples // 10, stateful_step_count=5)
