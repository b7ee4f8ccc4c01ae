"""The settings for fine-tuning a trained model on other molecules, derived from its checkpoint."""

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
from molvae.training.selection import passes_as_one

LEARNING_RATE = 1e-3  # a quarter of the default for training
PRIOR_SHARE = 0.3  # share of the time for fitting the prior, if it is fitted after training
BETA = 0.1  # for a Gaussian latent whose checkpoint does not contain the final beta


def finetuning_preparation(checkpoint: Checkpoint, descriptors: tuple[str, ...], **options: object) -> PrepareConfig:
    """The settings for preparing fine-tuning data in the standard form and notation of the model.

    Args:
        checkpoint: the model.
        descriptors: the properties of its heads that can be computed.
        options: further settings of `PrepareConfig`, such as `property_columns` or `unknown`.
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
    """The experiment that fine-tunes a model on a prepared folder.

    A prior that was trained jointly is trained jointly again. A prior that was fitted afterwards is fitted further in
    the last part of the time.

    Args:
        checkpoint: the model.
        path: the path that it was loaded from.
        data: a folder prepared with the settings of `finetuning_preparation`.
        max_time: time for training and fitting the prior together.
        seed: seed of the training.
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
    passes = passes_as_one(n)
    return PriorFitConfig(
        model=model,
        max_time=max_time * PRIOR_SHARE,
        max_epochs=100 * passes,
        patience=3 * passes,
        learning_rate=LEARNING_RATE,
        seed=seed,
    )
