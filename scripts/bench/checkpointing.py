"""Run: python scripts/bench/checkpointing.py [--batch 256] [--tokens 48] [--atoms 30].

Gradient checkpointing of the transformer and graph members: what a forward pass keeps for the backward pass, in
megabytes, and how much longer both take, as a ratio of the medians of alternating rounds.
"""

import statistics
import time

import click
import numpy as np
import torch
from torch import Tensor, nn

from molvae.chem.graphs import smiles_to_graph
from molvae.data.batches import MolBatch
from molvae.data.graphs import GraphStore
from molvae.nn.decoders.transformer import TransformerDecoder
from molvae.nn.encoders.gnn import GNNEncoder
from molvae.nn.encoders.transformer import TransformerEncoder

VOCABULARY, Z, ROUNDS = 500, 64, 5


@click.command()
@click.option("--batch", default=256, show_default=True)
@click.option("--tokens", default=48, show_default=True)
@click.option("--atoms", default=30, show_default=True)
def main(batch: int, tokens: int, atoms: int) -> None:
    """Print the table."""
    ids = np.random.default_rng(0).integers(4, VOCABULARY, (batch, tokens)).tolist()
    graph = GraphStore.of_graphs([smiles_to_graph("C" * atoms)] * batch).batch(np.arange(batch))
    molecules = MolBatch.of_token_ids(ids, graph=graph)
    z = torch.randn(batch, Z)

    def run_encoder(part: nn.Module) -> Tensor:
        return part(molecules).square().mean()

    def run_decoder(part: nn.Module) -> Tensor:
        return part(z, molecules.token_ids).square().mean()

    members = {
        "transformer encoder": (lambda c: TransformerEncoder(VOCABULARY, checkpointing=c), run_encoder),
        "transformer decoder": (lambda c: TransformerDecoder(VOCABULARY, Z, checkpointing=c), run_decoder),
        "gnn encoder": (lambda c: GNNEncoder(checkpointing=c), run_encoder),
    }
    print("| member | kept without | kept with checkpointing | time with / without |")
    print("| --- | ---: | ---: | ---: |")
    for name, (build, run) in members.items():
        parts = [build(c).train() for c in (False, True)]
        plain, saving = (kept(run, part) / 2**20 for part in parts)
        seconds: list[list[float]] = [[], []]
        for _ in range(ROUNDS):
            for own, part in zip(seconds, parts, strict=True):
                began = time.perf_counter()
                run(part).backward()
                own.append(time.perf_counter() - began)
        ratio = statistics.median(seconds[1]) / statistics.median(seconds[0])
        print(f"| {name} | {plain:,.0f} MB | {saving:,.0f} MB | {ratio:.2f} |")


def kept(run: object, part: nn.Module) -> int:
    """Bytes of the tensors that a forward pass saves for the backward pass, weights left out, each storage once."""
    weights = {p.untyped_storage().data_ptr() for p in part.parameters()}
    sizes: dict[int, int] = {}
    alive = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # so that no other tensor takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = run(part)  # type: ignore[operator]
    del loss
    return sum(sizes.values())


if __name__ == "__main__":
    main()
