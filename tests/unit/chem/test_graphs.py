import numpy as np
import pytest
from rdkit import Chem

from molvae.chem.graphs import mol_to_graph, smiles_to_graph, standard_graph
from molvae.chem.standardize import Standardizer
from molvae.data.graphs import ATOM_CLASSES, BOND_CLASSES, GraphStore


def graph_of(smiles: str):
    return mol_to_graph(Chem.MolFromSmiles(smiles))


def test_acetic_acid_by_hand() -> None:
    graph = graph_of("CC(=O)O")
    # element C O, degree, charge 0 is class 2, hydrogens, hybridization sp2 is 1 and sp3 is 2, ring none, CIP none
    assert graph.atoms.tolist() == [
        [1, 1, 2, 3, 2, 0, 0, 0],
        [1, 3, 2, 0, 1, 0, 0, 0],
        [3, 1, 2, 0, 1, 0, 0, 0],
        [3, 1, 2, 1, 1, 0, 0, 0],
    ]
    assert graph.bonds.tolist() == [[0, 1], [1, 0], [1, 2], [2, 1], [1, 3], [3, 1]]
    assert graph.bond_codes[:, 0].tolist() == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("smiles", ["[Fe+3]", "C", "C[N+](C)(C)C", "c1ccc2c(c1)C1CC1C2", "F/C=C\\F", "[2H]C(F)(Cl)Br"])
def test_every_code_fits_its_table(smiles: str) -> None:
    graph = graph_of(smiles)
    assert (graph.atoms < np.array(ATOM_CLASSES)).all()
    assert (graph.bond_codes < np.array(BOND_CLASSES)).all()


def test_a_batch_numbers_atoms_through_and_gathers_any_order() -> None:
    graphs = [graph_of(s) for s in ("CCO", "C", "c1ccccc1")]
    batch = GraphStore.of_graphs(graphs).batch(np.array([2, 0, 1]))
    assert batch.graph_index.tolist() == [0] * 6 + [1] * 3 + [2]
    assert batch.n_graphs == 3
    np.testing.assert_array_equal(batch.atoms.numpy(), np.concatenate([graphs[i].atoms for i in (2, 0, 1)]))
    np.testing.assert_array_equal(batch.edge_index.numpy()[:, 12:], graphs[0].bonds.T + 6)
    assert batch.edge_index.shape[1] == len(batch.bond_codes) == 16


def test_a_smiles_that_does_not_parse_has_no_graph() -> None:
    assert smiles_to_graph("C1CC") is None
    graph = smiles_to_graph("CCO")
    assert graph is not None
    np.testing.assert_array_equal(graph.atoms, graph_of("CCO").atoms)


@pytest.mark.parametrize(
    "smiles",
    [
        "OC(=O)c1ccccc1OC(C)=O",
        "C1=CC=CC=C1C(N)=O",
        "[Na+].[O-]C(=O)CCN",
        "C[NH2+]CC[O-]",
        "C[N+](C)(C)CC([O-])=O",
        "N[C@@H](C)C(=O)O",
        "F/C=C\\Cl",
        "[13CH3]c1c[nH]cc1",
        "C",
    ],
)
@pytest.mark.parametrize("strip", [False, True])
def test_a_molecule_just_standardized_has_the_graph_of_its_smiles(smiles: str, strip: bool) -> None:
    standard = Standardizer(neutralize=True, strip_stereo=strip, strip_isotopes=strip).apply(smiles)
    assert standard.smiles is not None
    one, other = standard_graph(standard), smiles_to_graph(standard.smiles)
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.atoms, other.atoms)
    np.testing.assert_array_equal(one.bonds, other.bonds)
    np.testing.assert_array_equal(one.bond_codes, other.bond_codes)
