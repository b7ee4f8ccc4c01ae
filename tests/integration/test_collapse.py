"""The trap of autoregressive decoders, on real molecules: collapse is warned of, and the default does not collapse."""

from pathlib import Path

import pytest

from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.run import prepare
from molvae.data.prepared import PreparedData
from molvae.evaluation.collapse import LatentDiagnostics
from molvae.training.config import ExperimentConfig
from molvae.training.fit import train

SAMPLE = Path(__file__).parents[2] / "data" / "zinc_sample.csv.gz"
COLLAPSING = {
    "model": {"decoder": {"token_dropout": 0.0}, "latent": {"free_bits": 0.0, "min_rate": 0.0}},
    "training": {"beta": {"kind": "constant", "beta": 1.0}},
}


@pytest.fixture(scope="module")
def zinc(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    config = PrepareConfig(fragments=512, descriptors=(), split="column")
    return prepare([SAMPLE], tmp_path_factory.mktemp("zinc") / "folder", config=config)


def trained(zinc: PreparedData, out: Path, settings: dict) -> LatentDiagnostics:
    values = {"data": {"prepared": zinc.path}, **settings}
    values["training"] = {"max_time": "00:01:00", "valid_every": 100_000} | settings.get("training", {})
    return train(ExperimentConfig.model_validate(values), zinc, out)


@pytest.mark.slow
def test_beta_one_with_nothing_against_it_collapses_and_the_warning_says_so(zinc: PreparedData, tmp_path: Path) -> None:
    result = trained(zinc, tmp_path, COLLAPSING)
    assert result.warning is not None
    assert result.kl < 2
    assert result.exact < 0.01


@pytest.mark.slow
def test_the_default_uses_every_dimension(zinc: PreparedData, tmp_path: Path) -> None:
    result = trained(zinc, tmp_path, {})
    assert result.warning is None
    assert result.active_units == result.latent_dim
    assert result.kl > 20
