"""The script that measures the family: its table, the page it is written to, and how it counts lines."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    pytest.importorskip("fcd")
    spec = importlib.util.spec_from_file_location("family", ROOT / "scripts" / "bench" / "family.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lines_are_counted_without_comments_docstrings_and_blanks(script: ModuleType) -> None:
    source = '"""A module.\n\nSays more.\n"""\n\nx = 1  # set\n\n\ndef f():\n    """Said."""\n    # why\n    return x\n'
    assert script.lines_of_code(source) == 3


def test_the_table_goes_between_the_marks_of_the_page(script: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{script.BEGIN}\nold\n{script.END}\nafter\n", encoding="utf-8")
    script.put(page, "new")
    assert page.read_text(encoding="utf-8") == f"before\n{script.BEGIN}\nnew\n{script.END}\nafter\n"


def test_a_row_shows_what_was_measured_and_a_dash_for_what_there_is_not(script: ModuleType, tmp_path: Path) -> None:
    result = {
        "latent": {"active_units": 3, "latent_dim": 4, "kl_per_dimension": [1.0, 1.0, 1.0, 0.0]},
        "training": {"molecules_per_second": 1234.0},
        "exact": 0.5,
        "Tanimoto": 0.75,
        "fcd": 1.5,
        "valid": 0.9,
        "unique": 1.0,
        "discrete": False,
        "paths": {"sound": 1.0, "different": 0.5, "similar": 0.4},
    }
    (tmp_path / "result.json").write_text(json.dumps(result), encoding="utf-8")
    row = script.table([(tmp_path.name, tmp_path)]).splitlines()[-1]
    assert "| 50.0 % | 0.750 | 1.50 | 90.0 % | 100.0 % | – | 3 of 4 | – | 100 %, 50 %, 0.40 | 1,234 |" in row


def test_every_config_is_a_member_and_the_page_names_it(script: ModuleType) -> None:
    page = (ROOT / "docs" / "family.md").read_text(encoding="utf-8")
    missing = [name for name in script.MEMBERS if f"`{name}`" not in page]
    assert not missing
