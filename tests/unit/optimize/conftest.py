from pathlib import Path

import pytest

from molvae.generator import MoleculeGenerator


@pytest.fixture(scope="session")
def tiny() -> MoleculeGenerator:
    """The committed tiny checkpoint."""
    return MoleculeGenerator.load(Path(__file__).parents[2] / "golden" / "tiny", device="cpu")
