"""Scores that other programs compute: a service on the network, an oracle of TDC, a model of chemprop."""

import csv
import json
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from molvae.errors import MissingExtraError, ScoreError
from molvae.optimize.programs import OUTPUT_PER_MOLECULE, run_program
from molvae.optimize.score import Molecule, Score
from molvae.optimize.transforms import PositiveNumber


class HttpScore(Score):
    """A service that takes `{"smiles": [...]}` by POST and answers with as many numbers, as a list or in `scores`.

    `null` means that a molecule has no value.
    """

    kind: Literal["http"] = "http"
    url: str
    timeout: PositiveNumber = 60.0
    """Seconds for one batch."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("expected a URL that begins with http:// or https://")
        return value

    def values(self, molecules: Sequence[Molecule]) -> list[float]:
        """What the service answers.

        Raises:
            ScoreError: when it cannot be reached, answers with an error, or with anything but one number per molecule.
        """
        body = json.dumps({"smiles": [m.smiles for m in molecules]}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        most = OUTPUT_PER_MOLECULE * len(molecules)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                text = answer.read(most + 1)
        except urllib.error.HTTPError as error:
            raise ScoreError(f"{self.url} answered with the status {error.code}: {error.reason}") from error
        except OSError as error:
            raise ScoreError(f"{self.url} cannot be reached: {getattr(error, 'reason', error)}") from error
        if len(text) > most:
            raise ScoreError(f"{self.url} answered with more than {OUTPUT_PER_MOLECULE // 1000} kB per molecule")
        try:
            given = json.loads(text)
        except ValueError as error:
            raise ScoreError(f"{self.url} answered with text that is no JSON") from error
        return _numbers(given.get("scores") if isinstance(given, dict) else given, len(molecules), self.url)


class TdcScore(Score):
    """An oracle of the Therapeutics Data Commons (Huang et al. 2021), such as `DRD2`; needs the package PyTDC."""

    kind: Literal["tdc"] = "tdc"
    oracle: str

    @property
    def label(self) -> str:
        """The oracle's name."""
        return f"tdc_{self.oracle}"

    def values(self, molecules: Sequence[Molecule]) -> list[float]:
        """What the oracle gives.

        Raises:
            MissingExtraError: when PyTDC is not installed.
            ScoreError: when there is no such oracle, or it gives anything but one number per molecule.
        """
        return _numbers(self._oracle([m.smiles for m in molecules]), len(molecules), f"the oracle {self.oracle!r}")

    @cached_property
    def _oracle(self) -> Any:
        try:
            from tdc import Oracle  # type: ignore[import-not-found]
        except ImportError as error:
            raise MissingExtraError("the score tdc needs PyTDC: pip install PyTDC") from error
        try:
            return Oracle(name=self.oracle)
        except Exception as error:  # of many kinds: a wrong name, a file that cannot be downloaded
            raise ScoreError(f"TDC has no oracle {self.oracle!r} to give: {error}") from error


class ChempropScore(Score):
    """A model of chemprop (Heid et al. 2024), whose command `chemprop predict` is run on every batch."""

    kind: Literal["chemprop"] = "chemprop"
    model: str
    """Its file or folder."""
    column: str | None = None
    """Which of its predictions; by default the first one."""
    command: str = "chemprop"
    timeout: PositiveNumber | None = None
    """Seconds for one batch."""

    def values(self, molecules: Sequence[Molecule]) -> list[float]:
        """What the model predicts.

        Raises:
            ScoreError: when the model is not there, or chemprop cannot be started, fails, or writes anything but one
                number per molecule.
        """
        if not Path(self.model).exists():
            raise ScoreError(f"there is no chemprop model {self.model}")
        with tempfile.TemporaryDirectory() as folder:
            given, predicted = Path(folder) / "molecules.csv", Path(folder) / "predicted.csv"
            given.write_text("smiles\n" + "".join(f"{m.smiles}\n" for m in molecules), encoding="utf-8")
            paths = ["--test-path", str(given), "--model-paths", self.model, "--preds-path", str(predicted)]
            try:
                done = run_program([self.command, "predict", *paths], "", timeout=self.timeout, most=10_000_000)
            except OSError as error:
                raise ScoreError(
                    f"{self.command!r} cannot be started: {error.strerror or error}; pip install chemprop"
                ) from error
            except subprocess.TimeoutExpired as error:
                raise ScoreError(f"chemprop took longer than {self.timeout:g} seconds") from error
            if done.exit_code or not predicted.exists():
                said = done.stderr.strip().splitlines()
                raise ScoreError(f"chemprop failed: {said[-1].strip()[:500] if said else 'without a message'}")
            with predicted.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        columns = [name for name in (rows[0] if rows else {}) if name != "smiles"]
        column = self.column or (columns[0] if columns else "")
        if column not in columns:
            raise ScoreError(f"chemprop predicts {', '.join(columns) or 'nothing'}, not {column!r}")
        return _numbers([row[column] for row in rows], len(molecules), f"chemprop's column {column}")


def _numbers(given: Any, n: int, who: str) -> list[float]:
    """N numbers, nan for `None`; raises `ScoreError` for anything else."""
    try:
        values = [float("nan") if value in (None, "") else float(value) for value in given]
    except (TypeError, ValueError) as error:
        raise ScoreError(f"{who} gave something else than numbers; expected one per molecule") from error
    if len(values) != n:
        raise ScoreError(f"{who} gave {len(values)} numbers for {n} molecules; expected one per molecule")
    return values
