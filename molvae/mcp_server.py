"""Tools for assistants by the Model Context Protocol: sample, encode, optimize, interpolate, draw."""

from typing import Annotated, Any

from pydantic import Field

from molvae.errors import MissingExtraError
from molvae.generator import MoleculeGenerator
from molvae.report.grid import grid_svg

MOST, MOST_CALLS, MOST_DRAWN, LONGEST = 200, 2000, 25, 1000
Molecule = Annotated[str, Field(max_length=LONGEST)]


def build_server(vae: MoleculeGenerator, *, name: str) -> Any:
    """An MCP server with the tools of one model.

    Args:
        vae: the model.
        name: of the server.

    Raises:
        MissingExtraError: when the package mcp is not installed.
    """
    try:
        from mcp.server import MCPServer
    except ImportError as error:
        raise MissingExtraError.of("tools need the package mcp", "mcp") from error
    server = MCPServer(name)
    properties = () if vae.model.condition is None else vae.model.condition.names

    @server.tool()
    def sample(
        n: Annotated[int, Field(ge=1, le=MOST)] = 10,
        temperature: Annotated[float, Field(ge=0.05, le=5)] | None = None,
        condition: dict[str, float] | None = None,
        seed: int | None = None,
    ) -> list[str]:
        """Draw new molecules as SMILES. `condition` asks for values of properties, of a model that can be asked."""
        return vae.sample(n, temperature=temperature, condition=condition or {}, seed=seed)

    @server.tool()
    def describe() -> dict[str, Any]:
        """What the model is, what it can be asked for, and what its heads predict."""
        return {
            "model": repr(vae),
            "can be asked for": list(properties),
            "predicts": list(vae.model.heads.names),
            "diagnostics": vae.diagnostics.get("latent", {}).get("exact"),
        }

    @server.tool()
    def encode(smiles: Annotated[list[Molecule], Field(max_length=MOST)]) -> list[dict[str, Any]]:
        """The latent of each molecule; of one that the model cannot read, the reason."""
        encoded = vae.encode_rows(smiles)
        rows = zip(encoded.smiles, encoded.z, encoded.reasons, strict=True)
        return [{"smiles": s, "z": None if why else z.round(5).tolist(), "reason": why} for s, z, why in rows]

    @server.tool()
    def reconstruct(smiles: Annotated[list[Molecule], Field(max_length=MOST)]) -> list[dict[str, Any]]:
        """Encode molecules and decode them again: what the model keeps of each."""
        return vae.reconstruct(smiles).astype(object).where(lambda frame: frame.notna(), None).to_dict("records")

    @server.tool()
    def interpolate(
        start: Molecule, end: Molecule, steps: Annotated[int, Field(ge=3, le=25)] = 7
    ) -> list[dict[str, Any]]:
        """A path of molecules from one to another."""
        return vae.interpolate(start, end, steps=steps).to_dict("records")

    @server.tool()
    def optimize(
        task: Annotated[str, Field(description="a task of the PMO benchmark, such as qed or perindopril_mpo")],
        calls: Annotated[int, Field(ge=10, le=MOST_CALLS)] = 200,
        start: Annotated[list[Molecule], Field(max_length=MOST)] | None = None,
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """Search for molecules that score high; the best ten, with their scores."""
        if not task.replace("_", "").isalnum():  # a path would be read as a file with an objective
            raise ValueError(f"got the task {task!r}; expected a name such as qed")
        found = vae.optimize(task, method="evolution", finetune=False, n_calls=calls, start=start or (), seed=seed)
        return found.head(10)[["smiles", "score"]].to_dict("records")

    @server.tool()
    def draw(smiles: Annotated[list[Molecule], Field(min_length=1, max_length=MOST_DRAWN)]) -> str:
        """A picture of molecules side by side, as SVG."""
        return grid_svg(smiles)

    return server
