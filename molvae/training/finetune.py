"""A trained model goes on learning, on other molecules: the settings of its fine-tuning, from its checkpoint."""

from datetime import timedelta
from pathlib import Path

from molvae.checkpoint import Checkpoint, checkpoint_path, prior_config
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepared import PreparedData
from molvae.training.config import (
    DataConfig,
    ExperimentConfig,
    JointPriorConfig,
    PriorFitConfig,
    PriorTrainingConfig,
    TrainingConfig,
)
from molvae.training.schedules import ConstantBetaConfig

LEARNING_RATE = 1e-3  # a quarter of what models start with
ROUND = 10_000  # molecules
PRIOR_SHARE = 0.3  # of the time, where a prior was fitted after training
BETA = 0.1  # of a Gaussian latent whose checkpoint does not say what it was trained with


def finetuning_preparation(checkpoint: Checkpoint, descriptors: tuple[str, ...], **options: object) -> PrepareConfig:
    """How molecules are prepared for the fine-tuning of a model: in its own standard form and notation.

    Args:
        checkpoint: the model.
        descriptors: those of its heads' properties that can be computed.
        options: further settings, such as `property_columns` or `unknown`.
    """
    values = checkpoint.standard_form.model_dump() | {
        "notation": checkpoint.vocabulary.notation,
        "descriptors": descriptors,
        "graphs": checkpoint.config.encoder.member.reads_graphs,
        "unknown": "extend",
    }
    return PrepareConfig.model_validate(values | options)


def finetuning_experiment(
    checkpoint: Checkpoint, path: str | Path, data: PreparedData, *, max_time: timedelta, seed: int = 0
) -> ExperimentConfig:
    """The experiment that goes on training a model on a prepared folder.

    A prior that was trained with the model goes on with it; one that was fitted afterwards is fitted again, from where
    it was, in the last part of the time.

    Args:
        checkpoint: the model.
        path: where it was loaded from.
        data: prepared as `finetuning_preparation` says.
        max_time: of all.
        seed: of the order of molecules.
    """
    n = data.meta["splits"].get("train", len(data))
    prior = _prior(checkpoint, path, max_time, n, seed)
    after = prior.max_time if isinstance(prior, PriorFitConfig) else timedelta(0)
    discrete = checkpoint.config.latent.member.discrete
    known = set(data.statistics.names)
    old = checkpoint.model.heads.names
    heads = [*(name for name in old if name in known), *(name for name in data.statistics.names if name not in old)]
    model = checkpoint.config.model_copy(
        update={"heads": checkpoint.config.heads.model_copy(update={"properties": tuple(heads)})}
    )
    beta = 1.0 if discrete else float(checkpoint.diagnostics.get("training", {}).get("beta", BETA))
    return ExperimentConfig(
        data=DataConfig(prepared=data.path.resolve()),
        model=model,
        training=TrainingConfig(
            max_time=max_time - after,
            batch_size=max(8, min(256, n // 20)),
            learning_rate=LEARNING_RATE,
            beta=ConstantBetaConfig(beta=beta),
            warmup_steps=50,
            init_from=checkpoint_path(path).resolve(),
            valid_every=500,
            seed=seed,
        ),
        prior=prior,
        sampling=checkpoint.sampling,
    )


def _prior(
    checkpoint: Checkpoint, path: str | Path, max_time: timedelta, n: int, seed: int
) -> PriorTrainingConfig | None:
    if checkpoint.prior is None:
        return None
    model = prior_config(path)
    if checkpoint.diagnostics.get("prior", {}).get("fit") == "joint":
        return JointPriorConfig(model=model)
    passes = max(1, ROUND // n)  # of a few molecules many make one of the usual size
    return PriorFitConfig(
        model=model,
        max_time=max_time * PRIOR_SHARE,
        max_epochs=100 * passes,
        patience=3 * passes,
        learning_rate=LEARNING_RATE,
        seed=seed,
    )
