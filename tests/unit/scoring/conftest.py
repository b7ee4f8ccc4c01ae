import gzip
import json
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parents[2] / "golden" / "metrics"


def read_smiles(name: str) -> list[str]:
    data = (GOLDEN / name).read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()


@pytest.fixture(scope="session")
def recorded() -> dict[str, Any]:
    return json.loads((GOLDEN / "recorded.json").read_text())["lists"]
