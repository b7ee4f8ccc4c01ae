"""The committed inputs of the fuzzer: seeds, and what once broke something."""

from pathlib import Path

import pytest
import targets

INPUTS = sorted(path for path in targets.CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_input_is_taken_or_refused_in_one_sentence(path: Path) -> None:
    targets.check(path.parent.name, path.read_bytes())


def test_every_target_has_seeds_of_which_one_is_taken() -> None:
    for target in targets.TARGETS:
        seeds = [path for path in INPUTS if path.parent.name == target]
        assert any(targets.check(target, path.read_bytes()) for path in seeds), target
