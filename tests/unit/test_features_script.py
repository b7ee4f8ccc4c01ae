"""The parts of `scripts/bench/features.py` that decide whether its table is fair."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "features.py"
SMILES = [f"c1ccccc1{'C' * n}" for n in range(1, 11)] + [f"C1CCNCC1{'C' * n}O" for n in range(10)]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_features", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_scaffold_is_on_both_sides_of_a_scaffold_split(bench: ModuleType) -> None:
    groups = np.random.default_rng(0).integers(0, 30, 200)
    tests = [bench.test_rows("scaffold", groups, seed) for seed in range(5)]
    for test in tests:
        assert not set(groups[test]) & set(groups[~test])
        assert 0.1 < test.mean() <= 0.2
    assert len({tuple(test) for test in tests}) == 5
    assert bench.test_rows("random", groups, 0).mean() == 0.2


def test_blocks_weigh_the_same_and_missing_rows_are_the_mean(bench: ModuleType) -> None:
    rng = np.random.default_rng(0)
    x = np.hstack([rng.poisson(0.5, (100, 30)), 50 * rng.normal(size=(100, 4))]).astype(np.float32)
    x[3, 30:] = np.nan
    scaled = bench.Blocks((30, 4), (False, True)).fit_transform(x)
    assert scaled[:, :30].var(0).sum() == pytest.approx(1, rel=0.05)
    assert scaled[:, 30:].var(0).sum() == pytest.approx(1, rel=0.05)
    np.testing.assert_array_equal(scaled[3, 30:], 0)


def test_the_table_ranks_by_rmse_and_auroc(bench: ModuleType) -> None:
    rows = [
        {"dataset": d, "split": "random", "seed": s, "features": f, "rmse": r, "r2": 0.5, "auroc": a}
        for d in ("esol", "bace")
        for s in (0, 1)
        for f, r, a in (("ecfp", 1.0 + s, 0.7), ("z", 0.5 + s, 0.9))
    ]
    lines = list(bench.summary(pd.DataFrame(rows)))
    assert "| z | 1.000 ± 0.707 | 0.500 ± 0.000 | 0.900 ± 0.000 | 1.00 |" in lines
    assert lines[-2].endswith("| 2.00 |")


def test_a_run_goes_on_where_it_stopped_and_skips_without_data(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = CliRunner().invoke(bench.main, ["-o", str(tmp_path / "o"), "--data", str(tmp_path / "none")])
    assert missing.exit_code == 0
    assert "nothing to do" in missing.stderr
    labels = np.arange(20.0)
    pd.DataFrame({"smiles": SMILES, "logS": labels}).to_csv(tmp_path / "esol.csv.gz", index=False)
    arguments = ["-o", str(tmp_path / "o"), "--data", str(tmp_path), "--datasets", "esol", "--splits", "random"]
    arguments += ["--trees", "3", "--sets", "ecfp"]
    heads = bench.heads
    monkeypatch.setattr(bench, "heads", lambda *given: {"linear": heads(*given)["linear"]})
    first = CliRunner().invoke(bench.main, [*arguments, "--seeds", "0"])
    again = CliRunner().invoke(bench.main, [*arguments, "--seeds", "0,1"])
    assert first.exit_code == again.exit_code == 0, again.output
    assert "esol random 1 ecfp" in again.stderr
    assert "esol random 0 ecfp" not in again.stderr
    assert len(pd.read_csv(tmp_path / "o" / "cells.csv")) == 2
