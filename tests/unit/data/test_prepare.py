import csv
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from molvae.chem.graphs import mol_to_graph
from molvae.chem.parse import canonical_smiles
from molvae.data.prepare.config import PrepareConfig
from molvae.data.prepare.refragment import refragment
from molvae.data.prepare.run import prepare
from molvae.data.prepare.splits import hash_split
from molvae.data.prepared import PreparedData
from molvae.data.vocabulary import Vocabulary
from molvae.errors import InputError, InputFileError, PreparedDataError, VocabularyError


def write(path: Path, *smiles: str) -> Path:
    path.write_text("smiles\n" + "\n".join(smiles) + "\n")
    return path


def test_tokens_spell_the_molecules_and_splits_and_properties_follow_the_rows(
    prepared: PreparedData, molecules: tuple[str, ...]
) -> None:
    from molvae.chem.notation import notation

    line = notation("selfies")
    smiles = prepared.smiles()
    assert smiles == [canonical_smiles(s) for s in molecules]
    for i, expected in enumerate(smiles):
        ids = prepared.tokens[prepared.offsets[i] : prepared.offsets[i + 1]]
        assert line.to_smiles(prepared.vocabulary.decode(ids.tolist())) == expected
    assert prepared.indices("valid").tolist() == [0, 5, 10, 15]
    frame = prepared.property_frame()
    assert frame["assay"].isna().tolist() == [i % 2 == 0 for i in range(20)]
    assert frame["assay"][7] == 3.5


def test_statistics_are_those_of_the_labeled_training_molecules(prepared: PreparedData) -> None:
    train = prepared.property_frame(prepared.indices("train"))
    assert prepared.statistics.mean == pytest.approx(train.mean().tolist(), rel=1e-4)
    expected = train.std(ddof=0).tolist()
    assert prepared.statistics.std == pytest.approx(expected, rel=1e-3)


def test_every_row_is_kept_or_rejected_with_its_reason(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", "CCO", "OCC", "xx", "", "[Fe]", "CCN", "C" * 120)
    folder = prepare([source], tmp_path / "out", config=PrepareConfig(fragments=0, n_jobs=1))
    rows = folder.meta["rows"]
    assert rows["kept"] + sum(rows["rejected"].values()) == rows["read"]
    assert rows["rejected"] == {"duplicate": 1, "unparsable": 1, "element": 1, "too_large": 1}
    with (tmp_path / "out" / "rejected.csv").open(newline="") as file:
        rejected = {row["row"]: row["reason"] for row in csv.DictReader(file)}
    assert rejected == {"2": "duplicate", "3": "unparsable", "4": "element", "6": "too_large"}


def test_molecules_of_excluded_files_are_left_out_in_their_standard_form(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", "CCO", "c1ccccc1[O-]", "CCN", "CCN.Cl")
    test_set = write(tmp_path / "test.csv", "OCC", "Oc1ccccc1.[Na+]", "xx", "CCCC")
    config = PrepareConfig(fragments=0, n_jobs=1, neutralize=True, exclude=(test_set,))
    folder = prepare([source], tmp_path / "out", config=config)
    assert folder.smiles() == ["CCN"]
    assert folder.meta["rows"]["rejected"] == {"excluded": 2, "duplicate": 1}
    with pytest.raises(InputFileError, match=r"gone\.smi"):
        prepare([source], tmp_path / "b", config=config.model_copy(update={"exclude": (tmp_path / "gone.smi",)}))
    assert not (tmp_path / "b").exists()


def test_the_split_depends_on_the_molecule_and_not_on_its_row(tmp_path: Path, molecules: tuple[str, ...]) -> None:
    config = PrepareConfig(fragments=0, n_jobs=1, valid_fraction=0.3, test_fraction=0.3)
    there = prepare([write(tmp_path / "a.csv", *molecules)], tmp_path / "a", config=config)
    back = prepare([write(tmp_path / "b.csv", *reversed(molecules))], tmp_path / "b", config=config)
    splits = [dict(zip(d.smiles(), (d.split_names[c] for c in d.splits), strict=True)) for d in (there, back)]
    assert splits[0] == splits[1]
    assert set(splits[0].values()) == {"train", "valid", "test"}


def test_scaffold_split_keeps_a_scaffold_together(tmp_path: Path) -> None:
    config = PrepareConfig(fragments=0, n_jobs=1, split="scaffold", valid_fraction=0.4, test_fraction=0.4)
    source = write(tmp_path / "a.csv", "Cc1ccccc1", "CCc1ccccc1", "OCc1ccccc1", "C1CCNCC1", "CC1CCNCC1")
    folder = prepare([source], tmp_path / "out", config=config)
    assert len(set(folder.splits[:3].tolist())) == 1
    assert len(set(folder.splits[3:].tolist())) == 1


def test_files_are_splits_and_validation_is_carved_from_train(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", *("C" * n for n in range(1, 60)))
    test = write(tmp_path / "test.csv", *("N" + "C" * n for n in range(1, 9)))
    config = PrepareConfig(fragments=0, n_jobs=1, split="files", valid_fraction=0.2)
    counts = prepare([train, test], tmp_path / "out", config=config).meta["splits"]
    assert counts["test"] == 8
    assert counts["train"] + counts["valid"] == 59
    assert counts["valid"] == sum(
        hash_split("C" * n, valid_fraction=0.2, test_fraction=0) == "valid" for n in range(1, 60)
    )


def test_several_processes_give_the_same_folder_as_one(table: Path, prepared: PreparedData, tmp_path: Path) -> None:
    config = PrepareConfig.model_validate(prepared.meta["options"] | {"n_jobs": 2})
    again = prepare([table], tmp_path / "out", config=config)
    for name in ("tokens", "offsets", "splits", "properties"):
        np.testing.assert_array_equal(getattr(again, name), getattr(prepared, name))


@pytest.mark.parametrize(("unknown", "kept"), [("skip", 1), ("extend", 2)])
def test_symbols_a_vocabulary_lacks_follow_the_policy(unknown: str, kept: int, tmp_path: Path) -> None:
    vocabulary = Vocabulary.of_symbols(["[C]", "[O]"], notation="selfies")
    source = write(tmp_path / "a.csv", "CCO", "CP")
    config = PrepareConfig(n_jobs=1, unknown=unknown)
    folder = prepare([source], tmp_path / "out", config=config, vocabulary=vocabulary)
    assert len(folder) == kept
    assert folder.meta["rows"]["rejected"] == ({"unknown_symbol": 1} if unknown == "skip" else {})


def test_by_default_symbols_a_vocabulary_lacks_stop_the_work_and_leave_nothing(tmp_path: Path) -> None:
    vocabulary = Vocabulary.of_symbols(["[C]", "[O]"], notation="selfies")
    with pytest.raises(VocabularyError, match=r"lacks 1 symbols of the input: \[P\] \(1×\); choose"):
        prepare([write(tmp_path / "a.csv", "CCO", "CP")], tmp_path / "out", vocabulary=vocabulary)
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_no_usable_molecule_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no molecule left of 2 rows read"):
        prepare([write(tmp_path / "a.csv", "xx", "yy")], tmp_path / "out", config=PrepareConfig(n_jobs=1))
    assert not (tmp_path / "out").exists()


def test_refragmenting_gives_what_preparing_with_that_size_would(
    table: Path, prepared: PreparedData, tmp_path: Path
) -> None:
    for fragments in (0, 30):
        config = PrepareConfig.model_validate(prepared.meta["options"] | {"fragments": fragments})
        expected = prepare([table], tmp_path / f"prepared{fragments}", config=config)
        found = refragment(prepared, tmp_path / f"refragmented{fragments}", fragments=fragments)
        assert found.vocabulary == expected.vocabulary
        assert found.meta == expected.meta
        for name in ("tokens", "offsets", "splits", "properties"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("fragments", [0, 30])
def test_refragmenting_into_another_notation_gives_what_preparing_in_it_would(
    fragments: int, table: Path, prepared: PreparedData, tmp_path: Path
) -> None:
    options = prepared.meta["options"] | {"fragments": fragments, "notation": "smiles"}
    expected = prepare([table], tmp_path / "prepared", config=PrepareConfig.model_validate(options))
    found = refragment(prepared, tmp_path / "again", fragments=fragments, notation="smiles", n_jobs=1)
    assert found.vocabulary == expected.vocabulary
    assert found.meta == expected.meta
    np.testing.assert_array_equal(found.tokens, expected.tokens)
    back = refragment(found, tmp_path / "back", fragments=prepared.meta["options"]["fragments"], notation="selfies")
    assert back.meta == prepared.meta
    np.testing.assert_array_equal(back.tokens, prepared.tokens)


def test_graphs_are_those_of_the_molecules_and_follow_a_refragmented_folder(
    prepared_with_graphs: PreparedData, tmp_path: Path
) -> None:
    for data in (prepared_with_graphs, refragment(prepared_with_graphs, tmp_path / "again", fragments=0)):
        opened = data.with_graphs()
        assert opened.graphs is not None
        for i, smiles in enumerate(opened.smiles()):
            expected = mol_to_graph(Chem.MolFromSmiles(smiles))
            batch = opened.graphs.batch(np.array([i]))
            np.testing.assert_array_equal(batch.atoms.numpy(), expected.atoms)
            np.testing.assert_array_equal(batch.edge_index.numpy(), expected.bonds.T)


def test_a_folder_without_graphs_says_how_to_prepare_them(prepared: PreparedData) -> None:
    with pytest.raises(PreparedDataError, match="prepare it again with `molvae data prepare --graphs`"):
        prepared.with_graphs()


def test_a_share_of_the_molecules_is_described_and_the_others_have_missing_labels(
    table: Path, prepared: PreparedData, tmp_path: Path
) -> None:
    options = prepared.meta["options"] | {"descriptor_fraction": 0.5}
    half = prepare([table], tmp_path / "out", config=PrepareConfig.model_validate(options))
    missing = np.isnan(half.property_frame()["mw"].to_numpy())
    assert 0.2 < missing.mean() < 0.8
    known = prepared.property_frame()["mw"].to_numpy()[~missing]
    np.testing.assert_array_equal(half.property_frame()["mw"].to_numpy()[~missing], known)
    train = half.split_names.index("train") == half.splits
    assert half.statistics.select(("mw",)).mean[0] == pytest.approx(np.nanmean(half.property_frame()["mw"][train]))


def test_an_existing_folder_is_not_overwritten_unasked(prepared: PreparedData, table: Path) -> None:
    with pytest.raises(InputFileError, match="exists already"):
        prepare([table], prepared.path)


@pytest.mark.parametrize("damage", ["meta.json", "tokens.npy", "vocabulary.json"])
def test_an_incomplete_folder_is_one_sentence(damage: str, table: Path, tmp_path: Path) -> None:
    prepare([table], tmp_path / "out", config=PrepareConfig(n_jobs=1))
    content = (tmp_path / "out" / damage).read_bytes()
    (tmp_path / "out" / damage).write_bytes(content[: len(content) // 2])
    with pytest.raises(PreparedDataError):
        PreparedData.open(tmp_path / "out")
    (tmp_path / "out" / damage).unlink()
    with pytest.raises(PreparedDataError):
        PreparedData.open(tmp_path / "out")


def test_training_from_a_prepared_folder_imports_neither_rdkit_nor_selfies(
    prepared: PreparedData, tmp_path: Path
) -> None:
    program = f"""
import sys
from molvae.training.config import ExperimentConfig
from molvae.data.prepared import PreparedData
from molvae.training.fit import train
config = ExperimentConfig.model_validate({{"data": {{"prepared": {str(prepared.path)!r}}},
    "training": {{"max_steps": 1, "batch_size": 4, "precision": "32-true"}}}})
train(config, PreparedData.open({str(prepared.path)!r}), {str(tmp_path / "run")!r}, device="cpu")
sys.exit(any(name.split(".")[0] in ("rdkit", "selfies") for name in sys.modules))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert json.loads((tmp_path / "run" / "model" / "config.json").read_text())["format_version"] == 2


def test_more_splits_than_codes_are_one_sentence_and_leave_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("smiles,split\n" + "".join(f"{'C' * n}O,s{n}\n" for n in range(1, 300)))
    config = PrepareConfig(fragments=0, descriptors=(), n_jobs=1, split="column", max_atoms=400, max_symbols=400)
    with pytest.raises(InputError, match=r"more than 256 splits \(s1, s2, s3, …\); expected a few"):
        prepare([path], tmp_path / "out", config=config)
    assert not (tmp_path / "out").exists()


def test_rows_that_name_no_split_and_duplicates_in_another_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("smiles,split\nCCO,train\nOCC,test\nCCN,\nCC,test\n")
    config = PrepareConfig(fragments=0, descriptors=(), n_jobs=1, split="column")
    rows = prepare([path], tmp_path / "out", config=config).meta["rows"]
    assert (rows["without_split"], rows["in_other_split"]) == (1, 1)
    path.write_text("smiles,split\nCCO,\n")
    with pytest.raises(InputError, match="no row names its split in the column 'split'"):
        prepare([path], tmp_path / "none", config=config)


def test_components_left_out_are_counted_by_kind(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", "CC[NH3+].[Cl-]", "CCCN.Cl.Cl.O", "CCCCO.NC(=O)c1cccnc1", "CCO")
    stripped = prepare([source], tmp_path / "out", config=PrepareConfig(fragments=0, n_jobs=1)).meta["stripped"]
    assert stripped == {
        "counterion": {"rows": 2, "most_common": {"[Cl-]": 1, "Cl": 1}},
        "solvent": {"rows": 2, "most_common": {"O": 1, "CCCCO": 1}},
    }


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_text, args=("CCO\nCCN\n",)).start()
    folder = prepare([tmp_path / "pipe"], tmp_path / "out", config=PrepareConfig(fragments=0, n_jobs=1))
    assert folder.smiles() == ["CCO", "CCN"]
    assert folder.meta["sources"][0]["sha256"] is None


def test_the_committed_sample_has_the_splits_it_promises() -> None:
    frame = pd.read_csv(Path(__file__).parents[3] / "data" / "zinc_sample.csv.gz")
    assert frame["split"].value_counts().to_dict() == {"train": 50_000, "valid": 5_000, "test": 5_000}
    assert frame["smiles"].is_unique
