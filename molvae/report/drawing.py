"""RDKit's drawing, which needs libraries of the system that small machines and containers lack."""

from typing import Any

from molvae.errors import MissingExtraError


def rdkit_drawing() -> Any:
    """The module `rdkit.Chem.Draw.rdMolDraw2D`, imported where a picture is asked for and not before.

    Raises:
        MissingExtraError: when a library that it needs is not installed.
    """
    try:
        from rdkit.Chem.Draw import rdMolDraw2D
    except ImportError as error:
        raise MissingExtraError(
            f"pictures of molecules need libraries of the system ({error}); on Debian and Ubuntu: "
            "apt-get install libxrender1 libxext6 libexpat1"
        ) from error
    return rdMolDraw2D
