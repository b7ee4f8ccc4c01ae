"""A graph neural network over the molecular graph."""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from molvae.config import Depth, Fraction, Size
from molvae.data.batches import MolBatch
from molvae.data.graphs import ATOM_CLASSES, BOND_CLASSES
from molvae.errors import InputError
from molvae.nn.encoders.base import Encoder, EncoderSettings
from molvae.nn.transformer import run

MANY = 32.0  # about the number of atoms per molecule; sums are divided by it to get the scale of means
REACH = 24  # longest distance between bonded atoms in SMILES order that the slots' bond features distinguish


class GNNEncoder(Encoder):
    """Message passing over atoms and bonds. With a single slot, h does not depend on the order of the atoms.

    Args:
        hidden_dim: size of an atom's state.
        n_layers: number of message-passing layers.
        conv: "gine" (Hu et al. 2020) or "gatv2" (Brody et al. 2022), both from torch-geometric, with bond features.
        readout: how a single slot is computed from the atoms. "multi" concatenates their mean, maximum, standard
            deviation and sum divided by 32 (Corso et al. 2020); "attention" is a sum weighted by learned scores, with
            four heads (Li et al. 2016); "additive" adds to "multi" a sum of learned contributions of the atoms, which
            extrapolates to molecules of any size, as group contribution methods do.
        dropout: dropout probability after every layer.
        h_dim: size of h, or of each slot if there are several.
        n_slots: number of slots of h; if above 1, each slot reads the atoms that its own tokens write and their
            surroundings, and `readout` is not used.
        tokens_per_slot: number of consecutive tokens that a slot represents; the last slot takes all remaining ones.
        checkpointing: compute activations again in the backward pass, which takes less memory and more time.
    """

    reads_graphs: ClassVar[bool] = True

    def __init__(
        self,
        *,
        hidden_dim: int = 128,
        n_layers: int = 4,
        conv: Literal["gine", "gatv2"] = "gine",
        readout: Literal["multi", "attention", "additive"] = "multi",
        dropout: float = 0.0,
        h_dim: int = 512,
        n_slots: int = 1,
        tokens_per_slot: int = 1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.n_slots = n_slots
        self.h_dim = n_slots * h_dim
        self.max_tokens = n_slots * tokens_per_slot if n_slots > 1 else None
        self.atom_embedding = CodeEmbedding(ATOM_CLASSES, hidden_dim)
        self.bond_embedding = CodeEmbedding(BOND_CLASSES, hidden_dim)
        if n_slots > 1:
            self.offset_embedding = nn.Embedding(2 * REACH + 1, hidden_dim)
        self.convs = nn.ModuleList(_conv(conv, hidden_dim) for _ in range(n_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_dim) for _ in range(n_layers + 1))
        self.dropout = nn.Dropout(dropout)
        if n_slots > 1:
            self.readout: nn.Module = _SlotReadout(hidden_dim, n_slots, tokens_per_slot=tokens_per_slot)
        else:
            self.readout = _AttentionReadout(hidden_dim) if readout == "attention" else _MultiReadout()
        additive = readout == "additive" and n_slots == 1
        self.contributions = _Contributions(hidden_dim, h_dim) if additive else None
        self.to_h = nn.Sequential(nn.Linear(4 * hidden_dim, h_dim), nn.SiLU(), nn.Linear(h_dim, h_dim))

    def forward(self, batch: MolBatch) -> Tensor:
        """Encode a batch that has graphs.

        Returns:
            h: `(B, H)`.

        Raises:
            InputError: when the batch has no graphs, or there are several slots and the batch has no atom tokens.
        """
        graph = batch.graph
        if graph is None:
            raise InputError("the batch has no graphs; a gnn encoder needs data prepared with graphs")
        states = self.atom_embedding(graph.atoms)
        bonds = self.bond_embedding(graph.bond_codes)
        if self.n_slots > 1:  # each bond gets the distance between its atoms in the SMILES as a feature
            source, target = graph.edge_index
            bonds = bonds + self.offset_embedding((target - source).clamp(-REACH, REACH) + REACH)
        rounds = []
        for conv, norm in zip(self.convs, self.norms[:-1], strict=True):
            found = run(conv, norm(states), graph.edge_index, bonds, saving=self.checkpointing)
            states = states + self.dropout(found)
            rounds.append(states)
        states = self.norms[-1](states)
        if self.n_slots > 1:
            if graph.atom_tokens is None:
                raise InputError("the batch does not say which token wrote each atom; see GraphBatch.with_atom_tokens")
            slots = self.readout(rounds[0], states, graph.atom_tokens, graph.graph_index, graph.n_graphs)
            return self.to_h(slots).flatten(1)
        h = self.to_h(self.readout(states, graph.graph_index, graph.n_graphs))
        if self.contributions is None:
            return h
        return h + self.contributions(states, graph.graph_index, graph.n_graphs)


class CodeEmbedding(nn.Module):
    """Embeds several columns of class codes as the sum of their embeddings.

    Args:
        classes: number of classes of each column.
        dim: size of the embedding.
    """

    offsets: Tensor

    def __init__(self, classes: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(sum(classes), dim, mode="sum")
        starts = torch.tensor((0, *classes[:-1])).cumsum(0)
        self.register_buffer("offsets", starts, persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Embed codes `(n, columns)` int64: `(n, dim)`."""
        return self.table(codes + self.offsets)


class _MultiReadout(nn.Module):
    def __init__(self) -> None:
        from torch_geometric.nn.aggr import MultiAggregation  # slow to import

        super().__init__()
        self.aggregate = MultiAggregation(["mean", "max", "std", "sum"])

    def forward(self, states: Tensor, graph_index: Tensor, n_graphs: int) -> Tensor:
        joined = self.aggregate(states, graph_index, dim_size=n_graphs)
        mean_max_std, total = joined.split([3 * states.shape[1], states.shape[1]], dim=-1)
        return torch.cat([mean_max_std, total / MANY], dim=-1)


class _Contributions(nn.Module):
    """The sum of the contributions of the atoms to h."""

    def __init__(self, dim: int, h_dim: int) -> None:
        super().__init__()
        self.of_atom = nn.Sequential(nn.Linear(dim, h_dim), nn.SiLU())
        self.to_h = nn.Linear(h_dim, h_dim, bias=False)

    def forward(self, states: Tensor, graph_index: Tensor, n_graphs: int) -> Tensor:
        from torch_geometric.utils import scatter

        total = scatter(self.of_atom(states).float(), graph_index, dim_size=n_graphs, reduce="sum")
        return self.to_h(total / MANY)


class _SlotReadout(nn.Module):
    """Slots made mainly of the atoms that their tokens write, and to a lesser degree of the rest of the molecule.

    As in `molvae.nn.slots.SequenceSlots`, a slot beyond the last atom is a learned vector, the same for all molecules.
    """

    numbers: Tensor

    def __init__(self, dim: int, n_slots: int, *, tokens_per_slot: int) -> None:
        super().__init__()
        self.tokens_per_slot = tokens_per_slot
        self.local = nn.Sequential(nn.Linear(dim, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, 3 * dim))
        self.value = nn.Linear(dim, 3 * dim)
        self.whole = _MultiReadout()
        self.from_whole = nn.Linear(4 * dim, dim)
        self.context_scale = nn.Parameter(torch.tensor(0.1))
        self.position = nn.Parameter(torch.randn(n_slots, dim) / 10)
        self.empty = nn.Parameter(torch.randn(4 * dim) / 10)
        self.register_buffer("numbers", torch.arange(n_slots), persistent=False)

    def forward(self, local: Tensor, states: Tensor, atom_tokens: Tensor, graph_index: Tensor, n_graphs: int) -> Tensor:
        from torch_geometric.utils import to_dense_batch

        slots = (atom_tokens // self.tokens_per_slot).clamp(max=len(self.numbers) - 1)
        values = self.local(local) + self.context_scale * self.value(states)
        values, _ = to_dense_batch(values, graph_index, batch_size=n_graphs)  # (B, A, 3 · dim), (B, A)
        slots, _ = to_dense_batch(slots, graph_index, batch_size=n_graphs, fill_value=-1)
        belongs = (slots.unsqueeze(1) == self.numbers.unsqueeze(1)).to(values.dtype)  # (B, M, A)
        own = belongs @ values / 2  # a token writes about 2 atoms
        whole = self.from_whole(self.whole(states, graph_index, n_graphs)).unsqueeze(1)
        filled = self.numbers <= slots.amax(1, keepdim=True)  # (B, M)
        h = torch.cat([own, (self.context_scale * whole + self.position).to(own.dtype)], dim=-1)
        return torch.where(filled.unsqueeze(2), h, self.empty.to(h.dtype))


class _AttentionReadout(nn.Module):
    def __init__(self, dim: int, heads: int = 4) -> None:
        super().__init__()
        self.score = nn.Linear(dim, heads)
        self.value = nn.Linear(dim, dim)

    def forward(self, states: Tensor, graph_index: Tensor, n_graphs: int) -> Tensor:
        from torch_geometric.utils import scatter, softmax

        weights = softmax(self.score(states).float(), graph_index, num_nodes=n_graphs)
        weighed = weights.unsqueeze(2) * self.value(states).float().unsqueeze(1)  # (N, heads, dim)
        return scatter(weighed.flatten(1), graph_index, dim_size=n_graphs, reduce="sum")


def _conv(kind: str, dim: int) -> nn.Module:
    from torch_geometric.nn import GATv2Conv, GINEConv

    if kind == "gine":
        network = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
        return GINEConv(network, train_eps=True)
    return GATv2Conv(dim, dim // 4, heads=4, edge_dim=dim, add_self_loops=False)


class GNNEncoderConfig(EncoderSettings):
    """A graph neural network over the molecular graph; needs data prepared with graphs."""

    member: ClassVar[type[Encoder]] = GNNEncoder

    kind: Literal["gnn"] = "gnn"
    hidden_dim: Annotated[int, Field(ge=4, le=65_536, multiple_of=4)] = 128
    n_layers: Depth = 4
    conv: Literal["gine", "gatv2"] = "gine"
    readout: Literal["multi", "attention", "additive"] = "multi"
    dropout: Fraction = 0.0
    h_dim: Size = 512
    """Size of h, or of each slot if there are several."""
    n_slots: Size = 1
    """Number of slots of h; if above 1, each reads the atoms that its tokens write, and `readout` is not used."""
    tokens_per_slot: Size = 1
    checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""

    def build(self, vocabulary_size: int) -> GNNEncoder:
        """Build the encoder, with untrained weights."""
        return GNNEncoder(**self.arguments())
