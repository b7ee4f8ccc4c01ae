"""A model on disk: a directory of JSON and safetensors, complete or not there."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import nn

from molvae.chem.standard_form import StandardForm
from molvae.config import Section, parse_config
from molvae.data.vocabulary import Vocabulary
from molvae.errors import CheckpointError, ConfigError, PreparedDataError
from molvae.files import atomic_folder, write_json
from molvae.migrations import CHECKPOINT_VERSION, checkpoint_from_1, tensors_from_1
from molvae.nn.build import ModelConfig, build_model
from molvae.nn.heads import PropertyHeads
from molvae.nn.priors.base import Prior
from molvae.nn.registry import PriorConfig
from molvae.nn.vae import MolVAE
from molvae.pretrained import DEFAULT, model_folder, model_names

_LENGTH_MARGIN = 1.25  # generated molecules may be this much longer than the longest one trained on


class SamplingConfig(Section):
    """How molecules are drawn from a model unless asked otherwise."""

    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of the tokens' draws."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus of the tokens' draws."""
    latent_temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of the draws from the learned prior."""


@dataclass(frozen=True)
class Checkpoint:
    """A model with everything needed to use it.

    Attributes:
        model: in eval mode.
        config: its parts.
        vocabulary: its token ids.
        max_length: most tokens a generated molecule may have, eos counted.
        standard_form: what molecules were brought to before training, and are before encoding.
        diagnostics: what `diagnostics.json` says, if it is there.
        prior: the learned prior, if one was fitted.
        sampling: how molecules are drawn, unless asked otherwise.
    """

    model: MolVAE
    config: ModelConfig
    vocabulary: Vocabulary
    max_length: int
    standard_form: StandardForm = field(default_factory=StandardForm)
    diagnostics: dict[str, Any] = field(default_factory=dict)
    prior: Prior | None = None
    sampling: SamplingConfig = field(default_factory=SamplingConfig)


def checkpoint_path(path: str | Path | None) -> Path:
    """The checkpoint directory that is meant: by a path itself, or `model/` inside a training run's directory.

    The name of a shipped model means that model, unless there is a checkpoint called so, and `None` the default one.
    """
    if path is None:
        return model_folder(DEFAULT)
    for folder in (Path(path), Path(path) / "model"):
        if (folder / "config.json").is_file():
            return folder
    return model_folder(str(path)) if str(path) in model_names() else Path(path)


def length_cap(longest: int) -> int:
    """Tokens a generated molecule may have when the longest training molecule has `longest`, eos counted."""
    return int(longest * _LENGTH_MARGIN) + 2


def save_checkpoint(
    path: str | Path,
    model: MolVAE,
    *,
    config: ModelConfig,
    vocabulary: Vocabulary,
    max_length: int,
    standard_form: StandardForm | None = None,
    sampling: SamplingConfig | None = None,
    diagnostics: dict[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write a checkpoint directory in place of any earlier one.

    Args:
        path: the directory.
        model: on any device, in any mode.
        config: its parts.
        vocabulary: its token ids.
        max_length: see `Checkpoint`.
        standard_form: see `Checkpoint`.
        sampling: see `Checkpoint`.
        diagnostics: written to `diagnostics.json`.
        half: store weights in half precision; loading gives single precision again.
    """
    tensors = _plain(model, half=half)
    with atomic_folder(path, overwrite=True) as folder:
        (folder / "model.safetensors").write_bytes(to_safetensors(tensors, metadata={"format": "pt"}))
        vocabulary.save(folder / "vocabulary.json")
        if diagnostics:
            write_json(folder / "diagnostics.json", diagnostics)
        description = {
            "format_version": CHECKPOINT_VERSION,
            "molvae_version": version("molvae"),
            "model": config.model_dump(mode="json"),
            "vocabulary_size": len(vocabulary),
            "properties": list(model.heads.names),
            "max_length": max_length,
            "standard_form": (standard_form or StandardForm()).model_dump(mode="json"),
            "sampling": (sampling or SamplingConfig()).model_dump(mode="json"),
        }
        write_json(folder / "config.json", description)


def load_checkpoint(path: str | Path | None = None, *, device: torch.device | str = "cpu") -> Checkpoint:
    """Open a checkpoint directory, the one inside a training run's directory, or a shipped model by its name.

    Raises:
        CheckpointError: when it is missing, incomplete, damaged or of a newer format.
    """
    path = checkpoint_path(path)
    if not (path / "config.json").is_file():
        what = "no config.json in it" if path.is_dir() else "no such directory"
        raise CheckpointError(f"{path} is not a molvae checkpoint: {what}")
    try:
        description = json.loads((path / "config.json").read_text(encoding="utf-8"))
        found = description["format_version"]
        if found == 1:
            description = checkpoint_from_1(description)
        elif found != CHECKPOINT_VERSION:
            raise CheckpointError(f"{path} has checkpoint format {found}; this molvae reads 1 to {CHECKPOINT_VERSION}")
        config = parse_config(ModelConfig, description["model"], where=str(path / "config.json"))
        names: Sequence[str] = description["properties"]
        vocabulary = Vocabulary.load(path / "vocabulary.json")
        max_length = int(description["max_length"])
        standard_form = parse_config(
            StandardForm, description["standard_form"], where=f"{path / 'config.json'}: standard_form"
        )
        sampling = parse_config(SamplingConfig, description["sampling"], where=f"{path / 'config.json'}: sampling")
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path / 'config.json'} is damaged: {error!r}") from error
    except (ConfigError, PreparedDataError) as error:
        raise CheckpointError(f"{path} cannot be loaded: {error}") from error
    if len(vocabulary) != description.get("vocabulary_size"):
        raise CheckpointError(
            f"{path}: vocabulary.json has {len(vocabulary)} tokens, "
            f"the model was trained with {description.get('vocabulary_size')}"
        )
    model = build_model(config, vocabulary_size=len(vocabulary), property_names=names)
    load_weights(model, path / "model.safetensors")
    model.to(device).eval()
    return Checkpoint(
        model=model,
        config=config,
        vocabulary=vocabulary,
        max_length=max_length,
        standard_form=standard_form,
        diagnostics=_read_diagnostics(path),
        prior=_load_prior(path, model, description.get("prior"), device),
        sampling=sampling,
    )


def prior_config(path: str | Path | None) -> PriorConfig:
    """What the learned prior of a checkpoint is made of.

    Raises:
        CheckpointError: when it has none.
    """
    path = checkpoint_path(path)
    values = json.loads((path / "config.json").read_text(encoding="utf-8")).get("prior")
    if values is None:
        raise CheckpointError(f"{path} has no learned prior")
    return _parse_prior(path, values)


def add_prior(
    path: str | Path,
    prior: Prior,
    *,
    config: PriorConfig,
    report: dict[str, Any],
    half: bool = False,
) -> None:
    """Put a learned prior into a checkpoint directory, in place of any earlier one; all or nothing.

    Args:
        path: the checkpoint directory.
        prior: fitted to its model.
        config: of the prior.
        report: goes to `diagnostics.json` under `prior`.
        half: as in `save_checkpoint`.
    """
    path = Path(path)
    with _revised(path) as folder:
        (folder / "prior.safetensors").write_bytes(to_safetensors(_plain(prior, half=half), metadata={"format": "pt"}))
        description = json.loads((path / "config.json").read_text(encoding="utf-8"))
        added = {"prior": config.model_dump(mode="json")}
        write_json(folder / "config.json", description | added)
        write_json(folder / "diagnostics.json", _read_diagnostics(path) | {"prior": report})


def replace_heads(path: str | Path, checkpoint: Checkpoint, heads: PropertyHeads, *, report: dict[str, Any]) -> None:
    """Write a checkpoint directory again with other property heads; all or nothing.

    Args:
        path: the checkpoint directory.
        checkpoint: what was loaded from it.
        heads: fitted to its latent.
        report: goes to `diagnostics.json` under `heads`.

    Raises:
        CheckpointError: when the model is conditioned on a property that the new heads lack.
    """
    path, model = Path(path), checkpoint.model
    if model.condition is not None and not set(model.condition.names) <= set(heads.names):
        raise CheckpointError(
            f"the model is conditioned on {', '.join(model.condition.names)}; its heads must keep them"
        )
    model.heads = heads
    with _revised(path) as folder:
        (folder / "model.safetensors").write_bytes(to_safetensors(_plain(model), metadata={"format": "pt"}))
        description = json.loads((path / "config.json").read_text(encoding="utf-8"))
        write_json(folder / "config.json", description | {"properties": list(heads.names)})
        write_json(folder / "diagnostics.json", _read_diagnostics(path) | {"heads": report})


@contextmanager
def _revised(path: Path) -> Iterator[Path]:
    """A copy of a checkpoint directory to change, which then takes its place; all or nothing."""
    with atomic_folder(path, overwrite=True) as folder:
        for file in path.iterdir():
            shutil.copyfile(file, folder / file.name)
        yield folder


def _read_diagnostics(path: Path) -> dict[str, Any]:
    file = path / "diagnostics.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _load_prior(path: Path, model: MolVAE, values: Any, device: torch.device | str) -> Prior | None:
    if values is None:
        return None
    config = _parse_prior(path, values)
    prior = config.build(model.latent, condition_dim=model.condition_dim)
    load_weights(prior, path / "prior.safetensors")
    prior.to(device).eval()
    return prior


def _parse_prior(path: Path, values: Any) -> PriorConfig:
    try:
        return TypeAdapter(PriorConfig).validate_python(values)
    except ValidationError as error:
        raise CheckpointError(f"{path / 'config.json'}: the prior is not one this molvae knows") from error


def start_from(model: MolVAE, vocabulary: Vocabulary, path: str | Path, *, prior: Prior | None = None) -> None:
    """Give a new model the weights of a trained one, for fine-tuning.

    The new vocabulary may have more tokens at its end (`unknown: extend`): their embeddings and logits start untrained.
    Heads of other properties start untrained as well, and so does a prior where the trained model has no such.

    Args:
        model: untrained.
        vocabulary: of the new data.
        path: the trained model.
        prior: trained with the new model.

    Raises:
        CheckpointError: when the parts have other sizes, or the vocabulary is no extension of the checkpoint's.
    """
    old = load_checkpoint(path)
    n = len(old.vocabulary.tokens)
    if vocabulary.tokens[:n] != old.vocabulary.tokens or vocabulary.merges != old.vocabulary.merges:
        raise CheckpointError(
            f"the data were prepared with another vocabulary than {path}; prepare them with "
            f"`--vocabulary {Path(path) / 'vocabulary.json'} --unknown extend`"
        )
    if prior is not None and old.prior is not None:
        before = old.prior.state_dict()
        if {n: t.shape for n, t in before.items()} == {n: t.shape for n, t in prior.state_dict().items()}:
            prior.load_state_dict(before)
    added = len(vocabulary) - len(old.vocabulary)
    state = model.state_dict()  # shares memory with the model
    for name, tensor in old.model.state_dict().items():
        if name.startswith("heads.") and model.heads.names != old.model.heads.names:
            continue
        target = state.get(name)
        if target is None or not _holds(target, tensor, added):
            found = "missing" if target is None else f"of shape {tuple(target.shape)}"
            raise CheckpointError(
                f"{path} does not fit the configured model: {name} is {found}; expected shape {tuple(tensor.shape)}"
            )
        if tensor.ndim:
            target[: len(tensor)] = tensor
        else:
            target.copy_(tensor)


def _holds(target: torch.Tensor, tensor: torch.Tensor, added: int) -> bool:
    """Whether a tensor fits into another, which may have `added` rows more."""
    return target.shape == tensor.shape or (
        target.ndim > 0 and target.shape[1:] == tensor.shape[1:] and len(target) - len(tensor) == added
    )


def _plain(module: nn.Module, *, half: bool = False) -> dict[str, torch.Tensor]:
    state = {name: t.detach().cpu().contiguous() for name, t in module.state_dict().items()}
    return {name: t.half() if half and t.is_floating_point() else t for name, t in state.items()}


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load safetensors strictly.

    Raises:
        CheckpointError: when the file is missing, truncated or does not fit, naming the tensors.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is missing, truncated or damaged: {error}") from error
    expected = model.state_dict()
    if any(name not in expected for name in tensors):
        tensors = tensors_from_1(tensors)
    missing, unexpected = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or unexpected:
        raise CheckpointError(
            f"{path} does not fit the model; missing: {', '.join(missing) or 'nothing'}; "
            f"unexpected: {', '.join(unexpected) or 'nothing'}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(tensor.shape)}; expected {tuple(expected[name].shape)}"
            )
    model.load_state_dict(tensors)
