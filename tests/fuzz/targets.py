"""What the fuzzer calls with bytes: each target may raise a `MolvaeError`, and nothing else."""

import contextlib
import shutil
import struct
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny"
CORPUS = Path(__file__).parent / "corpus"
ENDINGS = (".smi", ".csv", ".tsv", ".sdf", ".parquet", ".txt", ".csv.gz", ".smi.gz")
MAX_ROWS = 200


def readers(data: bytes) -> None:
    """A file of molecules; the first byte chooses its ending."""
    from molvae.chem.standardize import Standardizer
    from molvae.formats.readers import count_rows, read_molecules

    path = _folder() / f"input{ENDINGS[data[0] % len(ENDINGS)] if data else '.smi'}"
    path.write_bytes(data[1:])
    count_rows(path)
    standardizer = Standardizer(neutralize=True, strip_stereo=True)
    for n, row in enumerate(read_molecules(path)):
        assert row.row > 0
        assert row.smiles or row.reason, row
        if row.smiles:
            standardizer.apply(row.smiles)
        if n > MAX_ROWS:
            break


def smiles(data: bytes) -> None:
    """Text as a molecule: standardized, written in both notations, and read again."""
    from molvae.chem.notation import NOTATIONS
    from molvae.chem.parse import canonical_smiles
    from molvae.chem.standardize import Standardizer
    from molvae.errors import InputError

    standard = Standardizer().apply(data.decode("utf-8", errors="replace"))
    assert (standard.smiles is None) == (standard.reason is not None)
    if standard.smiles is None:
        return
    for notation in NOTATIONS.values():
        with contextlib.suppress(InputError):  # a molecule that the notation cannot write
            symbols = notation().to_symbols(standard.smiles)
            if notation.name == "smiles":
                assert notation().to_smiles(symbols) == canonical_smiles(standard.smiles)


def objective(data: bytes) -> None:
    """An objective's YAML."""
    from molvae.optimize.objective import load_objective

    path = _folder() / "objective.yaml"
    path.write_bytes(data)
    load_objective(path)


def experiment(data: bytes) -> None:
    """An experiment's YAML."""
    from molvae.training.config import load_experiment

    path = _folder() / "experiment.yaml"
    path.write_bytes(data)
    load_experiment(path)


def config(data: bytes) -> None:
    """The `config.json` of a checkpoint."""
    _load("config.json", data)


def vocabulary(data: bytes) -> None:
    """The `vocabulary.json` of a checkpoint; one that loads writes and reads all that it has."""
    from molvae.data.vocabulary import Vocabulary

    path = _folder() / "vocabulary.json"
    path.write_bytes(data)
    read = Vocabulary.load(path)
    symbols = list(read.symbol_ids)
    assert read.decode(read.encode(symbols)) == symbols


def weights(data: bytes) -> None:
    """The `model.safetensors` of a checkpoint, or only its header, before the tensors of a real one."""
    if data.startswith(b"{"):
        whole = (GOLDEN / "model.safetensors").read_bytes()
        data = struct.pack("<Q", len(data)) + data + whole[8 + struct.unpack("<Q", whole[:8])[0] :]
    _load("model.safetensors", data)


def diagnostics(data: bytes) -> None:
    """The `diagnostics.json` of a checkpoint, which is never a reason not to load it."""
    _load("diagnostics.json", data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (readers, smiles, objective, experiment, config, vocabulary, weights, diagnostics)
}


def check(target: str, data: bytes) -> bool:
    """Call a target; whether it took the bytes. Anything but a `MolvaeError` goes on as an exception."""
    from molvae.errors import MolvaeError

    try:
        TARGETS[target](data)
    except MolvaeError as error:
        if not str(error).strip():
            raise RuntimeError("an error without a message") from error
        return False
    return True


def _load(name: str, data: bytes) -> None:
    from molvae.checkpoint import load_checkpoint

    folder = _checkpoint()
    file = folder / name
    before = file.read_bytes() if file.exists() else None
    file.write_bytes(data)
    try:
        load_checkpoint(folder)
    finally:
        file.unlink() if before is None else file.write_bytes(before)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="molvae-fuzz-"))


@cache
def _checkpoint() -> Path:
    folder = _folder() / "model"
    shutil.copytree(GOLDEN, folder)
    return folder
