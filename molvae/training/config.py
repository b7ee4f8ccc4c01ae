"""The settings of a whole experiment, which one YAML file describes; unknown keys are errors."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from molvae.checkpoint import SamplingConfig
from molvae.config import Duration, Fraction, Positive, Section, Seed, Weight, override, parse_config, read_yaml
from molvae.data.prepare.config import PrepareConfig
from molvae.nn.build import ModelConfig
from molvae.nn.priors.autoregressive import AutoregressivePriorConfig
from molvae.nn.registry import PriorConfig
from molvae.training.schedules import BetaConfig, LinearBetaConfig, warm_cosine

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
LoggerName = Literal["tensorboard", "wandb"]
LearningRate = Annotated[float, Field(ge=1e-12, le=100)]


class DataConfig(Section):
    """The molecules: a prepared folder, or input files to prepare first; a recipe may leave out both."""

    prepared: Path | None = None
    inputs: tuple[Path, ...] = ()
    prepare: PrepareConfig = PrepareConfig()


class PriorFitConfig(Section):
    """A prior that is fitted to the encoded training set after the model has been trained."""

    fit: Literal["two-stage"] = "two-stage"
    model: PriorConfig = AutoregressivePriorConfig()
    max_time: Duration = timedelta(minutes=5)
    max_epochs: Positive = 100
    patience: Positive = 3
    """Number of epochs without a better held-out loss before fitting stops."""
    molecules: Positive = 200_000
    """The most training molecules to fit to."""
    batch_size: Positive = 512
    learning_rate: LearningRate = 1e-3
    """The peak; a cosine decays it to 0 over `max_time` or `max_epochs`, whichever ends first."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the moving average of the weights, which is evaluated and kept; 0 keeps the weights themselves."""
    precision: Precision = "32-true"
    save_every: Positive = 500
    """Number of steps between saves of the state to resume from."""
    seed: Seed = 0


class JointPriorConfig(Section):
    """A prior trained jointly with the model, in the KL term (Variational Lossy Autoencoder, Chen et al. 2016)."""

    fit: Literal["joint"] = "joint"
    model: PriorConfig = AutoregressivePriorConfig()


PriorTrainingConfig = Annotated[PriorFitConfig | JointPriorConfig, Field(discriminator="fit")]


class TrainingConfig(Section):
    """How the model is trained. At least one of max_time, max_steps and max_epochs has to be given."""

    batch_size: Positive = 256
    learning_rate: LearningRate = 4e-3
    final_learning_rate: Fraction = 0.02
    """Share of the learning rate that is left at the end of its cosine decay."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000_000)] = 200
    weight_decay: Weight = 0.0
    beta: BetaConfig = LinearBetaConfig()
    property_weight: Weight = 1.0
    tanimoto_weight: Weight = 0.0
    """Weight of 1 − the correlation of latent and Tanimoto distances in a batch; needs prepared fingerprints."""
    fingerprint_weight: Weight = 0.0
    """Weight of the loss of a linear layer that predicts ECFP4 bits from z (nats); needs prepared fingerprints."""
    gradient_clip: Annotated[float, Field(ge=1e-9, le=1e9)] = 1.0
    accumulate: Positive = 1
    randomized_smiles: bool = False
    """A sequence encoder reads a randomized SMILES of each molecule, and the decoder writes the canonical one."""
    init_from: Path | None = None
    """A checkpoint to start from (fine-tuning); the data must be prepared with its vocabulary."""
    precision: Precision = "bf16-mixed"
    resident: bool = False
    """Keep all tokens and properties on the training device, for a fast GPU; not for graphs or randomized SMILES."""
    max_time: Duration | None = None
    max_steps: Positive | None = None
    max_epochs: Positive | None = None
    loggers: tuple[LoggerName, ...] = ()
    """Where losses and validations go beside `metrics.csv`: `tensorboard`, `wandb`."""
    valid_every: Positive = 1000
    """Number of steps between validations."""
    valid_molecules: Positive = 2000
    patience: Positive | None = None
    """Number of validations without improvement before training stops early; `None` never stops early."""
    save_every: Positive = 500
    """Number of steps between saves of the state to resume from."""
    keep_known: bool = True
    """Keep a hash of each training molecule in the checkpoint, for `molvae sample --novel`. Who has the checkpoint can
    then find out whether a given molecule was trained on; turn it off if the training set is confidential."""
    seed: Seed = 0

    @property
    def compares_fingerprints(self) -> bool:
        """Whether some loss needs fingerprints in the batches."""
        return bool(self.tanimoto_weight or self.fingerprint_weight)

    def learning_rate_at(self, progress: float, step: int) -> float:
        """Linear warm-up over `warmup_steps`, then cosine decay to the share `final_learning_rate` of the peak."""
        share = warm_cosine(progress, step, warmup_steps=self.warmup_steps, low=self.final_learning_rate)
        return self.learning_rate * share

    @model_validator(mode="after")
    def _ends(self) -> "TrainingConfig":
        if self.max_time is None and self.max_steps is None and self.max_epochs is None:
            raise ValueError("give at least one of max_time, max_steps and max_epochs")
        return self


class ExperimentConfig(Section):
    """One whole experiment: data, model and training."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig
    prior: PriorTrainingConfig | None = None
    """A learned prior, fitted after training or jointly with the model; `None` for no learned prior."""
    sampling: SamplingConfig = SamplingConfig()
    """The default sampling settings of the model, which become part of its checkpoint."""

    @field_validator("prior", mode="before")
    @classmethod
    def _two_stage_by_default(cls, value: Any) -> Any:
        return {"fit": "two-stage"} | value if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _randomized_smiles_have_a_reader(self) -> "ExperimentConfig":
        if self.training.randomized_smiles:
            if not self.model.encoder.member.reads_tokens:
                raise ValueError("training.randomized_smiles would have no effect, because the encoder reads no tokens")
            if self.data.inputs and not self.data.prepare.randomized_smiles:
                raise ValueError(
                    "training.randomized_smiles needs prepared ones; set data.prepare.randomized_smiles, e.g. to 4"
                )
        return self

    @model_validator(mode="after")
    def _resident_data_are_tokens(self) -> "ExperimentConfig":
        training = self.training
        if training.resident and (
            training.randomized_smiles or self.model.encoder.member.reads_graphs or training.compares_fingerprints
        ):
            raise ValueError(
                "training.resident keeps tokens on the device, but not graphs, randomized SMILES or fingerprints; "
                "leave it out"
            )
        return self

    @model_validator(mode="after")
    def _compared_molecules_have_fingerprints(self) -> "ExperimentConfig":
        if self.training.compares_fingerprints and self.data.inputs and not self.data.prepare.fingerprints:
            raise ValueError("tanimoto_weight and fingerprint_weight need data.prepare.fingerprints: true")
        return self

    @model_validator(mode="after")
    def _prior_fits_the_latent(self) -> "ExperimentConfig":
        if self.prior is not None:
            if self.prior.fit == "joint" and not self.prior.model.joint:
                raise ValueError(f"a {self.prior.model.kind} prior is fitted afterwards: give it fit: two-stage")
            if self.prior.fit == "joint" and self.model.latent.needs_standard_prior:
                raise ValueError("free_bits and min_rate belong to N(0, I); with a joint prior use beta: {kind: geco}")
            self.prior.model.check(self.model.latent)
        return self


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read the YAML file of an experiment and apply `key.path=value` overrides.

    Paths in the file are relative to the folder of the file, or name samples that ship with the package; they are not
    relative to the working directory.

    Raises:
        ConfigError: for an unreadable file, an unknown key or an invalid value; the message names it.
    """
    return parse_config(ExperimentConfig, read_experiment(path, overrides), where=str(path))


def read_experiment(path: str | Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The plain values of an experiment's YAML file, with its paths resolved and the overrides applied."""
    values = read_yaml(path, expected="the sections data, model and training")
    resolve_paths(values, Path(path).resolve().parent)
    for text in overrides:
        override(values, text)
    return values


def resolve_paths(values: dict[str, Any], folder: Path) -> None:
    """Make the paths in the plain values of an experiment absolute; see `load_experiment`."""
    data, training = values.get("data"), values.get("training")
    if isinstance(data, dict):
        if isinstance(data.get("prepared"), str):
            data["prepared"] = str(folder / data["prepared"])
        if isinstance(data.get("inputs"), list):
            data["inputs"] = [_found(folder, str(name)) for name in data["inputs"]]
        prepare = data.get("prepare")
        if isinstance(prepare, dict) and isinstance(prepare.get("exclude"), list):
            prepare["exclude"] = [_found(folder, str(name)) for name in prepare["exclude"]]
    if isinstance(training, dict) and isinstance(training.get("init_from"), str):
        nearby = folder / training["init_from"]
        training["init_from"] = str(nearby) if nearby.exists() else training["init_from"]


def _found(folder: Path, name: str) -> str:
    """The path of a file beside the configuration, or of a sample of the package."""
    if name == "-" or (folder / name).exists():
        return name if name == "-" else str(folder / name)
    sample = sample_folder() / name
    return str(sample if sample.is_file() else folder / name)


def sample_folder() -> Path:
    """The folder of the samples: inside the installed package, or beside it in a source checkout."""
    package = Path(__file__).parents[1]
    inside = package / "samples"
    return inside if inside.is_dir() else package.parent / "data"
