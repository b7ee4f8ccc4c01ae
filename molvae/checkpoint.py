"""Checkpoints: a model saved as a directory of JSON and safetensors files, always written as a whole."""

import itertools
import logging
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import nn
from torch.overrides import TorchFunctionMode

from molvae.chem.standard_form import StandardForm
from molvae.config import Section, Share, Temperature, TopP, parse_config
from molvae.data.known import FILE as KNOWN
from molvae.data.known import KnownMolecules
from molvae.data.vocabulary import MOST_TOKENS, Vocabulary
from molvae.documents import DocumentError, read_json
from molvae.errors import CheckpointError, ConfigError, PreparedDataError
from molvae.files import FolderKind, atomic_folder, write_json
from molvae.migrations import CHECKPOINT_VERSION, checkpoint_from_1, tensors_from_1
from molvae.nn.build import ModelConfig, build_model
from molvae.nn.heads import PropertyHeads
from molvae.nn.priors.base import Prior
from molvae.nn.registry import PriorConfig
from molvae.nn.vae import MolVAE
from molvae.pretrained import DEFAULT, model_folder, model_names

CHECKPOINT = FolderKind(
    "checkpoint",
    "config.json",
    ("config.json", "model.safetensors", "vocabulary.json", "prior.safetensors", "diagnostics.json", KNOWN),
)

log = logging.getLogger(__name__)

SPARE_ELEMENTS = 10_000_000
"""Elements of tensors that a model may create beside its weights."""
_LENGTH_MARGIN = 1.25  # generated molecules may be this much longer than the longest training molecule


class SamplingConfig(Section):
    """The default sampling settings of a model."""

    temperature: Temperature = 1.0
    """Temperature at which tokens are sampled."""
    top_p: TopP = 1.0
    """Probability of the nucleus that tokens are sampled from (Holtzman et al. 2020)."""
    latent_temperature: Temperature = 1.0
    """Temperature at which the learned prior is sampled."""
    leave_out: Share = 0.0
    """Share of the draws, the least likely ones, that are left out before they are parsed: invalid SMILES are unlikely
    ones (Skinnider 2024)."""


@dataclass(frozen=True)
class Checkpoint:
    """A model with everything needed to use it.

    Attributes:
        model: the model, in eval mode.
        config: the settings of the model.
        vocabulary: the vocabulary of the model.
        max_length: the most tokens that a generated molecule may have, eos included.
        standard_form: the form that molecules had in training and get before encoding.
        diagnostics: the content of `diagnostics.json`; empty if the file is missing.
        prior: the learned prior; `None` if there is none.
        sampling: the default sampling settings.
        known: the training set; `None` if it was not kept.
    """

    model: MolVAE
    config: ModelConfig
    vocabulary: Vocabulary
    max_length: int
    standard_form: StandardForm = field(default_factory=StandardForm)
    diagnostics: dict[str, Any] = field(default_factory=dict)
    prior: Prior | None = None
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    known: KnownMolecules | None = None


def checkpoint_path(path: str | Path | None) -> Path:
    """The checkpoint directory for a path, the directory of a training run (which contains `model/`) or a model name.

    The name of a shipped model means that model, unless a checkpoint has that path. `None` means the default model.
    """
    if path is None:
        return model_folder(DEFAULT)
    for folder in (Path(path), Path(path) / "model"):
        if (folder / "config.json").is_file():
            return folder
    return model_folder(str(path)) if str(path) in model_names() else Path(path)


def length_cap(longest: int) -> int:
    """The most tokens of a generated molecule, eos included, if the longest training molecule has `longest`."""
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
    known: KnownMolecules | None = None,
    half: bool = False,
) -> None:
    """Write a checkpoint directory, in place of an existing one, whose files that molvae did not make are kept.

    Args:
        path: the directory.
        model: the model, on any device, in training or eval mode.
        config: the settings of the model.
        vocabulary: the vocabulary of the model.
        max_length: see `Checkpoint`.
        standard_form: see `Checkpoint`.
        sampling: see `Checkpoint`.
        diagnostics: written to `diagnostics.json`.
        known: see `Checkpoint`.
        half: store the weights in half precision; they are loaded in single precision.
    """
    tensors = _plain(model, half=half)
    with atomic_folder(path, overwrite=True, kind=CHECKPOINT, keep=True) as folder:
        (folder / "model.safetensors").write_bytes(to_safetensors(tensors, metadata={"format": "pt"}))
        vocabulary.save(folder / "vocabulary.json")
        if diagnostics:
            write_json(folder / "diagnostics.json", diagnostics)
        if known is not None:
            known.save(folder)
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
    """Load a checkpoint; `path` is a checkpoint directory, a training run's directory or the name of a shipped model.

    The folder may come from anyone: all of it is checked before it is used, sizes before memory is taken for them.

    Raises:
        CheckpointError: when it is missing, incomplete, damaged or of an unknown format.
    """
    if path is not None and not checkpoint_path(path).exists():
        raise CheckpointError(
            f"{path} is not a molvae checkpoint: no such directory; shipped models: {', '.join(model_names())}"
        )
    path = checkpoint_path(path)
    description = _read_description(path)
    try:
        vocabulary = Vocabulary.load(path / "vocabulary.json")
    except PreparedDataError as error:
        raise CheckpointError(f"{path} cannot be loaded: {error}") from error
    if len(vocabulary) != description.vocabulary_size:
        raise CheckpointError(
            f"{path}: vocabulary.json has {len(vocabulary)} tokens, "
            f"the model was trained with {description.vocabulary_size}"
        )
    weights = path / "model.safetensors"
    with _within_size_of(weights):
        try:
            model = build_model(
                description.model, vocabulary_size=len(vocabulary), property_names=description.properties
            )
        except ConfigError as error:
            raise CheckpointError(f"{path / 'config.json'}: {error}") from error
    load_weights(model, weights)
    model.to(device).eval()
    return Checkpoint(
        model=model,
        config=description.model,
        vocabulary=vocabulary,
        max_length=description.max_length,
        standard_form=description.standard_form,
        diagnostics=_read_diagnostics(path),
        prior=_load_prior(path, model, description.prior, device),
        sampling=description.sampling,
        known=KnownMolecules.load(path),
    )


class _Description(Section):
    """The content of `config.json`."""

    format_version: Literal[2]
    molvae_version: Annotated[str, Field(max_length=100)]
    model: ModelConfig
    vocabulary_size: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    properties: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=10_000)]
    max_length: Annotated[int, Field(ge=1, le=100_000)]
    standard_form: StandardForm
    sampling: SamplingConfig
    prior: PriorConfig | None = None

    @field_validator("properties")
    @classmethod
    def _differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a property is named twice")
        if not all(name.isprintable() for name in value):
            raise ValueError("the name of a property has characters that are not printable")
        return value

    @model_validator(mode="after")
    def _prior_fits_the_latent(self) -> Self:
        if self.prior is not None:
            self.prior.check(self.model.latent)
        return self


class _LatentFigures(BaseModel):
    exact: float | None
    active_units: int
    latent_dim: int


_Quantiles = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2, max_length=100_000)]


class _PriorFigures(BaseModel):
    fit: str | None = None
    negative_elbo_per_symbol_quantiles: _Quantiles | None = None


class _TrainingFigures(BaseModel):
    beta: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0


class _Diagnostics(BaseModel):
    """What is read of `diagnostics.json`; all else in it is for people."""

    latent: _LatentFigures | None = None
    training: _TrainingFigures | None = None
    prior: _PriorFigures | None = None
    negative_elbo_per_symbol_quantiles: _Quantiles | None = None


def prior_config(path: str | Path | None) -> PriorConfig:
    """The settings of a checkpoint's learned prior.

    Raises:
        CheckpointError: when the checkpoint has no learned prior, or cannot be read.
    """
    path = checkpoint_path(path)
    prior = _read_description(path).prior
    if prior is None:
        raise CheckpointError(f"{path} has no learned prior")
    return prior


def add_prior(
    path: str | Path,
    prior: Prior,
    *,
    config: PriorConfig,
    report: dict[str, Any],
    half: bool = False,
) -> None:
    """Add a learned prior to a checkpoint directory, in place of an existing one; an error changes nothing.

    Args:
        path: the checkpoint directory.
        prior: the prior, fitted to the checkpoint's model.
        config: the settings of the prior.
        report: what `diagnostics.json` gets under `prior`.
        half: as in `save_checkpoint`.
    """
    path = Path(path)
    with _revised(path) as folder:
        (folder / "prior.safetensors").write_bytes(to_safetensors(_plain(prior, half=half), metadata={"format": "pt"}))
        description = _read_config(path)
        added = {"prior": config.model_dump(mode="json")}
        write_json(folder / "config.json", description | added)
        write_json(folder / "diagnostics.json", _read_diagnostics(path) | {"prior": report})


def replace_heads(path: str | Path, checkpoint: Checkpoint, heads: PropertyHeads, *, report: dict[str, Any]) -> None:
    """Replace the property heads of a checkpoint directory; an error changes nothing.

    Args:
        path: the checkpoint directory.
        checkpoint: the checkpoint that was loaded from it.
        heads: the new heads, fitted to its latents.
        report: what `diagnostics.json` gets under `heads`.

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
        description = _read_config(path)
        write_json(folder / "config.json", description | {"properties": list(heads.names)})
        write_json(folder / "diagnostics.json", _read_diagnostics(path) | {"heads": report})


@contextmanager
def _revised(path: Path) -> Iterator[Path]:
    """Yield a copy of a checkpoint directory, which replaces the directory on success and is deleted on any error."""
    with atomic_folder(path, overwrite=True) as folder:
        shutil.copytree(path, folder, symlinks=True, dirs_exist_ok=True)
        yield folder


def _read_config(path: Path) -> dict[str, Any]:
    """The plain values of `config.json`, of the present format version."""
    file = path / "config.json"
    if not file.is_file():
        what = "no config.json in it" if path.is_dir() else "no such directory"
        raise CheckpointError(f"{path} is not a molvae checkpoint: {what}")
    try:
        values = read_json(file)
        if not isinstance(values, dict) or "format_version" not in values:
            raise DocumentError("expected an object with a format_version")
        found = values["format_version"]
        if found == 1:
            return checkpoint_from_1(values)
    except (OSError, DocumentError) as error:
        raise CheckpointError(f"{file} is damaged: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{file} is damaged: {error!r}") from error
    if found != CHECKPOINT_VERSION:
        raise CheckpointError(f"{path} has checkpoint format {found!r}; this molvae reads 1 to {CHECKPOINT_VERSION}")
    return values


def _read_description(path: Path) -> _Description:
    values, where = _read_config(path), str(path / "config.json")
    try:
        if isinstance(values.get("model"), dict):
            parse_config(ModelConfig, values["model"], where=where)  # its errors name the keys of an experiment's model
        return parse_config(_Description, values, where=where)
    except ConfigError as error:
        raise CheckpointError(f"{path} cannot be loaded: {error}") from error


def _read_diagnostics(path: Path) -> dict[str, Any]:
    """The content of `diagnostics.json`; a damaged one is no reason not to use a model, but worth a warning."""
    file = path / "diagnostics.json"
    if not file.is_file():
        return {}
    try:
        values = read_json(file)
        _Diagnostics.model_validate(values)
    except (OSError, DocumentError) as error:
        log.warning("%s is damaged and not used: %s", file, error)
        return {}
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        log.warning("%s is damaged and not used: %s: %s", file, where, first["msg"])
        return {}
    return values


def _load_prior(path: Path, model: MolVAE, config: PriorConfig | None, device: torch.device | str) -> Prior | None:
    if config is None:
        return None
    weights = path / "prior.safetensors"
    with _within_size_of(weights):
        prior = config.build(model.latent, condition_dim=model.condition_dim)
    load_weights(prior, weights)
    prior.to(device).eval()
    return prior


class _Budget(TorchFunctionMode):
    """Refuses to create tensors with more elements than a file of weights could fill."""

    FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.randint, torch.arange)

    def __init__(self, path: Path, elements: int) -> None:
        super().__init__()
        self.path, self.left = path, elements

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self.FACTORIES:
            size = args[0] if args else (kwargs or {}).get("size", 1)
            self.left -= math.prod(size) if isinstance(size, tuple | list) else math.prod(_leading_ints(args))
            if self.left < 0:
                raise CheckpointError(f"{self.path} is far too small for a model of the sizes in config.json")
        return func(*args, **(kwargs or {}))


def _leading_ints(values: Sequence[Any]) -> list[int]:
    return list(itertools.takewhile(lambda value: isinstance(value, int), values))


@contextmanager
def _within_size_of(path: Path) -> Iterator[None]:
    """Inside the block, a model that could not have the weights in `path` raises before it takes its memory."""
    if not path.is_file():
        raise CheckpointError(f"{path} is missing, truncated or damaged: it is no file")
    with _Budget(path, SPARE_ELEMENTS + 2 * path.stat().st_size):
        yield


def start_from(model: MolVAE, vocabulary: Vocabulary, path: str | Path, *, prior: Prior | None = None) -> None:
    """Copy the weights of a trained model into a new model, for fine-tuning.

    The new vocabulary may have more tokens at its end (`unknown: extend`); their embeddings and logits stay untrained.
    The property heads stay untrained if the properties differ, and the prior if the trained model has none of the same
    shape.

    Args:
        model: the new, untrained model.
        vocabulary: the vocabulary of the new data.
        path: the checkpoint of the trained model.
        prior: the prior that is trained jointly with the new model, if any.

    Raises:
        CheckpointError: when a part has another size, or the vocabulary does not extend that of the checkpoint.
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
    """Whether `tensor` fits into `target`, which may have `added` more rows."""
    return target.shape == tensor.shape or (
        target.ndim > 0 and target.shape[1:] == tensor.shape[1:] and len(target) - len(tensor) == added
    )


def _plain(module: nn.Module, *, half: bool = False) -> dict[str, torch.Tensor]:
    state = {name: t.detach().cpu().contiguous() for name, t in module.state_dict().items()}
    return {name: t.half() if half and t.is_floating_point() else t for name, t in state.items()}


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load the weights of a model from a safetensors file; every tensor has to fit.

    Raises:
        CheckpointError: when the file is missing or truncated, or tensors do not fit, are of another kind or hold nan;
            the message names them.
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
            f"{path} does not fit the model; missing: {_some(missing)}; unexpected: {_some(unexpected)}"
        )
    for name, tensor in tensors.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape:
            raise CheckpointError(f"{path}: {name} has shape {tuple(tensor.shape)}; expected {tuple(wanted.shape)}")
        if tensor.dtype.is_floating_point != wanted.dtype.is_floating_point or tensor.dtype.is_complex:
            raise CheckpointError(f"{path}: {name} holds {tensor.dtype}; expected {wanted.dtype}")
        if wanted.dtype.is_floating_point and not torch.isfinite(tensor.to(wanted.dtype)).all():
            raise CheckpointError(f"{path}: {name} holds values that are nan or infinite; the model is damaged")
    model.load_state_dict(tensors)


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(name[:100] for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown or "nothing"
