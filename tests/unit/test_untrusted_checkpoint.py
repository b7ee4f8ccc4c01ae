"""A checkpoint folder that someone else made: every file of it damaged or hostile, one sentence each."""

import json
import logging
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from molvae.checkpoint import load_checkpoint, prior_config, save_checkpoint
from molvae.data.prepared import PreparedData
from molvae.errors import CheckpointError
from molvae.generator import MoleculeGenerator
from molvae.inference.features import FeatureEncoder
from molvae.nn.build import ModelConfig, build_model

Damage = Callable[[Path], object]


def changed(file: str, *keys: Any) -> Damage:
    """The last of `keys` in place of the value that the others lead to."""
    *path, last, value = keys

    def damage(folder: Path) -> None:
        whole = json.loads((folder / file).read_text())
        node = whole
        for key in path:
            node = node[key]
        node[last] = value
        (folder / file).write_text(json.dumps(whole))

    return damage


def text(file: str, content: str | bytes) -> Damage:
    return lambda folder: (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


def header(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


CONFIG = {
    "text for a number": (changed("config.json", "max_length", "abc"), "max_length: .*valid integer.*'abc'"),
    "a length that fills the memory": (changed("config.json", "max_length", 10**9), "max_length: .*less than"),
    "no length": (changed("config.json", "max_length", 0), "max_length: .*greater than"),
    "a layer too wide for anything": (changed("config.json", "model", "decoder", "hidden_dim", 10**12), "hidden_dim"),
    "layers too wide for the file": (changed("config.json", "model", "encoder", "hidden_dim", 65_536), "far too small"),
    "more layers than the file": (changed("config.json", "model", "encoder", "n_layers", 64), "does not fit the model"),
    "a property twice": (changed("config.json", "properties", ["a", "a"]), "named twice"),
    "a name that moves the cursor": (changed("config.json", "properties", ["\x1b[2J"]), "not printable"),
    "an unknown key": (changed("config.json", "code", "import os"), "unknown key 'code'"),
    "an unknown prior": (changed("config.json", "prior", {"kind": "pickle"}), "unknown kind 'pickle'"),
    "no such element": (changed("config.json", "standard_form", "elements", ["Xx"]), "symbol of no element"),
    "a cold temperature": (changed("config.json", "sampling", "temperature", 1e-300), "temperature"),
    "nan": (changed("config.json", "sampling", "temperature", float("nan")), "NaN is no JSON number"),
    "a list": (text("config.json", "[]"), "expected an object"),
    "nothing": (text("config.json", ""), "line 1, column 1"),
    "deep lists": (text("config.json", "[" * 100_000), "nested deeper"),
    "deep objects": (text("config.json", '{"a":' * 200 + "1" + "}" * 200), "nested deeper"),
    "a long number": (text("config.json", '{"format_version": ' + "9" * 10_000 + "}"), "too many digits"),
    "a key twice": (text("config.json", '{"format_version": 2, "format_version": 2}'), "given twice"),
    "no text": (text("config.json", b"\xff\xfe\x00"), "damaged"),
    "half of version 1": (text("config.json", '{"format_version": 1, "model": []}'), "damaged"),
    "the future": (changed("config.json", "format_version", 3), "format 3"),
}
VOCABULARY = {
    "a token twice": (lambda v: v["tokens"].__setitem__(1, v["tokens"][0]), "occurs twice"),
    "a fragment that no merge makes": (lambda v: v["merges"].pop(), "no merge makes the token"),
    "a merge of no token": (lambda v: v["merges"].__setitem__(0, [4, 5, 10**9]), "does not spell"),
    "a merge of what comes later": (lambda v: v["merges"].reverse(), "not there yet"),
    "a negative id": (lambda v: v["merges"].__setitem__(0, [-1, -1, -1]), "not there yet"),
    "a fraction of an id": (lambda v: v["merges"].__setitem__(0, [4.5, 5, 6]), "valid integer"),
    "text for tokens": (lambda v: v.__setitem__("tokens", "abc"), "valid list"),
    "an empty token": (lambda v: v["tokens"].__setitem__(1, []), "at least 1"),
    "a line end in a symbol": (lambda v: v["tokens"].__setitem__(1, ["C\n"]), "match pattern"),
    "half a character": (lambda v: v["tokens"].__setitem__(1, ["\ud800"]), "valid string"),
    "an unknown notation": (lambda v: v.__setitem__("notation", "inchi"), "'selfies' or 'smiles'"),
    "other specials": (lambda v: v["specials"].reverse(), "expected <pad>"),
}
WEIGHTS = {
    "nan": (weights(lambda t: t["heads.std"].fill_(torch.nan)), r"heads\.std holds values that are nan"),
    "infinity": (weights(lambda t: t["heads.mean"].fill_(-torch.inf)), r"heads\.mean holds values that are nan"),
    "numbers too large for a float": (
        weights(lambda t: t.__setitem__("heads.std", torch.full((1,), 1e300, dtype=torch.float64))),
        r"heads\.std holds values",
    ),
    "integers": (weights(lambda t: t.__setitem__("heads.std", torch.ones(1, dtype=torch.int64))), "holds torch.int64"),
    "a tensor too many": (weights(lambda t: t.__setitem__("x" * 500, torch.ones(1))), "unexpected: x{100}$"),
    "another shape": (weights(lambda t: t.__setitem__("heads.std", torch.ones(7))), r"shape \(7,\)"),
    "nothing": (text("model.safetensors", b""), "damaged"),
    "a header without end": (text("model.safetensors", b"\xff" * 8 + b"{}"), "damaged"),
    "a header of no sense": (text("model.safetensors", header(b'{"a": {"dtype": "F32"}}')), "damaged"),
    "a header that points outside": (
        text("model.safetensors", header(b'{"a":{"dtype":"F32","shape":[99],"data_offsets":[0,396]}}')),
        "damaged",
    ),
    "a pickle": (text("model.safetensors", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94."), "damaged"),
    "a pipe": (
        lambda folder: ((folder / "model.safetensors").unlink(), os.mkfifo(folder / "model.safetensors")),
        "missing",
    ),
}


def vocabulary(change: Callable[[Any], object]) -> Damage:
    def damage(folder: Path) -> None:
        value = json.loads((folder / "vocabulary.json").read_text())
        change(value)
        (folder / "vocabulary.json").write_text(json.dumps(value))

    return damage


CASES = {f"config: {name}": case for name, case in CONFIG.items()}
CASES |= {f"vocabulary: {name}": (vocabulary(change), message) for name, (change, message) in VOCABULARY.items()}
CASES |= {f"weights: {name}": case for name, case in WEIGHTS.items()}


@pytest.mark.parametrize(("damage", "message"), CASES.values(), ids=list(CASES))
def test_a_damaged_file_is_one_sentence(checkpoint: Path, damage: Damage, message: str) -> None:
    damage(checkpoint)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(checkpoint)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500


def test_memory_is_not_taken_before_the_sizes_are_checked(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = torch.nn.init.uniform_
    monkeypatch.setattr(
        torch.nn.init, "uniform_", lambda tensor, *a, **k: (made.append(tensor.numel()), real(tensor, *a, **k))[1]
    )
    changed("config.json", "model", "encoder", "hidden_dim", 65_536)(checkpoint)
    with pytest.raises(CheckpointError, match="far too small"):
        load_checkpoint(checkpoint)
    assert sum(made) < 10_000_000


@pytest.mark.parametrize(
    "content",
    ["", '{"latent": {"exa', "[]", '{"latent": {"exact": "x"}}', '{"training": {"beta": -1}}', "[" * 99_999,
     '{"negative_elbo_per_symbol_quantiles": [1, "a"]}', '{"prior": 3}', '{"latent": {"exact": NaN}}'],
)  # fmt: skip
def test_damaged_diagnostics_are_a_warning(checkpoint: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    (checkpoint / "diagnostics.json").write_text(content)
    with caplog.at_level(logging.WARNING):
        assert load_checkpoint(checkpoint).diagnostics == {}
    assert "diagnostics.json is damaged and not used" in caplog.text


def test_the_settings_of_a_prior_are_checked_without_its_weights(checkpoint: Path) -> None:
    changed("config.json", "prior", {"kind": "autoregressive", "slot_dim": 3})(checkpoint)
    with pytest.raises(CheckpointError, match="slot_dim 3 does not divide"):
        prior_config(checkpoint)


def test_nan_is_never_written_as_json(prepared: PreparedData, tiny_model: ModelConfig, tmp_path: Path) -> None:
    model = build_model(tiny_model, vocabulary_size=len(prepared.vocabulary), property_names=["logp"])
    measured = {"latent": {"exact": float("nan"), "active_units": 0, "latent_dim": 8}, "r2": [1.0, float("inf")]}
    save_checkpoint(
        tmp_path / "m", model, config=tiny_model, vocabulary=prepared.vocabulary, max_length=9, diagnostics=measured
    )
    text = (tmp_path / "m" / "diagnostics.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert load_checkpoint(tmp_path / "m").diagnostics["latent"]["exact"] is None


@pytest.mark.parametrize("call", ["sample", "encode", "features", "interpolate"])
def test_weights_so_large_that_the_model_computes_nan_are_one_sentence(checkpoint: Path, call: str) -> None:
    part = "latent." if call in ("encode", "features") else ""
    weights(lambda t: [x.fill_(3e38) for name, x in t.items() if name.startswith(part)])(checkpoint)
    vae = MoleculeGenerator.load(checkpoint, device="cpu")
    calls = {
        "sample": lambda: vae.sample(2, seed=0),
        "encode": lambda: vae.encode(["CCO"]),
        "features": lambda: list(FeatureEncoder(vae, "mean").stream(["CCO"])),
        "interpolate": lambda: vae.interpolate("CCO", "CCN", steps=3),
    }
    with pytest.raises(CheckpointError, match="its weights are damaged"):
        calls[call]()
