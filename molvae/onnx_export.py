"""A model as ONNX graphs: the encoder, and the two of which decoding is made."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from molvae.data.batches import MolBatch
from molvae.data.vocabulary import BOS, EOS, MASK, PAD
from molvae.errors import MissingExtraError
from molvae.files import FolderKind, atomic_folder, write_json
from molvae.inference.loaded import LoadedModel

OPSET = 17
ONNX = FolderKind(
    "ONNX export", "molvae.json", ("encoder.onnx", "begin.onnx", "step.onnx", "molvae.json", "vocabulary.json")
)


class _Encode(nn.Module):
    def __init__(self, vae: LoadedModel) -> None:
        super().__init__()
        self.encoder, self.latent = vae.model.encoder, vae.model.latent

    def forward(self, token_ids: Tensor, lengths: Tensor) -> Tensor:
        return self.latent(self.encoder(MolBatch(token_ids, lengths))).mean


class _Begin(nn.Module):
    def __init__(self, vae: LoadedModel) -> None:
        super().__init__()
        self.decoder = vae.model.decoder

    def forward(self, z: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        return self.decoder.begin(z, condition=condition)


class _Step(nn.Module):
    def __init__(self, vae: LoadedModel) -> None:
        super().__init__()
        self.decoder = vae.model.decoder

    def forward(self, tokens: Tensor, place: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        hidden, after = self.decoder.step(tokens, state, place)  # type: ignore[arg-type]
        return (self.decoder.to_logits(hidden), *after)


def export_onnx(vae: LoadedModel, out: str | Path, *, overwrite: bool = False) -> list[str]:
    """Write a folder of ONNX graphs with everything needed to run them; returns the names of the graphs.

    `encoder.onnx` takes token ids `(B, T)`, bos and eos included, and lengths `(B,)`, and gives z `(B, Z)`; one that
    reads graphs has none. `begin.onnx` takes z, and the condition `(B, C)` of a conditional model, and gives the state
    before the first token. `step.onnx` takes tokens `(B,)`, their place and the state, and gives logits `(B, V)` and
    the next state. `molvae.json` has the special tokens, the longest molecule and the condition that asks for nothing;
    `vocabulary.json` is the checkpoint's.

    Args:
        vae: a model, on the CPU.
        out: the folder.
        overwrite: replace an export that is there.

    Raises:
        MissingExtraError: when the package onnx is not installed.
        InputFileError: when the folder is there already, or is no export.
    """
    require_onnx()
    nothing = vae.model.embed_condition(2)
    z = torch.zeros(2, vae.latent_dim)
    given = (z,) if nothing is None else (z, nothing)
    state = vae.model.decoder.begin(z, condition=nothing)
    names = [f"state{i}" for i in range(len(state))]
    written = []
    with atomic_folder(out, overwrite=overwrite, kind=ONNX) as folder:
        if not vae.reads_graphs:
            batch = MolBatch.of_token_ids([[len(vae.vocabulary) - 1] * 3, [len(vae.vocabulary) - 1]])
            written.append(
                _write(folder / "encoder.onnx", _Encode(vae), tuple(batch.source), ["token_ids", "lengths"], ["z"])
            )
        begin_inputs = ["z", "condition"][: len(given)]
        written.append(_write(folder / "begin.onnx", _Begin(vae), given, begin_inputs, names))
        tokens, place = torch.full((2,), BOS), torch.tensor(0)
        inputs, outputs = ["tokens", "place", *names], ["logits", *(f"next_{name}" for name in names)]
        written.append(_write(folder / "step.onnx", _Step(vae), (tokens, place, *state), inputs, outputs))
        vae.vocabulary.save(folder / "vocabulary.json")
        write_json(folder / "molvae.json", _description(vae, names, nothing))
    return written


def require_onnx() -> None:
    """Raise `MissingExtraError` unless the package onnx is installed."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.of("ONNX needs the package onnx", "onnx") from error


def _description(vae: LoadedModel, states: Sequence[str], nothing: Tensor | None) -> dict[str, Any]:
    return {
        "format_version": 1,
        "bos": BOS,
        "eos": EOS,
        "pad": PAD,
        "never_written": [BOS, PAD, MASK],
        "max_length": vae.max_length,
        "latent_dim": vae.latent_dim,
        "notation": vae.notation.name,
        "states": list(states),
        "condition": None if nothing is None else nothing[0].tolist(),
    }


def _write(
    path: Path, module: nn.Module, arguments: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str]
) -> str:
    dynamic = {name: {0: "batch"} for name in (*inputs, *outputs) if name != "place"}
    if "token_ids" in inputs:
        dynamic["token_ids"][1] = "length"
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of traces: what they are about is compared with torch in the tests
        torch.onnx.export(
            module.eval(),
            arguments,
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=dynamic,
            opset_version=OPSET,
            dynamo=False,
        )
    return path.name
