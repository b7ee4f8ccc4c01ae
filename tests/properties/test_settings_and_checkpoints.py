"""What is written is read as it was: settings, JSON, YAML and checkpoints; what is damaged is refused."""

import contextlib
import math
import tempfile
import types
import typing
from datetime import timedelta
from pathlib import Path
from typing import Any

import annotated_types
import pytest
import torch
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from strategies import fewer

from molvae.checkpoint import SamplingConfig, load_checkpoint, save_checkpoint
from molvae.chem.standard_form import ELEMENTS, StandardForm
from molvae.config import Section, dump_config, read_yaml
from molvae.data.prepare.config import PrepareConfig
from molvae.data.vocabulary import Vocabulary
from molvae.documents import json_text, parse_json, parse_yaml
from molvae.errors import CheckpointError
from molvae.nn.build import ModelConfig, build_model
from molvae.nn.decoders.gru import GRUDecoderConfig
from molvae.nn.encoders.gnn import GNNEncoderConfig
from molvae.nn.encoders.gru import GRUEncoderConfig
from molvae.nn.latents.gaussian import GaussianLatentConfig
from molvae.nn.latents.vq import VQLatentConfig
from molvae.nn.priors.autoregressive import AutoregressivePriorConfig
from molvae.nn.priors.flow import FlowPriorConfig
from molvae.optimize.transforms import Clipped, Gaussian, Linear
from molvae.training.config import PriorFitConfig, TrainingConfig

SECTIONS = (
    *(TrainingConfig, PrepareConfig, PriorFitConfig, SamplingConfig, StandardForm),
    *(GRUEncoderConfig, GNNEncoderConfig, GaussianLatentConfig, VQLatentConfig, GRUDecoderConfig),
    *(AutoregressivePriorConfig, FlowPriorConfig, Gaussian, Linear, Clipped),
)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def value_of(annotation: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    """Values of a field, within its bounds."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return value_of(inner[0], [*metadata, *inner[1:]])
    if origin in (typing.Union, types.UnionType):
        return st.one_of([value_of(part, metadata) for part in inner])
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        if "Element" in str(metadata) or any("check_element" in str(part) for part in inner):
            return st.lists(st.sampled_from(sorted(ELEMENTS)), max_size=5).map(tuple)
        return st.lists(value_of(inner[0], []), max_size=4).map(tuple)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return settings_of(annotation)
    bounds = {name: value for m in _flat(metadata) for name, value in _bound(m)}
    if annotation is int:
        return st.integers(bounds.get("ge", -1), bounds.get("le", bounds.get("lt", 9) - ("le" not in bounds)))
    if annotation is float:
        low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    return {
        bool: st.booleans(),
        str: TEXT,
        type(None): st.none(),
        Path: st.text("abc/.", min_size=1, max_size=9).map(Path),
        timedelta: st.integers(1, 10**7).map(lambda s: timedelta(seconds=s)),
    }[annotation]


def _flat(metadata: list[Any]) -> list[Any]:
    return [inner for m in metadata for inner in (getattr(m, "metadata", None) or [m])]


def _bound(rule: Any) -> list[tuple[str, Any]]:
    kinds = {annotated_types.Ge: "ge", annotated_types.Gt: "gt", annotated_types.Le: "le", annotated_types.Lt: "lt"}
    return [(name, getattr(rule, name)) for kind, name in kinds.items() if isinstance(rule, kind)]


def settings_of(section: type[Section]) -> st.SearchStrategy[Any]:
    """Valid settings; those that contradict each other are drawn again."""
    fields = {name: value_of(field.annotation, list(field.metadata)) for name, field in section.model_fields.items()}

    def build(values: dict[str, Any]) -> Section | None:
        with contextlib.suppress(ValidationError):
            return section.model_validate(values)
        return None

    return st.fixed_dictionaries({}, optional=fields).map(build).filter(lambda built: built is not None)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.__name__)
@fewer
@given(data=st.data())
def test_settings_are_read_from_yaml_as_they_were_written(section: type[Section], data: st.DataObject) -> None:
    settings = data.draw(settings_of(section))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(dump_config(settings))
        file.flush()
        assert section.model_validate(read_yaml(file.name, expected="settings")) == settings


@given(PLAIN)
def test_yaml_gives_what_pyyaml_wrote(value: Any) -> None:
    assert parse_yaml(yaml.safe_dump(value, allow_unicode=True))[0] == value


@given(PLAIN | st.floats())
def test_json_gives_what_was_written_and_null_for_what_is_no_number(value: Any) -> None:
    expected = None if isinstance(value, float) and not math.isfinite(value) else value
    assert parse_json(json_text(value)) == expected


SMALL = st.sampled_from([4, 8, 16])
MODELS = st.builds(
    lambda token_dim, hidden, latent, layers: ModelConfig.model_validate(
        {
            "encoder": {"kind": "gru", "token_dim": token_dim, "hidden_dim": hidden, "n_layers": layers},
            "latent": latent,
            "decoder": {"token_dim": token_dim, "hidden_dim": hidden},
            "heads": {"hidden_dim": hidden},
        }
    ),
    SMALL,
    SMALL,
    st.builds(lambda z: {"kind": "gaussian", "latent_dim": z}, SMALL)
    | st.builds(lambda m, k: {"kind": "vq", "n_slots": m, "n_codes": k, "code_dim": 4}, st.integers(1, 4), SMALL),
    st.integers(1, 2),
)
SYMBOLS = st.lists(st.text("CNO[]=#()+-12", min_size=1, max_size=6), min_size=2, max_size=8, unique=True)


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    """Vocabularies with fragments learned on random molecules."""
    symbols = draw(SYMBOLS)
    corpus = draw(st.lists(st.lists(st.sampled_from(symbols), min_size=1, max_size=8), max_size=10))
    vocabulary = Vocabulary.of_symbols(symbols, notation=draw(st.sampled_from(["smiles", "selfies"])))
    return vocabulary.learn_merges(corpus * 2, n_fragments=draw(st.integers(0, 20)))


@fewer
@given(MODELS, vocabularies(), settings_of(SamplingConfig), settings_of(StandardForm), st.integers(1, 100_000))
def test_a_checkpoint_is_read_as_it_was_written(
    config: ModelConfig, vocabulary: Vocabulary, sampling: SamplingConfig, form: StandardForm, max_length: int
) -> None:
    model = build_model(config, vocabulary_size=len(vocabulary), property_names=["logp", "a b"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save_checkpoint(
            path,
            model,
            config=config,
            vocabulary=vocabulary,
            max_length=max_length,
            sampling=sampling,
            standard_form=form,
        )
        read = load_checkpoint(path)
    assert (read.config, read.vocabulary, read.max_length) == (config, vocabulary, max_length)
    assert (read.sampling, read.standard_form) == (sampling, form)
    before, after = model.state_dict(), read.model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


@fewer
@given(data=st.data())
def test_a_checkpoint_with_changed_bytes_loads_or_is_refused(checkpoint: Path, data: st.DataObject) -> None:
    file = checkpoint / data.draw(st.sampled_from(["config.json", "vocabulary.json", "model.safetensors"]))
    whole = file.read_bytes()
    size = min(len(whole), 3000)
    at, cut = data.draw(st.integers(0, size)), data.draw(st.integers(0, 20))
    changed = whole[:at] + data.draw(st.binary(max_size=20)) + whole[at + cut :]
    assume(changed != whole)
    file.write_bytes(changed)
    with contextlib.suppress(CheckpointError):
        load_checkpoint(checkpoint)
    file.write_bytes(whole)


@given(vocabularies(), st.data())
def test_a_vocabulary_reads_what_it_writes(vocabulary: Vocabulary, data: st.DataObject) -> None:
    symbols = data.draw(st.lists(st.sampled_from(sorted(vocabulary.symbol_ids)), max_size=20))
    assert vocabulary.decode(vocabulary.encode(symbols)) == symbols
    assert Vocabulary.from_json(parse_json(json_text(vocabulary.to_json()))) == vocabulary
