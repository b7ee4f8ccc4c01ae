from pathlib import Path

import pandas as pd
import pytest

from molvae.training.metrics import MetricsFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "metrics" / "metrics.csv"
    file = MetricsFile(path)
    for step in (50, 100):
        file.add({"step": step, "train/kl": step / 8})
    file.add({"step": 100, "valid/kl": 1.5})
    file.add({"step": 150, "train/kl": 9.0})
    return path


def test_rows_with_other_columns_share_a_table(path: Path) -> None:
    table = pd.read_csv(path)
    assert list(table) == ["step", "train/kl", "valid/kl"]
    assert table["train/kl"].dropna().tolist() == [6.25, 12.5, 9.0]
    assert table["step"].tolist() == [50, 100, 100, 150]


def test_a_resumed_table_keeps_the_rows_of_the_steps_that_were_saved(path: Path) -> None:
    whole = path.read_text()
    file = MetricsFile(path, after=100)
    assert pd.read_csv(path)["step"].tolist() == [50, 100, 100]
    file.add({"step": 100, "valid/kl": 1.5})  # reported before the interruption
    file.add({"step": 150, "train/kl": 9.0})
    assert path.read_text() == whole


def test_a_row_that_was_cut_off_is_dropped(path: Path) -> None:
    with path.open("a") as file:
        file.write("2")
    MetricsFile(path, after=1)
    assert pd.read_csv(path).empty
    path.write_text("step,train/kl\n50,6.25\nga")
    assert pd.read_csv(MetricsFile(path, after=100).path)["step"].tolist() == [50]


def test_a_new_run_begins_a_new_table(path: Path) -> None:
    MetricsFile(path)
    assert path.read_text().split() == ["step"]
