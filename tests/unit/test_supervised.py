import time

import pytest
from stubborn import stubborn

from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.describe import describe_in_time
from molvae.data.tokenizer import MoleculeTokenizer
from molvae.generator import MoleculeGenerator
from molvae.inference import tokens
from molvae.inference.tokens import tokenized_chunks
from molvae.scoring.molecules import describe_molecules
from molvae.scoring.suite import evaluate_described
from molvae.supervised import supervised

SLOW = "CC(C)" * 660  # takes a second or more to describe


def test_a_molecule_that_takes_too_long_or_crashes_is_left_out_and_the_others_are_done() -> None:
    began = time.monotonic()
    done, lost = supervised(stubborn, ["a", "slow", "b", "crash", "slow", "c"], "!", seconds=0.3)
    assert done == ["a!", "None!", "b!", "None!", "None!", "c!"]
    assert lost == {1: "too_slow", 3: "crashed", 4: "too_slow"}
    assert time.monotonic() - began < 120
    assert supervised(stubborn, [], "!", seconds=0.3) == ([], {})


def test_an_error_in_the_process_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError, match="as asked"):
        supervised(stubborn, ["a", "fail"], "!", seconds=5)


def test_prepare_rejects_a_molecule_that_takes_too_long() -> None:
    config = PrepareConfig(max_atoms=2000, max_symbols=65_535, descriptors=("wide",), seconds_per_molecule=0.5)
    chunk = describe_in_time(["CCO", SLOW, None, "CCN"], config)
    assert chunk.reasons[1] == "too_slow"
    assert chunk.smiles == ["CCO", "", "", "CCN"]


def test_evaluate_counts_a_molecule_that_takes_too_long_as_invalid() -> None:
    table = evaluate_described(describe_molecules(["CCO", SLOW, None, "CCN"], seconds=0.5, n_jobs=1), n_jobs=1)
    assert table.sizes == {"given": 4, "valid": 2}
    assert table.notes[0] == "1 molecules count as invalid: too_slow"


def test_reconstruct_names_a_molecule_that_takes_too_long(
    vae: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "supervised", lambda function, smiles, *, seconds: (function([None]), {0: "too_slow"}))
    assert vae.reconstruct(["CCO"], seconds_per_molecule=1)["reason"].tolist() == ["too_slow"]


def test_a_limit_changes_no_result(vae: MoleculeGenerator) -> None:
    tokenizer: MoleculeTokenizer = vae.tokenizer
    smiles = ["CCO", "c1ccccc1", None, "C1CC", ""]
    assert list(tokenized_chunks(tokenizer, smiles, seconds=60)) == list(tokenized_chunks(tokenizer, smiles))
    assert vae.reconstruct(smiles, seconds_per_molecule=60).equals(vae.reconstruct(smiles))
    timed, free = (describe_molecules(smiles, seconds=seconds, n_jobs=1) for seconds in (60, None))
    assert (timed.smiles, timed.lost) == (free.smiles, free.lost) == (["CCO", "c1ccccc1"], {})
