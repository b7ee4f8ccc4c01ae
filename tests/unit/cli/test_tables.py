import numpy as np
import pandas as pd
import pytest
from rich.table import Table

from molvae.cli.options import console
from molvae.cli.tables import neighbors_summary, reconstruction_summary


def test_a_reconstruction_is_told_with_its_denominators_reasons_and_losses() -> None:
    frame = pd.DataFrame(
        {
            "exact": [True, False, False, False],
            "tanimoto": [1.0, 1.0, np.nan, np.nan],
            "lost": ["", "stereo isotopes", "", ""],
            "reason": ["", "", "not_decoded", "too_long 20 of 15 tokens"],
        }
    )
    assert reconstruction_summary(frame).splitlines() == [
        "3 of 4 molecules encoded",
        "  exact: 33.33 % (1 of 3 encoded)",
        "  mean Tanimoto similarity: 1.000 (of the 2 decoded to a molecule)",
        "  not_decoded: 1",
        "  too_long: 1",
        "  stereo that the model does not keep: 1 molecules, none of them exact",
        "  isotopes that the model does not keep: 1 molecules, none of them exact",
    ]


def test_a_reconstruction_of_nothing_has_no_means() -> None:
    frame = pd.DataFrame({"exact": [False], "tanimoto": [np.nan], "lost": [""], "reason": ["unparsable"]})
    assert reconstruction_summary(frame).splitlines() == ["0 of 1 molecules encoded", "  unparsable: 1"]


def test_walks_are_counted_by_what_their_steps_are() -> None:
    assert (
        neighbors_summary(pd.DataFrame({"status": ["start", "new", "new", "none"]})) == "3 steps: 2 new, 0 copy, 1 none"
    )


def test_names_in_brackets_are_shown_and_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("logS [mol/L]", "[/]", "[red]"):
        console(quiet=False).print(Table("property", name))
        console(quiet=False).print(f"out{name}.csv")
        assert capsys.readouterr().err.count(name) == 2
