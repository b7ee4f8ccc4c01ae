"""Every setting of an experiment: one YAML is one whole experiment, and a misspelled key is an error."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
MOST_VARIANTS = 255  # a molecule: numbered in a byte, 0 being its canonical order


class Section(BaseModel):
    """A frozen part of a configuration that knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PrepareConfig(Section):
    """How input molecules become a prepared folder."""

    notation: Literal["selfies", "smiles"] = "selfies"
    fragments: Annotated[int, Field(ge=0, le=60_000)] = 1024
    """Size of the merged vocabulary; 0 keeps plain symbols."""
    descriptors: tuple[str, ...] = ("basic",)
    """Descriptors or sets of them (`none`, `basic`, `wide`, `full`) to compute."""
    described: Fraction = 1.0
    """Share of the molecules that get descriptors; the labels of the others are missing, which heads allow."""
    property_columns: tuple[str, ...] = ()
    """Numeric input columns to keep as properties; an unreadable value is a missing label."""
    smiles_column: str | None = None
    name_column: str | None = None
    largest_fragment: bool = True
    neutralize: bool = False
    strip_isotopes: bool = False
    strip_stereo: bool = False
    elements: tuple[str, ...] = ("B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I")
    exclude: tuple[Path, ...] = ()
    """Files of molecules to leave out, compared in the standard form: sets that a model will be tested on."""
    min_atoms: Positive = 1
    max_atoms: Positive = 100
    max_symbols: Positive = 256
    split: Literal["hash", "scaffold", "column", "files"] = "hash"
    split_column: str = "split"
    valid_fraction: Fraction = 0.05
    test_fraction: Fraction = 0.05
    """With `split: files`, valid_fraction is carved from the file called train when none is called valid."""
    graphs: bool = False
    """Write molecular graphs too, for the encoders that read them."""
    fingerprints: bool = False
    """Write ECFP4 bits too, for `training.tanimoto_weight` and `training.fingerprint_weight`."""
    variants: Annotated[int, Field(ge=0, le=MOST_VARIANTS)] = 0
    """Random orders of each molecule to write too, for `training.augment`."""
    unknown: Literal["error", "skip", "extend"] = "error"
    """What to do with symbols that a given vocabulary lacks."""
    n_jobs: int = -1

    @model_validator(mode="after")
    def _fractions_leave_a_training_set(self) -> "PrepareConfig":
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError("valid_fraction + test_fraction must stay below 1")
        return self


class DataConfig(Section):
    """Where the molecules come from: a prepared folder, or inputs to prepare first."""

    prepared: Path | None = None
    inputs: tuple[Path, ...] = ()
    prepare: PrepareConfig = PrepareConfig()

    @model_validator(mode="after")
    def _has_a_source(self) -> "DataConfig":
        if self.prepared is None and not self.inputs:
            raise ValueError("give `prepared` (a prepared folder) or `inputs` (files of molecules)")
        return self


class GRUEncoderConfig(Section):
    """Bidirectional GRU over token ids."""

    kind: Literal["gru"] = "gru"
    token_dim: Positive = 128
    hidden_dim: Positive = 256
    n_layers: Positive = 1
    dropout: Fraction = 0.0
    n_slots: Positive = 1
    """Parts that h consists of; above 1 each attends to its own stretch of the tokens."""
    stretch: Positive = 1
    """Tokens that a slot stands for."""


class GNNEncoderConfig(Section):
    """Message passing over the molecular graph; needs data prepared with graphs."""

    kind: Literal["gnn"] = "gnn"
    hidden_dim: Annotated[int, Field(ge=4, multiple_of=4)] = 128
    n_layers: Positive = 4
    conv: Literal["gine", "gatv2"] = "gine"
    readout: Literal["multi", "attention", "additive"] = "multi"
    dropout: Fraction = 0.0
    h_dim: Positive = 512
    """Size of h, of each slot where there are several."""
    n_slots: Positive = 1
    """Parts that h consists of; above 1 each reads the atoms of its own stretch of the tokens, whatever `readout`."""
    stretch: Positive = 1
    """Tokens that a slot stands for."""


class FusedEncoderConfig(Section):
    """Sequence and graph of the same molecule, their h joined; needs data prepared with graphs."""

    kind: Literal["fused"] = "fused"
    sequence: GRUEncoderConfig = GRUEncoderConfig()
    graph: GNNEncoderConfig = GNNEncoderConfig()

    @property
    def n_slots(self) -> int:
        """Parts that h consists of."""
        return self.sequence.n_slots

    @model_validator(mode="after")
    def _as_many_slots(self) -> "FusedEncoderConfig":
        if self.sequence.n_slots != self.graph.n_slots:
            raise ValueError(
                f"sequence has {self.sequence.n_slots} slots, graph {self.graph.n_slots}; give both the same"
            )
        return self


class GaussianLatentConfig(Section):
    """Diagonal Gaussian posterior against N(0, I)."""

    kind: Literal["gaussian"] = "gaussian"
    latent_dim: Positive = 128
    free_bits: Annotated[float, Field(ge=0)] = 0.0
    """λ nats per dimension: the loss counts max(λ, KL_i) of the batch mean (Kingma et al. 2016)."""
    min_rate: Annotated[float, Field(ge=0)] = 0.0
    """Nats for the whole vector: the loss counts max(min_rate, Σ KL_i)."""


class VQLatentConfig(Section):
    """M slots of K codes; give the training a constant beta of 1, which then weighs the commitment loss."""

    kind: Literal["vq"] = "vq"
    n_slots: Positive = 16
    n_codes: Annotated[int, Field(ge=2)] = 256
    code_dim: Positive = 8
    commitment: Annotated[float, Field(ge=0)] = 0.25
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.95
    dead_below: Annotated[float, Field(ge=0)] = 0.05
    """Codes that a batch uses less often than this, on average, are replaced by vectors of the batch."""
    shared: bool = False
    """One codebook for all slots."""


class GRUDecoderConfig(Section):
    """Autoregressive GRU that sees z at every step."""

    kind: Literal["gru"] = "gru"
    token_dim: Positive = 128
    hidden_dim: Positive = 512
    n_layers: Positive = 1
    dropout: Fraction = 0.0
    token_dropout: Fraction = 0.1
    """Share of input tokens replaced by <mask> in training (Bowman et al. 2016)."""
    n_slots: Positive = 1
    """Parts of z; above 1 the decoder attends to them."""
    stretch: Positive = 1
    """Tokens that a slot stands for."""


class HeadsConfig(Section):
    """Small networks from z to properties of the prepared folder."""

    properties: tuple[str, ...] | None = None
    """`None`: every property of the prepared folder."""
    hidden_dim: Positive = 128


class ConditionConfig(Section):
    """Properties that decoder and learned prior are told, so that they can be asked for when sampling."""

    properties: tuple[str, ...] = Field(min_length=1)
    """Among those of the heads."""
    dim: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of the labels hidden in training, so that any subset of them can be asked for."""


EncoderConfig = Annotated[GRUEncoderConfig | GNNEncoderConfig | FusedEncoderConfig, Field(discriminator="kind")]
LatentConfig = Annotated[GaussianLatentConfig | VQLatentConfig, Field(discriminator="kind")]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
DecoderConfig = GRUDecoderConfig  # a discriminated union on `kind` as soon as the family has a second member


class FlowPriorConfig(Section):
    """Coupling flow over a continuous latent."""

    kind: Literal["flow"] = "flow"
    n_transforms: Positive = 8
    hidden_dims: tuple[Positive, ...] = (256, 256)


class AutoregressivePriorConfig(Section):
    """Recurrent network over latent slots: Gaussian mixtures, or a softmax for VQ codes."""

    kind: Literal["autoregressive"] = "autoregressive"
    hidden_dim: Positive = 256
    n_layers: Positive = 2
    slot_dim: Positive = 8
    """Of a continuous latent; VQ codes have slots of their own."""
    n_components: Positive = 16
    shared: bool = False
    """One table of Gaussians for all slots, of which the network gives the weights, in place of predicted ones."""


PriorConfig = Annotated[FlowPriorConfig | AutoregressivePriorConfig, Field(discriminator="kind")]


class PriorFitConfig(Section):
    """A prior fitted to the encoded training set once the model is trained."""

    fit: Literal["two-stage"] = "two-stage"
    model: PriorConfig = AutoregressivePriorConfig()
    max_time: timedelta = timedelta(minutes=5)
    max_epochs: Positive = 100
    patience: Positive = 3
    """Passes without a better held-out likelihood before fitting stops."""
    molecules: Positive = 200_000
    batch_size: Positive = 512
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """At the start; it falls to nothing by a cosine over `max_time` or `max_epochs`, whichever ends first."""
    precision: Precision = "32-true"
    seed: int = 0

    _read_clock = field_validator("max_time", mode="before")(lambda value: read_clock(value))
    _write_clock = field_serializer("max_time")(lambda value: write_clock(value))


class JointPriorConfig(Section):
    """A prior trained with the model: the KL is against it (Variational Lossy Autoencoder, Chen et al. 2016)."""

    fit: Literal["joint"] = "joint"
    model: PriorConfig = AutoregressivePriorConfig()


PriorTrainingConfig = Annotated[PriorFitConfig | JointPriorConfig, Field(discriminator="fit")]


class ModelConfig(Section):
    """The parts of a model; with a vocabulary it is all that is needed to build one."""

    encoder: EncoderConfig = GRUEncoderConfig()
    latent: LatentConfig = GaussianLatentConfig()
    decoder: DecoderConfig = GRUDecoderConfig()
    heads: HeadsConfig = HeadsConfig()
    condition: ConditionConfig | None = None

    @field_validator("encoder", "latent", mode="before")
    @classmethod
    def _first_kind_by_default(cls, value: Any, info: ValidationInfo) -> Any:
        default = {"encoder": "gru", "latent": "gaussian"}[str(info.field_name)]
        return {"kind": default} | value if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _condition_has_heads(self) -> "ModelConfig":
        if self.condition is not None and self.heads.properties is not None:
            missing = [name for name in self.condition.properties if name not in self.heads.properties]
            if missing:
                raise ValueError(
                    f"condition.properties without a head: {', '.join(missing)}; add them to heads.properties"
                )
        return self

    @model_validator(mode="after")
    def _slots_fit(self) -> "ModelConfig":
        n_slots, latent = self.encoder.n_slots, self.latent
        latent_dim = latent.n_slots * latent.code_dim if isinstance(latent, VQLatentConfig) else latent.latent_dim
        if isinstance(latent, VQLatentConfig) and n_slots not in (1, latent.n_slots):
            raise ValueError(f"the encoder has {n_slots} slots, the VQ latent {latent.n_slots}; give both the same")
        for part, n in (("encoder", n_slots), ("decoder", self.decoder.n_slots)):
            if latent_dim % n:
                raise ValueError(f"the {part}'s {n} slots do not divide the {latent_dim} latent dimensions")
        return self


class ConstantBetaConfig(Section):
    """The same KL weight throughout."""

    kind: Literal["constant"] = "constant"
    beta: Annotated[float, Field(ge=0)] = 0.1


class LinearBetaConfig(Section):
    """From `start` to `beta` over the first `warmup` share of training, constant afterwards."""

    kind: Literal["linear"] = "linear"
    beta: Annotated[float, Field(ge=0)] = 0.1
    start: Annotated[float, Field(ge=0)] = 0.0
    warmup: Annotated[float, Field(gt=0, le=1)] = 0.3


class CyclicalBetaConfig(Section):
    """`n_cycles` ramps from `start` to `beta`, each followed by a plateau (Fu et al. 2019)."""

    kind: Literal["cyclical"] = "cyclical"
    beta: Annotated[float, Field(ge=0)] = 0.1
    start: Annotated[float, Field(ge=0)] = 0.0
    n_cycles: Positive = 4
    ramp: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of each cycle spent rising."""


class ConstrainedBetaConfig(Section):
    """The KL weight that just holds the reconstruction at a target (GECO, Rezende and Viola 2018).

    Beta falls while the training reconstruction, token dropout included, is above the target, and rises below it.
    """

    kind: Literal["geco"] = "geco"
    reconstruction: Annotated[float, Field(gt=0)] = 2.0
    """Target, nats per molecule."""
    start: Annotated[float, Field(gt=0)] = 0.1
    lowest: Annotated[float, Field(gt=0)] = 0.01
    highest: Annotated[float, Field(gt=0)] = 1.0
    speed: Annotated[float, Field(gt=0)] = 0.003
    """Largest relative change of beta a step."""


BetaConfig = Annotated[
    ConstantBetaConfig | LinearBetaConfig | CyclicalBetaConfig | ConstrainedBetaConfig, Field(discriminator="kind")
]


class TrainingConfig(Section):
    """How the model is trained. At least one of max_time, max_steps and max_epochs ends it."""

    batch_size: Positive = 256
    learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Share of the learning rate left at the end of the cosine."""
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    beta: BetaConfig = LinearBetaConfig()
    property_weight: Annotated[float, Field(ge=0)] = 1.0
    tanimoto_weight: Annotated[float, Field(ge=0)] = 0.0
    """Of 1 − the correlation of latent with Tanimoto distances in a batch; needs data prepared with fingerprints."""
    fingerprint_weight: Annotated[float, Field(ge=0)] = 0.0
    """Of the negative log-likelihood (nats) of the ECFP4 bits that a linear layer reads from z; needs them prepared."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    accumulate: Positive = 1
    augment: Literal["none", "randomized"] = "none"
    """`randomized`: a sequence encoder reads random orders of the molecule; needs data prepared with variants."""
    init_from: Path | None = None
    """A checkpoint to start from (fine-tuning); the data must be prepared with its vocabulary."""
    precision: Precision = "bf16-mixed"
    resident: bool = False
    """Tokens and properties are kept on the device: for a fast GPU, without graphs and without random orders."""
    max_time: timedelta | None = None
    max_steps: Positive | None = None
    max_epochs: Positive | None = None
    valid_every: Positive = 1000
    """Steps between validations."""
    valid_molecules: Positive = 2000
    patience: Positive | None = None
    """Validations without improvement before training stops early; `None` never stops early."""
    save_every: Positive = 500
    """Steps between saves of the state to resume from."""
    seed: int = 0

    _read_clock = field_validator("max_time", mode="before")(lambda value: read_clock(value))
    _write_clock = field_serializer("max_time")(lambda value: write_clock(value))

    @property
    def compares_fingerprints(self) -> bool:
        """Whether batches must have fingerprints."""
        return bool(self.tanimoto_weight or self.fingerprint_weight)

    @model_validator(mode="after")
    def _ends(self) -> "TrainingConfig":
        if self.max_time is None and self.max_steps is None and self.max_epochs is None:
            raise ValueError("give at least one of max_time, max_steps and max_epochs")
        return self


class ExperimentConfig(Section):
    """One whole experiment: data, model and training."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    training: TrainingConfig
    prior: PriorTrainingConfig | None = None
    """Learned, if asked for: after training or with the model."""

    @field_validator("prior", mode="before")
    @classmethod
    def _two_stage_by_default(cls, value: Any) -> Any:
        return {"fit": "two-stage"} | value if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _augmentation_has_a_reader_and_variants(self) -> "ExperimentConfig":
        if self.training.augment == "randomized":
            if self.model.encoder.kind == "gnn":
                raise ValueError("augment: randomized changes what a sequence is read from; a gnn encoder reads none")
            if self.data.prepared is None and not self.data.prepare.variants:
                raise ValueError("augment: randomized needs random orders; set data.prepare.variants, e.g. to 4")
        return self

    @model_validator(mode="after")
    def _resident_data_are_tokens(self) -> "ExperimentConfig":
        training = self.training
        if training.resident and (
            training.augment != "none" or self.model.encoder.kind != "gru" or training.compares_fingerprints
        ):
            raise ValueError(
                "training.resident keeps tokens on the device, no graphs, random orders or fingerprints; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _compared_molecules_have_fingerprints(self) -> "ExperimentConfig":
        if self.training.compares_fingerprints and self.data.prepared is None and not self.data.prepare.fingerprints:
            raise ValueError("tanimoto_weight and fingerprint_weight need data.prepare.fingerprints: true")
        return self

    @model_validator(mode="after")
    def _prior_fits_the_latent(self) -> "ExperimentConfig":
        match self.prior, self.model.latent:
            case JointPriorConfig(), GaussianLatentConfig(free_bits=bits, min_rate=rate) if bits or rate:
                raise ValueError("free_bits and min_rate belong to N(0, I); with a joint prior use beta: {kind: geco}")
        match self.prior and self.prior.model, self.model.latent:
            case FlowPriorConfig(), VQLatentConfig():
                raise ValueError("a flow prior needs a continuous latent; for VQ codes choose kind: autoregressive")
            case AutoregressivePriorConfig(slot_dim=slot), GaussianLatentConfig(latent_dim=dim) if dim % slot:
                raise ValueError(f"slot_dim {slot} does not divide the {dim} latent dimensions")
        return self


def parse_duration(value: str | int) -> timedelta:
    """Read `HH:MM:SS`, `MM:SS` or seconds.

    YAML 1.1 reads an unquoted 0:08:00 as seconds in base 60, which means the same.

    Raises:
        ValueError: for anything else, and for no time at all.
    """
    try:
        parts = [int(p) for p in str(value).split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or any(p < 0 for p in parts) or not any(parts):
        raise ValueError(f"got {value!r}; expected a duration such as 00:30:00 (hours:minutes:seconds)")
    return timedelta(seconds=sum(p * 60**i for i, p in enumerate(reversed(parts))))


def read_clock(value: Any) -> Any:
    """A duration as a configuration writes it; what is no text or number is left to pydantic."""
    return parse_duration(value) if isinstance(value, str | int) else value


def write_clock(value: timedelta | None) -> str | None:
    """The text that `parse_duration` reads back."""
    if value is None:
        return None
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
