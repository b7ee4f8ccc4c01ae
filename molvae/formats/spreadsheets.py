"""Text of an input that a spreadsheet would take for a formula and run, such as `=HYPERLINK(…)` as a name."""

from typing import Any

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(cell: Any) -> Any:
    """A cell with an apostrophe in front of text that a spreadsheet would run; numbers stay as they are.

    Spreadsheets show such a cell without running it. The apostrophe is part of the file.

    >>> harmless("=1+1"), harmless("CCO"), harmless(-1.5)
    ("'=1+1", 'CCO', -1.5)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with `harmless` cells and column names."""
    text = {name: frame[name].map(harmless) for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])}
    return frame.assign(**text).rename(columns=harmless) if text else frame.rename(columns=harmless)
