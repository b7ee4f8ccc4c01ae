from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import molvae.data.prepare.randomize
from molvae.chem.notation import notation
from molvae.chem.parse import canonical_smiles, random_orders
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.randomize import add_randomized
from molvae.data.prepare.refragment import refragment
from molvae.data.prepare.run import prepare
from molvae.data.prepared import PreparedData
from molvae.data.randomized import RandomizedStore
from molvae.errors import ConfigError, InputError, PreparedDataError
from molvae.files import write_json


def variants_of(data: PreparedData) -> RandomizedStore:
    store = data.with_randomized().randomized
    assert store is not None
    return store


def prepare_smiles(tmp_path: Path, *smiles: str, **options: object) -> PreparedData:
    source = tmp_path / "molecules.smi"
    source.write_text("\n".join(smiles) + "\n")
    config = PrepareConfig.model_validate({"fragments": 0, "descriptors": (), "n_jobs": 1, **options})
    return prepare([source], tmp_path / "folder", config=config)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_random_orders_are_the_same_molecule_and_the_same_in_every_draw(molecules: tuple[str, ...]) -> None:
    for smiles in molecules:
        orders = random_orders(smiles, 5)
        assert {canonical_smiles(o) for o in orders} == {canonical_smiles(smiles)}
        assert random_orders(smiles, 7)[:5] == orders
    assert len(set(random_orders("O=C(Nc1ccccc1)C1CCNCC1", 5))) == 5
    with pytest.raises(InputError, match="could not parse 'xx'"):
        random_orders("xx", 2)


@pytest.mark.parametrize("kind", ["selfies", "smiles"])
def test_every_row_of_a_molecule_spells_it_and_the_first_is_its_canonical_tokens(
    kind: str, prepared_with_randomized: PreparedData, table: Path, tmp_path: Path
) -> None:
    data = prepared_with_randomized
    if kind == "smiles":
        config = PrepareConfig(notation="smiles", fragments=0, randomized_smiles=3, n_jobs=1)
        data = prepare([table], tmp_path / "folder", config=config)
    store = variants_of(data)
    assert len(store.offsets) == 4 * len(data) + 1
    for i, smiles in enumerate(data.smiles()):
        rows = [store.take(np.array([i]), np.array([j]))[0].tolist() for j in range(4)]
        assert rows[0] == data.tokens[data.offsets[i] : data.offsets[i + 1]].tolist()
        assert {notation(kind).to_smiles(data.vocabulary.decode(ids)) for ids in rows} == {smiles}
    orders, lengths = store.take(np.arange(20), np.arange(20) % 4)
    assert len(orders) == lengths.sum()


def test_several_molecules_are_taken_each_in_its_own_order(prepared_with_randomized: PreparedData) -> None:
    store = variants_of(prepared_with_randomized)
    alone = [store.take(np.array([i]), np.array([j]))[0] for i, j in ((3, 2), (0, 0), (7, 3))]
    together, lengths = store.take(np.array([3, 0, 7]), np.array([2, 0, 3], np.uint8))
    np.testing.assert_array_equal(together, np.concatenate(alone))
    assert lengths.tolist() == [len(a) for a in alone]


def test_randomizing_gives_what_preparing_with_randomized_smiles_would(
    prepared: PreparedData, prepared_with_randomized: PreparedData, table: Path, tmp_path: Path
) -> None:
    config = PrepareConfig.model_validate(prepared.meta["options"] | {"randomized_smiles": 3})
    expected = prepare([table], tmp_path / "folder", config=config)
    assert prepared_with_randomized.meta == expected.meta
    assert contents(prepared_with_randomized.path) == contents(expected.path)


def test_orders_do_not_depend_on_processes_and_fewer_of_them_are_the_first(
    prepared: PreparedData, prepared_with_randomized: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(molvae.data.prepare.randomize, "CHUNK_ROWS", 6)
    copied = add_randomized(refragment(prepared, tmp_path / "folder", fragments=40), 3, n_jobs=2)
    assert contents(copied.path) == contents(prepared_with_randomized.path)
    fewer, more = variants_of(add_randomized(copied, 1, n_jobs=1)), variants_of(prepared_with_randomized)
    for j in (0, 1):
        np.testing.assert_array_equal(
            fewer.take(np.arange(20), np.full(20, j))[0], more.take(np.arange(20), np.full(20, j))[0]
        )


def test_an_order_with_unknown_symbols_is_replaced_by_the_canonical_one_and_counted(tmp_path: Path) -> None:
    data = prepare_smiles(tmp_path, "C[C@H](N)O", notation="smiles")
    known = set(data.vocabulary.symbol_ids)
    lacking = [  # those with [C@@H]
        j
        for j, order in enumerate(random_orders(data.smiles()[0], 16), start=1)
        if not known.issuperset(notation("smiles").to_symbols(order))
    ]
    assert 0 < len(lacking) < 16
    data = add_randomized(data, 16, n_jobs=1)
    assert data.meta["randomized_smiles"]["canonical_instead"] == len(lacking)
    store = variants_of(data)
    canonical = store.take(np.array([0]), np.array([0]))[0].tolist()
    assert all(store.take(np.array([0]), np.array([j]))[0].tolist() == canonical for j in lacking)


def test_an_interrupted_run_leaves_the_folder_as_it_was(
    prepared_with_randomized: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = refragment(prepared_with_randomized, tmp_path / "folder", fragments=0)
    before = contents(data.path)

    def interrupted(*arguments: object, **how: object) -> Iterator[object]:
        yield molvae.data.prepare.randomize._Orders(["[C]"], 0)
        raise KeyboardInterrupt

    monkeypatch.setattr(molvae.data.prepare.randomize, "map_smiles", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add_randomized(data, 2, n_jobs=1)
    assert contents(data.path) == before


def test_refragmented_variants_spell_the_same_orders(prepared_with_randomized: PreparedData, tmp_path: Path) -> None:
    symbols = refragment(prepared_with_randomized, tmp_path / "folder", fragments=0)
    there, back = variants_of(symbols), variants_of(prepared_with_randomized)
    for i in range(20):
        rows = [s.take(np.array([i]), np.array([2]))[0].tolist() for s in (there, back)]
        spelled = [d.vocabulary.decode(row) for d, row in zip((symbols, prepared_with_randomized), rows, strict=True)]
        assert spelled[0] == spelled[1]
    assert (
        symbols.meta["randomized_smiles"]["mean_length"]
        > prepared_with_randomized.meta["randomized_smiles"]["mean_length"]
    )


def test_a_folder_without_randomized_smiles_names_the_command(prepared: PreparedData) -> None:
    with pytest.raises(PreparedDataError, match="has no randomized SMILES; add them with `molvae data randomize"):
        prepared.with_randomized()


def test_randomized_smiles_of_other_molecules_are_refused(
    prepared_with_randomized: PreparedData, tmp_path: Path
) -> None:
    data = refragment(prepared_with_randomized, tmp_path / "folder", fragments=0)
    write_json(data.path / "meta.json", data.meta | {"randomized_smiles": data.meta["randomized_smiles"] | {"each": 9}})
    with pytest.raises(PreparedDataError, match="holds 80 rows; expected 200: write them again"):
        PreparedData.open(data.path).with_randomized()
    (data.path / "randomized" / "tokens.npy").unlink()
    with pytest.raises(PreparedDataError, match="incomplete or damaged"):
        data.with_randomized()


@pytest.mark.parametrize("n", [0, 256])
def test_a_number_of_orders_out_of_range_is_refused(n: int, prepared: PreparedData) -> None:
    with pytest.raises(ConfigError, match=f"got {n} randomized SMILES per molecule; expected 1 to 255"):
        add_randomized(prepared, n)
