from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from molvae.config import dump_config, parse_duration
from molvae.errors import ConfigError
from molvae.training.config import ExperimentConfig, load_experiment

MINIMAL = "data: {prepared: x}\ntraining: {max_steps: 10}\n"
CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "e.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:08:00", 480), ("08:00", 480), ("90", 90), (90, 90), ("30:00:00", 108_000)]
)
def test_durations(text: str | int, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "x", "0", "00:00:00", "1:2:3:4", "-5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


def test_an_unquoted_clock_in_yaml_means_the_same(tmp_path: Path) -> None:
    config = load_experiment(write(tmp_path, "data: {prepared: x}\ntraining: {max_time: 0:08:00}\n"))
    assert config.training.max_time == timedelta(minutes=8)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_committed_config_loads_and_survives_being_written(path: Path) -> None:
    config = load_experiment(path)
    assert ExperimentConfig.model_validate(yaml.safe_load(dump_config(config))) == config


def test_overrides_reach_any_depth(tmp_path: Path) -> None:
    config = load_experiment(
        write(tmp_path, MINIMAL), ["model.latent.latent_dim=7", "training.beta={kind: constant, beta: 2}"]
    )
    assert config.model.latent.latent_dim == 7
    assert config.training.beta.kind == "constant"


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        (MINIMAL, ["model.latent.latent_dmi=7"], r"unknown key 'model\.latent\.latent_dmi'; expected one of: kind"),
        (MINIMAL, ["training.beta.kind=linaer"], "linaer"),
        (MINIMAL, ["latent_dim"], "expected KEY=VALUE"),
        (MINIMAL, ["data.prepared.x=1"], "is a value, not a section"),
        (MINIMAL, ["training.batch_size=0"], r"training\.batch_size: .* \(got 0\)"),
        ("data: {prepared: x}\ntraining: {}\n", [], "max_time, max_steps and max_epochs"),
        ("data: {prepared: x}\n", [], "missing key 'training'"),
        (MINIMAL, ["prior.model.kind=flow", "model.latent.kind=vq"], "for VQ codes choose"),
        (MINIMAL, ["prior={}", "model.latent.latent_dim=12"], "slot_dim 8 does not divide the 12"),
        (MINIMAL, ["training.randomized_smiles=true", "model.encoder.kind=gnn"], "the encoder reads no tokens"),
        ("data: {inputs: [x]}\ntraining: {max_steps: 1, randomized_smiles: true}\n", [], "set data.prepare.randomized"),
        ("data: {inputs: [x]}\ntraining: {max_steps: 1, tanimoto_weight: 1}\n", [], "need data.prepare.fing"),
        ("data: {inputs: [x]}\ntraining: {max_steps: 1, fingerprint_weight: 1}\n", [], "need data.prepare.fing"),
        (MINIMAL, ["training.resident=true", "training.tanimoto_weight=1"], "resident keeps tokens"),
        (
            MINIMAL,
            ["prior.model.kind=flow", "prior.model.n_transform=3"],
            r"'prior\.model\.n_transform'; expected one of: kind",
        ),
        (MINIMAL, ["prior.model.kind=flwo"], "prior.model: unknown kind 'flwo'"),
        (MINIMAL, ["training.augment=none"], "'training.augment': it is called randomized_smiles now"),
        (MINIMAL, ["model.encoder.stretch=2"], "'model.encoder.stretch': it is called tokens_per_slot now"),
        ("a: [", [], "is not valid YAML"),
        ("", [], "holds no settings"),
    ],
)
def test_a_bad_configuration_is_one_sentence(text: str, overrides: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_experiment(write(tmp_path, text), overrides)
    assert "\n" not in str(caught.value)


def test_a_missing_configuration_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_experiment(tmp_path / "none.yaml")
