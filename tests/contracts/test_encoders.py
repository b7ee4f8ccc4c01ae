"""What every encoder promises. A new one joins ENCODERS and is covered."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from rdkit import Chem

from molvae.chem.graphs import mol_to_graph
from molvae.data.atom_tokens import AtomTokenMap
from molvae.data.batches import MolBatch
from molvae.data.graphs import GraphStore
from molvae.data.vocabulary import Vocabulary
from molvae.errors import InputError
from molvae.nn.encoders.fused import FusedEncoderConfig
from molvae.nn.encoders.gnn import GNNEncoderConfig
from molvae.nn.encoders.gru import GRUEncoderConfig
from molvae.nn.encoders.transformer import TransformerEncoderConfig
from molvae.nn.registry import EncoderConfig

VOCABULARY = 20
LETTERS = Vocabulary.of_symbols("abcdefghijklmnop", notation="smiles")
GNN = GNNEncoderConfig(hidden_dim=8, n_layers=2, h_dim=12)
GRU_SLOTS = GRUEncoderConfig(token_dim=8, hidden_dim=6, n_slots=3)
ENCODERS = {
    "gru": GRUEncoderConfig(token_dim=8, hidden_dim=6),
    "gru, two layers": GRUEncoderConfig(token_dim=8, hidden_dim=6, n_layers=2),
    "gnn gine multi": GNN,
    "gnn gatv2 attention": GNN.model_copy(update={"conv": "gatv2", "readout": "attention"}),
    "gnn additive": GNN.model_copy(update={"readout": "additive"}),
    "fused": FusedEncoderConfig(sequence=GRUEncoderConfig(token_dim=8, hidden_dim=6), graph=GNN),
    "transformer": TransformerEncoderConfig(hidden_dim=8, n_layers=2, n_heads=2),
    "transformer slots": TransformerEncoderConfig(hidden_dim=8, n_layers=2, n_heads=2, n_slots=3, checkpointing=True),
    "gnn checkpointing": GNN.model_copy(update={"checkpointing": True}),
    "gru slots": GRU_SLOTS,
    "gnn slots": GNN.model_copy(update={"n_slots": 3}),
    "fused slots": FusedEncoderConfig(sequence=GRU_SLOTS, graph=GNN.model_copy(update={"n_slots": 3})),
}
TOKENS = [[4, 5, 6, 7], [8], [9, 10, 11], [12, 13, 14, 15, 16, 17]]
SMILES = ["CC(=O)O", "C", "c1ccncc1C", "C[C@H](N)C(=O)Nc1ccccc1/C=C/F"]


def batch_of(rows: Sequence[int], *, tokens: Sequence[list[int]] = TOKENS, smiles: Sequence[str] = SMILES) -> MolBatch:
    return batch_of_mols([Chem.MolFromSmiles(smiles[i]) for i in rows], [tokens[i] for i in rows])


def batch_of_mols(mols: Sequence[Chem.Mol], tokens: Sequence[list[int]]) -> MolBatch:
    graph = GraphStore.of_graphs([mol_to_graph(mol) for mol in mols]).batch(np.arange(len(mols)))
    graph = graph.with_atom_tokens(AtomTokenMap(LETTERS), np.concatenate(tokens), np.array([len(t) for t in tokens]))
    return MolBatch.of_token_ids(tokens, graph=graph)


@pytest.fixture(params=ENCODERS.values(), ids=ENCODERS.keys())
def encoder(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return request.param.build(VOCABULARY).eval()


def test_h_has_the_promised_shape_and_is_finite(encoder: torch.nn.Module) -> None:
    h = encoder(batch_of(range(4)))
    assert h.shape == (4, encoder.h_dim)
    assert torch.isfinite(h).all()


def test_a_gradient_reaches_every_parameter(encoder: torch.nn.Module) -> None:
    encoder(batch_of(range(4))).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_padding_changes_nothing(encoder: torch.nn.Module) -> None:
    together = encoder(batch_of(range(4)))
    alone = torch.cat([encoder(batch_of([i])) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_a_source_is_read_in_place_of_the_target(encoder: torch.nn.Module) -> None:
    target, other = batch_of(range(4)), batch_of(range(4), tokens=[[5, 4], [6, 7], [8, 4, 9, 10, 11], [12]])
    other = replace(other, graph=target.graph)  # whose atoms belong to the target's tokens
    source_ids, source_lengths = other.source
    both = replace(target, source_ids=source_ids, source_lengths=source_lengths)
    torch.testing.assert_close(encoder(both), encoder(other))


def test_the_order_of_the_batch_changes_nothing(encoder: torch.nn.Module) -> None:
    order = [2, 0, 3, 1]
    there = encoder(batch_of(range(4)))
    back = encoder(batch_of(order))
    torch.testing.assert_close(there[order], back, atol=1e-6, rtol=1e-5)


def test_different_molecules_and_different_ends_give_different_h(encoder: torch.nn.Module) -> None:
    tokens, smiles = [[4, 5, 6], [7, 5, 6], [4, 5, 7]], ["CCCO", "NCCO", "CCCN"]
    h = encoder(batch_of(range(3), tokens=tokens, smiles=smiles))
    assert torch.cdist(h, h)[[0, 0, 1], [1, 2, 2]].min() > 1e-4


def test_encoding_is_deterministic_in_eval_mode(encoder: torch.nn.Module) -> None:
    batch = batch_of(range(4))
    assert torch.equal(encoder(batch), encoder(batch))


@pytest.mark.parametrize("config", [c for c in ENCODERS.values() if c.member.reads_graphs], ids=lambda c: c.kind)
def test_permuting_atoms_does_not_change_h(config: EncoderConfig) -> None:
    torch.manual_seed(0)
    encoder = config.build(VOCABULARY).eval()
    rng = np.random.default_rng(0)
    for row, smiles in enumerate(SMILES):
        mol = Chem.MolFromSmiles(smiles)
        h = []
        for order in (np.arange(mol.GetNumAtoms()), rng.permutation(mol.GetNumAtoms())):
            h.append(encoder(batch_of_mols([Chem.RenumberAtoms(mol, order.tolist())], [TOKENS[row]])))
        assert (h[0] - h[1]).abs().max() < 1e-5, smiles


def test_mirror_images_and_double_bond_isomers_have_different_graphs() -> None:
    torch.manual_seed(0)
    encoder = GNN.build(VOCABULARY).eval()
    for pair in (["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"], ["F/C=C/F", "F/C=C\\F"]):
        h = encoder(batch_of(range(2), tokens=[[4], [4]], smiles=pair))
        assert (h[0] - h[1]).abs().max() > 1e-4, pair


def test_a_graph_encoder_without_graphs_says_so() -> None:
    with pytest.raises(InputError, match="prepared with graphs"):
        GNN.build(VOCABULARY)(MolBatch.of_token_ids(TOKENS))


def test_slots_of_a_graph_whose_atoms_no_token_is_known_of_say_so() -> None:
    batch = batch_of(range(2))
    with pytest.raises(InputError, match="which token wrote each atom"):
        ENCODERS["gnn slots"].build(VOCABULARY)(replace(batch, graph=replace(batch.graph, atom_tokens=None)))
