"""`molvae mcp`: an assistant's client calls every tool."""

import json
from typing import Any

import pytest

from molvae.generator import MoleculeGenerator

mcp = pytest.importorskip("mcp")
anyio = pytest.importorskip("anyio")

CHIRAL, SALT = "C[C@H](N)C(=O)O", "CC(=O)[O-].[Na+]"


def called(vae: MoleculeGenerator, tool: str, **arguments: Any) -> Any:
    from molvae.mcp_server import build_server

    async def ask() -> Any:
        async with mcp.Client(build_server(vae, name="test")) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(ask)


def text(result: Any) -> str:
    return "\n".join(part.text for part in result.content)


def test_every_tool_answers(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    assert len(called(vae, "sample", n=3, seed=0).content) >= 1
    assert "latent_dim" in text(called(vae, "describe"))
    encoded = text(called(vae, "encode", smiles=[molecules[0], SALT, "no molecule"]))
    assert "unparsable" in encoded
    assert "exact" in text(called(vae, "reconstruct", smiles=[CHIRAL]))
    assert "given" in text(called(vae, "interpolate", start=molecules[0], end=molecules[1], steps=3))
    assert "score" in text(called(vae, "optimize", task="qed", calls=10))
    assert text(called(vae, "draw", smiles=[CHIRAL])).startswith("<?xml")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("sample", {"n": 100_000}),
        ("encode", {"smiles": ["C" * 5000]}),
        ("optimize", {"task": "../objective.yaml"}),
        ("optimize", {"task": "qed", "calls": 10**9}),
    ],
)
def test_what_is_out_of_bounds_is_refused(vae: MoleculeGenerator, tool: str, arguments: dict[str, Any]) -> None:
    assert called(vae, tool, **arguments).is_error


def test_two_calls_give_the_same_molecules_with_the_same_seed(vae: MoleculeGenerator) -> None:
    assert text(called(vae, "sample", n=3, seed=1)) == text(called(vae, "sample", n=3, seed=1))
    assert json.dumps(text(called(vae, "sample", n=3, seed=1))) != json.dumps(text(called(vae, "sample", n=3, seed=2)))
