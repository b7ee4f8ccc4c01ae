"""Every command on every kind of model, with the molecules that people bring: drugs, salts, long ones, bad rows.

What a cell asks is what a user needs: the exit code, every row with a value or a reason, sentences in place of
tracebacks, molecules that parse.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from rdkit import Chem, RDLogger
from rdkit.Chem import Descriptors
from rdkit.Chem.MolStandardize import rdMolStandardize
from safetensors.torch import load_file, save_file
from torch.optim.optimizer import register_optimizer_step_pre_hook

import molvae
from molvae import LatentFeaturizer
from molvae.cli import main

SMALL = ("gaussian", "gaussian_flow", "codes", "conditional_flow", "conditional_codes", "graph")
SHIPPED = ("zinc", "moses", "qsar")
CONDITIONAL = ("conditional_flow", "conditional_codes")
WITH_PRIOR = ("gaussian_flow", "codes", *CONDITIONAL)
WITH_CODES = ("codes", "conditional_codes", "zinc", "moses")
CONTINUOUS = ("gaussian", "gaussian_flow", "conditional_flow", "graph")
PRETRAINED = Path(cast(str, molvae.__file__)).parent / "pretrained"

IBUPROFEN = "CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O"
ASPIRIN_SODIUM = "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]"
SERTRALINE_HYDROCHLORIDE = "CN[C@H]1CC[C@H](c2ccc(Cl)c(Cl)c2)c2ccccc21.Cl"
PEPTIDE = "CC(=O)" + "NCC(=O)" * 23 + "O"
"""96 heavy atoms, of symbols that every vocabulary has, in more tokens than any model here has slots."""
RAPAMYCIN = (
    "CO[C@@H]1C[C@H](C[C@@H](C)[C@@H]2CC(=O)[C@H](C)/C=C(C)/[C@@H](O)[C@@H](OC)C(=O)[C@H](C)C[C@H](C)/C=C/C=C/C=C(C)/"
    "[C@@H](OC)C[C@@H]3CC[C@@H](C)[C@@](O)(O3)C(=O)C(=O)N3CCCC[C@H]3C(=O)O2)CC[C@H]1O"
)
PARACETAMOL = "CC(=O)Nc1ccc(O)cc1"
CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"
ROWS = {
    "ibuprofen": IBUPROFEN,
    "aspirin sodium": ASPIRIN_SODIUM,
    "sertraline hydrochloride": SERTRALINE_HYDROCHLORIDE,
    "peptide": PEPTIDE,
    "rapamycin": RAPAMYCIN,
    "methane": "C",
    "methanol": "CO",
    "blank": "",
    "nonsense": "c1ccc(",
    "paracetamol": PARACETAMOL,
}
USABLE = ("ibuprofen", "aspirin sodium", "sertraline hydrochloride", "methane", "methanol", "paracetamol")
BAD = ("blank", "nonsense")

kinds = pytest.mark.parametrize("kind", [*SMALL, *SHIPPED], indirect=True)
small_kinds = pytest.mark.parametrize("kind", SMALL, indirect=True)


def kinds_of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", names, indirect=True)


def call(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], input=stdin)


def works(*arguments: object) -> Result:
    result = call(*arguments)
    error = "" if isinstance(result.exception, SystemExit) else repr(result.exception)
    assert result.exit_code == 0, f"{error}\n{result.stderr[-2000:]}"
    assert "Traceback" not in result.output
    return result


def refused(result: Result, message: str = "") -> None:
    """One sentence and no data; never a traceback."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in (1, 2), result.output
    assert "Traceback" not in result.output
    assert "Error: " in result.stderr
    assert message in result.stderr
    assert result.stdout == ""


def parsed(smiles: object) -> Chem.Mol | None:
    RDLogger.DisableLog("rdApp.*")
    return Chem.MolFromSmiles(smiles) if isinstance(smiles, str) and smiles else None


def all_parse(smiles: Iterable[object]) -> bool:
    return all(parsed(s) is not None for s in smiles)


def canonical(smiles: str) -> str:
    mol = parsed(smiles)
    assert mol is not None, smiles
    return Chem.MolToSmiles(mol)


def is_sound(smiles: str) -> bool:
    """No radicals, no charges that protons could balance."""
    mol = parsed(smiles)
    if mol is None or any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        return False
    return Chem.MolToSmiles(rdMolStandardize.Uncharger().uncharge(mol)) == Chem.MolToSmiles(mol)


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values={})


def numbers(frame: pd.DataFrame, first: int) -> np.ndarray:
    return frame.iloc[:, first:].apply(pd.to_numeric).to_numpy(dtype=float)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_text("\n".join(["name,smiles", *(f"{name},{smiles}" for name, smiles in ROWS.items())]) + "\n")
    return path


@pytest.fixture(scope="module")
def objective(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a score that the heads of every model predict, so that gradients can climb it."""
    path = tmp_path_factory.mktemp("objective") / "logp.yaml"
    path.write_text("scores:\n- {kind: logp, transform: {kind: min_gaussian, mu: 4, sigma: 1}}\n")
    return path


# train


@small_kinds
def test_training_from_one_yaml_gives_a_run_that_explains_itself(kind: Any) -> None:
    result = kind.trained
    assert result.exit_code == 0, f"{result.exception!r}\n{result.stderr[-2000:]}"
    assert "Traceback" not in result.output
    for file in ("experiment.yaml", "metrics/metrics.csv", "model/config.json", "model/vocabulary.json"):
        assert (kind.run / file).is_file(), file
    diagnostics = json.loads((kind.run / "model" / "diagnostics.json").read_text())
    assert diagnostics["training"]["steps"] == 150
    assert diagnostics["latent"]["active_units"] > 0
    assert "active units" in result.stderr
    assert ("prior" in diagnostics) == (kind.name in WITH_PRIOR)


@kinds_of("gaussian", "codes", *CONDITIONAL, "graph")
def test_an_interrupted_training_goes_on_from_where_it_was(kind: Any, tmp_path: Path) -> None:
    run = kind.copy_to(tmp_path)
    works("train", "--resume", "-o", run, "--set", "training.max_steps=154", "--device", "cpu", "-q")
    diagnostics = json.loads((run / "model" / "diagnostics.json").read_text())
    assert diagnostics["training"]["steps"] == 154
    assert ("prior" in diagnostics) == (kind.name in WITH_PRIOR)
    works("sample", "-m", run, "-n", 2, "--seed", 0, "-q")


@kinds_of("gaussian", "codes", "conditional_codes", "graph")
def test_a_run_can_start_from_another_run_s_weights(
    kind: Any, write_experiment: Callable[..., Path], tmp_path: Path
) -> None:
    data = {"prepared": str(kind.data), "inputs": []}
    config = write_experiment(tmp_path / "e.yaml", kind.name, data=data, training__max_steps=2, prior=None)
    works("train", "-c", config, "--init-from", kind.run / "model", "-o", tmp_path / "run", "--device", "cpu", "-q")
    vae = molvae.load(tmp_path / "run", device="cpu")
    assert vae.encode_rows([IBUPROFEN]).reasons == [None]
    if kind.name != "graph":  # which rebuilds few molecules after so little training
        assert vae.reconstruct([IBUPROFEN])["exact"].all()


@pytest.mark.parametrize("name", ["zinc", "moses"])
@pytest.mark.parametrize("by", ["folder", "name"])
def test_a_run_can_start_from_a_model_that_ships(name: str, by: str, library: Path, tmp_path: Path) -> None:
    shipped = PRETRAINED / name
    stored = json.loads((shipped / "config.json").read_text())
    prepare = ("data", "prepare", library, "-o", tmp_path / "p", "--notation", "smiles", "--strip-stereo", "--jobs", 1)
    works(*prepare, "--neutralize", "--vocabulary", shipped / "vocabulary.json", "--unknown", "skip", "-q")
    values = {
        "data": {"prepared": str(tmp_path / "p")},
        "model": stored["model"] | {"heads": stored["model"]["heads"] | {"properties": []}},
        "training": {"max_steps": 1, "batch_size": 8, "precision": "32-true", "beta": {"kind": "constant", "beta": 1}},
    }
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(values))
    start = shipped if by == "folder" else name
    works("train", "-c", tmp_path / "e.yaml", "--init-from", start, "-o", tmp_path / "run", "--device", "cpu", "-q")
    assert molvae.load(tmp_path / "run", device="cpu").reconstruct([PARACETAMOL])["exact"].all()


@pytest.mark.parametrize(
    ("size", "why"),
    [({"n_slots": 1}, "one slot"), ({"n_codes": 2}, "two codes"), ({"n_codes": 3}, "three codes")],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_heads_can_be_trained_on_a_shared_codebook_however_small(
    size: dict[str, int], why: str, write_experiment: Callable[..., Path], tmp_path: Path
) -> None:
    n_slots = size.get("n_slots", 16)
    changes = {f"model__latent__{key}": value for key, value in size.items()}
    changes |= {"model__encoder__n_slots": n_slots, "model__decoder__n_slots": n_slots}
    config = write_experiment(tmp_path / "e.yaml", "codes", **changes, training__max_steps=2, prior=None)
    works("train", "-c", config, "-o", tmp_path / "run", "--device", "cpu", "-q")
    frame = molvae.load(tmp_path / "run", device="cpu").properties([IBUPROFEN, "CCO"])
    assert list(frame.columns) == ["logp", "qed", "mw"], why
    assert np.isfinite(frame.to_numpy()).all()


@pytest.mark.parametrize(
    ("prior", "key"),
    [
        ({"fit": "two-stage", "model": {"kind": "autoregressive", "hiden_dim": 3}}, "prior.model.hiden_dim"),
        ({"fit": "two-stage", "max_epoch": 3}, "prior.max_epoch"),
        ({"fit": "two-stage", "max_epochs": 0}, "prior.max_epochs"),
        ({"fit": "joint", "model": {"kind": "flow", "n_transforms": "many"}}, "prior.model.n_transforms"),
        ({"max_epoch": 3}, "prior.max_epoch"),
        ({"fit": "twostage"}, "prior"),
        ({"model": {"kind": "flows"}}, "prior.model"),
    ],
)
def test_a_mistake_below_prior_is_named_by_its_key(
    prior: dict, key: str, write_experiment: Callable[..., Path], tmp_path: Path
) -> None:
    config = write_experiment(tmp_path / "e.yaml", "gaussian", prior=prior)
    result = call("train", "-c", config, "-o", tmp_path / "run")
    refused(result)
    assert re.search(rf"(?<![\w.]){re.escape(key)}(?![\w.])", result.stderr), result.stderr
    assert not (tmp_path / "run").exists()


# finetune


@pytest.fixture(scope="module")
def own_molecules(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few molecules of one's own, two of them with elements that no model here has seen together."""
    path = tmp_path_factory.mktemp("own") / "mine.smi"
    first = pd.read_csv(library)["smiles"].head(40)
    new = ("C[Si](C)(C)CCO", "CCP(=O)(CC)CC")
    path.write_text("\n".join([*first, *new, "c1ccc("]) + "\n")
    return path


@kinds_of("gaussian", "codes", *CONDITIONAL, "graph", *SHIPPED)
def test_finetuning_gives_a_run_that_writes_one_s_own_molecules(kind: Any, own_molecules: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    result = works("finetune", kind.where, own_molecules, "-o", out, "--max-time", "00:00:01", "--device", "cpu")
    assert "unparsable" in result.output  # the bad row is counted
    for file in ("experiment.yaml", "model/config.json", "model/vocabulary.json"):
        assert (out / file).is_file(), file
    before = PRETRAINED / kind.name if kind.name in SHIPPED else kind.run / "model"
    known = molvae.load(before, device="cpu")
    tuned = molvae.load(out, device="cpu")
    smiles = ["CC(=O)Nc1ccc(O)cc1", "C[Si](C)(C)CCO", "CCP(=O)(CC)CC"]
    assert tuned.encode_rows(smiles).reasons == [None, None, None]  # the vocabulary has what they need
    assert not np.allclose(known.encode(smiles[:1]), tuned.encode(smiles[:1]))
    assert all_parse(tuned.sample(3, seed=0))
    works("encode", own_molecules, "-m", out, "-o", tmp_path / "z.csv", "--jobs", 1, "-q")


@kinds_of("gaussian", "codes")
def test_finetuning_leaves_the_model_it_starts_from_as_it_was(kind: Any, own_molecules: Path, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in (kind.run / "model").iterdir()}
    works("finetune", kind.where, own_molecules, "-o", tmp_path / "mine", "--max-time", "00:00:01", "-q")
    assert {file.name: file.read_bytes() for file in (kind.run / "model").iterdir()} == before


@pytest.mark.parametrize(
    ("model", "molecules", "message"),
    [
        ("chembl", "CCO\n", "chembl"),
        ("zinc", "c1ccc(\n", "molecule"),
        ("zinc", "", "molecule"),
        ("zinc", None, "No such file"),
    ],
    ids=["no-such-model", "nothing-parses", "empty-file", "no-such-file"],
)
def test_finetuning_that_cannot_start_is_one_sentence(
    model: str, molecules: str | None, message: str, tmp_path: Path
) -> None:
    source = tmp_path / "mine.smi"
    if molecules is not None:
        source.write_text(molecules)
    result = call("finetune", model, source, "-o", tmp_path / "mine", "--max-time", "00:00:02")
    refused(result, message)
    assert "No such command" not in result.stderr
    assert not (tmp_path / "mine" / "model").exists()


def test_finetuning_does_not_write_over_a_run(kind_of: Callable[[str], Any], own_molecules: Path) -> None:
    kind = kind_of("gaussian")
    result = call("finetune", "zinc", own_molecules, "-o", kind.run, "--max-time", "00:00:02")
    refused(result, "holds a run already")


# sample


@kinds
def test_sampling_gives_as_many_molecules_as_asked_for(kind: Any, tmp_path: Path) -> None:
    out, again = tmp_path / "s.csv", tmp_path / "again.csv"
    result = works("sample", "-m", kind.where, "-n", 12, "--seed", 3, "-o", out, "--grid", tmp_path / "s.svg")
    frame = table(out)
    assert len(frame) == 12
    assert all_parse(frame["smiles"])
    assert "valid" in result.stderr
    assert "<svg" in (tmp_path / "s.svg").read_text()
    works("sample", "-m", kind.where, "-n", 12, "--seed", 3, "-o", again, "-q")
    assert table(again)["smiles"].tolist() == frame["smiles"].tolist()


@kinds_of(*SMALL, "moses")
@pytest.mark.parametrize("prior", ["standard", "learned"])
def test_sampling_draws_from_the_prior_that_is_asked_for(kind: Any, prior: str, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    how = ("sample", "-m", kind.where, "-n", 2, "--seed", 0, "--prior", prior, "-o", out)
    if prior == "learned" and kind.name not in (*WITH_PRIOR, "moses"):
        refused(call(*how), "fit-prior")
        assert not out.exists()
        return
    result = call(*how)
    if prior == "standard" and kind.name in WITH_CODES and result.exit_code:  # codes at random may spell nothing
        refused(result, "draws")
        return
    works(*how)
    assert len(table(out)) == 2
    assert all_parse(table(out)["smiles"])


@kinds_of(*CONDITIONAL)
@pytest.mark.parametrize("prior", ["standard", "learned"])
def test_a_conditional_model_gives_what_it_is_asked_for(kind: Any, prior: str, tmp_path: Path) -> None:
    if (kind.name, prior) == ("conditional_codes", "standard"):
        pytest.skip("codes at random spell too few molecules")
    how = ("sample", "-m", kind.where, "-n", 40, "--seed", 0, "--prior", prior, "-q", "-o")
    found = {}
    for mw in (100, 330):
        works(*how, tmp_path / "s.csv", "--condition", f"mw={mw}", "--condition", "logp=1.5")
        frame = table(tmp_path / "s.csv")
        assert all_parse(frame["smiles"])
        found[mw] = np.mean([Descriptors.MolWt(parsed(s)) for s in frame["smiles"]])
    assert found[100] + 20 < found[330]


@kinds_of("gaussian", "codes", "graph", "zinc")
def test_a_model_that_takes_no_condition_says_so(kind: Any) -> None:
    refused(call("sample", "-m", kind.where, "-n", 2, "--condition", "logp=1"), "cannot be asked for 'logp'")


# encode, decode, reconstruct


def applies(features: str, name: str) -> bool:
    return all(
        name in {"logvar": (*CONTINUOUS, "qsar"), "codes": WITH_CODES}.get(kind, (*SMALL, *SHIPPED))
        for kind in features.split("+")
    )


@kinds
@pytest.mark.parametrize("features", ["mean", "logvar", "hidden", "heads", "codes", "hidden+heads"])
def test_encoding_keeps_every_row_with_numbers_or_a_reason(
    kind: Any, features: str, rows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "f.csv"
    how = ("encode", rows, "-m", kind.where, "--features", features, "--name-column", "name", "--jobs", 1, "-o", out)
    if not applies(features, kind.name):
        refused(call(*how))
        assert not out.exists()
        return
    result = works(*how)
    frame = table(out)
    assert frame["name"].tolist() == list(ROWS)
    assert frame["smiles"].tolist() == list(ROWS.values())
    assert frame["row"].tolist() == list(range(1, len(ROWS) + 1))
    values = numbers(frame, 4)
    given = np.isfinite(values).all(1)
    assert (given == (frame["reason"] == "")).all()
    assert np.isnan(values[~given]).all()
    assert f"{given.sum()} of {len(ROWS)}" in result.stderr
    reasons = dict(zip(frame["name"], frame["reason"], strict=True))
    assert all(reasons[name] for name in BAD)
    if kind.name != "moses":  # its data have no charges, no sodium salts' anions
        assert not [reasons[name] for name in USABLE if reasons[name]]


@kinds
def test_a_molecule_too_long_for_the_model_gets_a_reason_and_no_latent(kind: Any, rows: Path, tmp_path: Path) -> None:
    works("encode", rows, "-m", kind.where, "--name-column", "name", "--jobs", 1, "-o", tmp_path / "z.csv", "-q")
    encoded = table(tmp_path / "z.csv").set_index("name")
    rebuilt = molvae.load(kind.where, device="cpu").reconstruct([PEPTIDE])
    if kind.name == "qsar":  # a featurizer: its graph encoder reads any length
        assert encoded.loc["peptide", "reason"] == ""
        return
    if kind.name in WITH_CODES:
        assert encoded.loc["peptide", "reason"]
        assert encoded.loc["rapamycin", "reason"]
    assert rebuilt["reason"][0]
    assert not rebuilt["exact"][0]


@kinds_of("gaussian", "codes")
def test_latents_are_read_from_every_kind_of_file(kind: Any, rows: Path, tmp_path: Path) -> None:
    back = []
    for ending in ("csv", "tsv", "parquet", "npy"):
        z = tmp_path / f"z.{ending}"
        works("encode", rows, "-m", kind.where, "--jobs", 1, "-o", z, "-q")
        back.append(works("decode", z, "-m", kind.where, "-q").stdout)
    assert len(set(back)) == 1


@kinds
def test_what_was_encoded_decodes_row_by_row(kind: Any, rows: Path, tmp_path: Path) -> None:
    z, out = tmp_path / "z.csv", tmp_path / "back.csv"
    works("encode", rows, "-m", kind.where, "--jobs", 1, "-o", z, "-q")
    result = works("decode", z, "-m", kind.where, "-o", out)
    back = table(out)["smiles"].tolist()
    assert len(back) == len(ROWS)
    decoded = dict(zip(ROWS, back, strict=True))
    assert not any(decoded[name] for name in BAD)
    assert f"{sum(map(bool, back))} of {len(ROWS)}" in result.stderr
    assert all_parse(s for s in back if s)
    if kind.name not in ("graph", "moses", "qsar"):
        assert canonical(decoded["paracetamol"]) == canonical(PARACETAMOL)
    if kind.name in SMALL and kind.name != "graph":  # they keep stereo and charges, and know these by heart
        assert decoded["ibuprofen"] == canonical(IBUPROFEN)
        assert decoded["aspirin sodium"] == canonical("CC(=O)Oc1ccccc1C(=O)[O-]")
        assert decoded["sertraline hydrochloride"] == canonical("CN[C@H]1CC[C@H](c2ccc(Cl)c(Cl)c2)c2ccccc21")


@kinds
def test_every_row_is_rebuilt_or_has_a_reason(kind: Any, rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    result = works("reconstruct", rows, "-m", kind.where, "-o", out)
    frame = table(out)
    assert frame["smiles"].tolist() == list(ROWS.values())
    unexplained = frame[(frame["reconstruction"] == "") & (frame["reason"] == "")]
    assert unexplained.empty, unexplained
    assert all_parse(s for s in frame["reconstruction"] if s)
    exact = frame[frame["exact"].astype(str) == "True"]
    assert (exact["reason"] == "").all()
    assert (exact["reconstruction"] != "").all()
    assert f"of {len(ROWS)}" in result.stderr


@kinds_of(*SMALL, "zinc", "moses")
def test_the_summary_of_reconstruction_says_of_how_many_molecules_its_means_are(
    kind: Any, library: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    held_out = tmp_path / "in.smi"  # the small models' codes of molecules they never saw mostly spell nothing
    molecules = [*pd.read_csv(library)["smiles"].tail(11), PEPTIDE, RAPAMYCIN, "c1ccc("]
    held_out.write_text("\n".join(molecules) + "\n")
    result = works("reconstruct", held_out, "-m", kind.where, "-o", out)
    frame = pd.read_csv(out, keep_default_na=False)
    compared = int((frame["tanimoto"] != "").sum())
    assert f"(of the {compared} decoded to a molecule)" in result.stderr
    assert len(frame) == len(molecules)
    assert not ((frame["reconstruction"] == "") & (frame["reason"] == "")).any()


@kinds
def test_a_flat_reconstruction_of_a_chiral_molecule_is_not_exact(kind: Any) -> None:
    frame = molvae.load(kind.where, device="cpu").reconstruct([IBUPROFEN, "C/C=C/C(=O)O"])
    for row in frame.itertuples():
        if row.exact:
            assert canonical(row.reconstruction) == canonical(row.smiles)
    if kind.name in SMALL and kind.name != "graph":
        assert frame["exact"].all()


# interpolate


@kinds_of("gaussian", "codes", *CONDITIONAL, "graph", "zinc", "moses")
@pytest.mark.parametrize("method", [None, "linear", "spherical"])
def test_a_path_leads_from_a_chiral_drug_to_a_salt(kind: Any, method: str | None, tmp_path: Path) -> None:
    out = tmp_path / "path.csv"
    ends = (PARACETAMOL, CAFFEINE) if kind.name == "moses" else (IBUPROFEN, ASPIRIN_SODIUM)
    how = () if method is None else ("--method", method)
    works("interpolate", *ends, "-m", kind.where, "--steps", 5, *how, "-o", out, "--grid", tmp_path / "path.svg")
    is_a_path(table(out), ends, blanks=method is not None or kind.name in SMALL)
    assert "<svg" in (tmp_path / "path.svg").read_text()


@kinds_of("gaussian", "graph")
def test_a_bridge_leads_from_a_chiral_drug_to_a_salt(kind: Any, tmp_path: Path) -> None:
    out, ends = tmp_path / "path.csv", (IBUPROFEN, ASPIRIN_SODIUM)
    works("interpolate", *ends, "-m", kind.where, "--steps", 5, "--method", "bridge", "-o", out)
    frame = table(out)
    assert len(frame) == 5
    is_a_path(frame, ends, blanks=False)


def is_a_path(frame: pd.DataFrame, ends: tuple[str, str], *, blanks: bool) -> None:
    """From one end to the other, as they were given."""
    assert len(frame) in (5, 7)  # a bridge begins and ends with the molecules, a line with what is made of them
    assert frame["source"].iloc[[0, -1]].tolist() == ["given", "given"]
    assert frame["fraction"].astype(float).is_monotonic_increasing
    for row, end in ((0, ends[0]), (-1, ends[1])):
        assert frame["smiles"].iloc[row] == Chem.CanonSmiles(end)
    assert all_parse(s for s in frame["smiles"] if s)
    blank = frame["smiles"] == ""
    if blank.any():
        assert blanks
        assert (frame.loc[blank, "source"] == "none").all()


@kinds_of("gaussian", "codes", *CONDITIONAL, "graph")
def test_a_path_holds_only_molecules_that_a_search_would_allow(kind: Any) -> None:
    vae = molvae.load(kind.where, device="cpu")
    frame = vae.interpolate("CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O", "CN1CCC[C@H]1c1cccnc1", steps=15)
    offered = [s for s in frame.loc[frame["source"] == "decoded", "smiles"] if s]
    assert offered
    assert [s for s in offered if not is_sound(s)] == []


PENICILLIN = "CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O"
ROFECOXIB = "CS(=O)(=O)c1ccc(cc1)C1=C(C(=O)OC1)c1ccccc1"


@pytest.mark.parametrize(
    ("start", "end"),
    [(PENICILLIN, ROFECOXIB), ("CS(=O)c1ccccc1", "NS(=O)(=O)c1ccc(Cl)cc1")],
    ids=["penicillin-rofecoxib", "sulfoxide-sulfonamide"],
)
def test_a_path_of_the_shipped_model_holds_molecules_that_a_chemist_would_draw(start: str, end: str) -> None:
    frame = molvae.load("zinc", device="cpu").interpolate(start, end, steps=7)
    path = [cast(Chem.Mol, parsed(s)) for s in frame["smiles"]]
    larger = max(path[0].GetNumHeavyAtoms(), path[-1].GetNumHeavyAtoms())
    assert [s for s in frame["smiles"] if not is_sound(s)] == []
    assert [Chem.MolToSmiles(m) for m in path if m.GetNumHeavyAtoms() > 2 * larger] == []
    for odd in ("[S+]", "[OX2][OX2]"):
        assert [Chem.MolToSmiles(m) for m in path if m.HasSubstructMatch(Chem.MolFromSmarts(odd))] == []


def test_a_great_circle_from_the_origin_of_the_latent_is_a_straight_line(
    kind_of: Callable[[str], Any], tmp_path: Path
) -> None:
    run = kind_of("gaussian").copy_to(tmp_path)
    weights = load_file(run / "model" / "model.safetensors")
    zeroed = [name for name in weights if name.startswith("latent.")]
    assert zeroed
    save_file(
        {name: torch.zeros_like(w) if name in zeroed else w for name, w in weights.items()},
        run / "model" / "model.safetensors",
    )
    vae = molvae.load(run, device="cpu")
    np.testing.assert_array_equal(vae.encode([IBUPROFEN, "CCO"]), 0.0)
    frame = vae.interpolate(IBUPROFEN, "CCO", steps=5, method="spherical")
    assert all_parse(frame["smiles"])


def test_a_path_to_a_molecule_that_cannot_be_encoded_is_one_sentence(kind_of: Callable[[str], Any]) -> None:
    for name in ("gaussian", "codes"):
        refused(call("interpolate", IBUPROFEN, "c1ccc(", "-m", kind_of(name).where), "does not parse")
        refused(call("interpolate", "", "CCO", "-m", kind_of(name).where), "blank")


def test_a_path_to_a_molecule_too_long_for_the_slots_is_one_sentence(kind_of: Callable[[str], Any]) -> None:
    refused(call("interpolate", PARACETAMOL, PEPTIDE, "-m", kind_of("codes").where), "cannot encode")
    refused(call("neighbors", PEPTIDE, "-m", kind_of("codes").where), "cannot encode")


# neighbors


@kinds_of("gaussian", "codes", *CONDITIONAL, "graph", "zinc", "moses")
@pytest.mark.parametrize("start", [IBUPROFEN, ASPIRIN_SODIUM], ids=["chiral-drug", "salt"])
def test_walks_around_a_molecule_have_no_blanks_and_say_how_much_is_new(kind: Any, start: str, tmp_path: Path) -> None:
    if kind.name == "moses":  # whose data have neither
        start = PARACETAMOL if start == IBUPROFEN else CAFFEINE
    out = tmp_path / "n.csv"
    result = works("neighbors", start, "-m", kind.where, "--walks", 3, "--steps", 4, "--reach", 3, "--seed", 0,
                   "-o", out, "--grid", tmp_path / "n.svg")  # fmt: skip
    frame = table(out)
    assert frame.groupby("walk").size().tolist() == [4, 4, 4]
    assert (frame["smiles"] != "").all(), f"{(frame['smiles'] == '').sum()} of {len(frame)} rows are blank"
    assert all_parse(frame["smiles"])
    first = frame.groupby("walk")["smiles"].first()
    assert first.nunique() == 1
    new = frame.loc[frame["smiles"] != first.iloc[0], "smiles"].nunique()
    assert re.search(rf"\b{new}\b", result.stderr), f"{new} new molecules; said: {result.stderr!r}"
    assert new > 0
    assert "<svg" in (tmp_path / "n.svg").read_text()


def test_walks_of_the_default_model_around_drugs_find_more_new_molecules_than_copies() -> None:
    vae = molvae.load("zinc", device="cpu")
    new = total = 0
    for drug in (PARACETAMOL, "CC(C)NCC(O)COc1cccc2ccccc12", CAFFEINE, IBUPROFEN):
        frame = vae.neighbors(drug, walks=2, steps=5, seed=0)
        start = frame["smiles"].iloc[0]
        total += len(frame[frame["distance"] > 0])
        new += frame.loc[(frame["smiles"] != "") & (frame["smiles"] != start), "smiles"].nunique()
    assert new > total / 2, f"{new} new molecules on {total} steps"


def test_walks_from_what_cannot_be_encoded_are_one_sentence(kind_of: Callable[[str], Any]) -> None:
    for name in ("gaussian", "codes"):
        refused(call("neighbors", "c1ccc(", "-m", kind_of(name).where), "does not parse")
        refused(call("neighbors", "", "-m", kind_of(name).where), "blank")


# optimize


def scored(out: Path) -> pd.DataFrame:
    frame = pd.read_csv(out)
    assert all_parse(frame["smiles"])
    assert frame["smiles"].is_unique
    assert frame["score"].is_monotonic_decreasing
    return frame


@kinds_of(*SMALL, "zinc")
@pytest.mark.parametrize("method", ["tanimoto-bo", "evolution", "cmaes", "bo", "gradient", "screen", "random"])
def test_every_method_makes_the_calls_it_is_allowed(kind: Any, method: str, objective: Path, tmp_path: Path) -> None:
    if method == "bo" and kind.name not in ("gaussian", "codes", "conditional_flow"):
        pytest.skip("slow; three kinds are enough")
    if method in ("bo", "cmaes"):
        pytest.importorskip({"bo": "botorch", "cmaes": "cma"}[method])
    out = tmp_path / "o.csv"
    result = call("optimize", "-m", kind.where, "--objective", objective, "--method", method, "--calls", 20,
                  "--batch", 10, "--seed", 0, "--device", "cpu", "-o", out)  # fmt: skip
    if method == "gradient" and kind.name in WITH_CODES:
        refused(result, "continuous latent")
        assert not out.exists()
        return
    assert result.exit_code == 0, f"{result.exception!r}\n{result.stderr[-1500:]}"
    n = len(scored(out))
    assert n == 20 or (method in ("screen", "random") and kind.name in SMALL and n > 15)  # a small prior runs dry
    assert f"{n} of 20" in result.stderr


@kinds_of(*SMALL, "zinc", "moses")
@pytest.mark.parametrize("start", [IBUPROFEN, ASPIRIN_SODIUM], ids=["chiral-drug", "salt"])
@pytest.mark.parametrize("how", ["start", "similar-to"])
def test_a_search_around_a_drug_makes_all_its_calls(kind: Any, start: str, how: str, tmp_path: Path) -> None:
    searches_around(kind, start, how, tmp_path / "o.csv")


@kinds_of("gaussian", "codes", "graph", "zinc")
def test_a_search_around_a_hydrochloride_makes_all_its_calls(kind: Any, tmp_path: Path) -> None:
    searches_around(kind, SERTRALINE_HYDROCHLORIDE, "start", tmp_path / "o.csv")


def searches_around(kind: Any, start: str, how: str, out: Path) -> None:
    given = ("--start", start) if how == "start" else ("--similar-to", start, "--min-similarity", 0.1)
    result = call("optimize", "-m", kind.where, "--task", "qed", "--calls", 12, "--batch", 6, "--sound", *given,
                  "--device", "cpu", "-o", out)  # fmt: skip
    if kind.name == "moses" and isinstance(result.exception, SystemExit):  # its data have no stereo
        refused(result, "can encode none of the start molecules")
        return
    assert result.exit_code == 0, f"{result.exception!r}\n{result.stderr[-1500:]}"
    frame = scored(out)
    assert len(frame) == 12, result.stderr
    assert "12 of 12" in result.stderr
    assert "start" in frame["origin"].tolist()
    assert all(is_sound(s) for s in frame["smiles"])


@kinds_of("gaussian", "codes")
def test_what_the_constraints_refused_is_counted(kind: Any, tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    how = ("--similar-to", "CC(=O)Oc1ccccc1C(=O)O", "--min-similarity", 0.95, "--method", "evolution")
    result = call("optimize", "-m", kind.where, "--task", "qed", "--calls", 12, "--batch", 6, *how, "-o", out)
    frame = scored(out)
    assert result.exit_code == (1 if len(frame) == 1 else 0)  # nothing but the start is no success
    assert len(frame) < 12  # hardly any molecule is so similar
    assert f"{len(frame)} of 12" in result.stderr
    assert re.search(r"not scored, similarity below 0.95\D*[1-9]", result.stderr), result.stderr


@kinds_of("gaussian", "codes", *CONDITIONAL, "graph")
@pytest.mark.parametrize("method", ["tanimoto-bo", "evolution"])
def test_a_search_may_tune_its_copy_of_the_model(kind: Any, method: str, tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    result = call("optimize", "-m", kind.where, "--task", "qed", "--method", method, "--finetune", "--calls", 12,
                  "--batch", 6, "--device", "cpu", "-o", out)  # fmt: skip
    if kind.name == "graph":
        refused(result, "graphs")
        return
    assert result.exit_code == 0, f"{result.exception!r}\n{result.stderr[-1500:]}"
    assert len(scored(out)) == 12


@kinds_of("gaussian", "codes")
def test_tuning_within_a_search_changes_the_weights_of_the_encoder(kind: Any) -> None:
    """The optimizer's parameters begin as the checkpoint's weights; the encoder's must not end as they began."""
    weights = {n: w for n, w in load_file(kind.run / "model" / "model.safetensors").items() if n.startswith("encoder.")}
    tuned: dict[str, torch.Tensor] = {}

    def remember(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if tuned:
            return
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for name, weight in weights.items():
            same = [p for p in parameters if p.shape == weight.shape and torch.equal(p.detach(), weight)]
            tuned.update(zip([name], same, strict=False))

    vae = molvae.load(kind.run, device="cpu")
    zinc = pd.read_csv(Path(__file__).parents[2] / "data" / "zinc_sample.csv.gz", nrows=900)["smiles"]
    usable = [s for s, r in zip(zinc, vae.encode_rows(zinc.tolist()).reasons, strict=True) if r is None][:505]
    assert len(usable) == 505
    hook = register_optimizer_step_pre_hook(remember)
    try:
        vae.optimize(
            lambda smiles: [float(len(s)) for s in smiles],
            method="evolution",
            n_calls=506,
            start=usable,
            finetune=True,
            batch_size=505,
            seed=0,
        )
    finally:
        hook.remove()
    assert set(tuned) == set(weights)
    changed = [name for name, p in tuned.items() if not torch.equal(p.detach(), weights[name])]
    assert len(changed) > len(weights) / 2, f"of {len(weights)} only {changed} changed"


@kinds_of(*CONDITIONAL)
def test_a_search_asks_the_prior_of_a_conditional_model_with_a_condition(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one a conditional prior runs in a state that it never saw in training."""
    vae = molvae.load(kind.where, device="cpu")
    prior, given = vae.default_prior, []
    sample = prior.sample_target

    def spy(n: int, *, condition: torch.Tensor | None = None, **how: Any) -> torch.Tensor:
        given.append(condition)
        return sample(n, condition=condition, **how)

    monkeypatch.setattr(prior, "sample_target", spy)
    frame = vae.optimize(lambda smiles: [float(len(s)) for s in smiles], method="random", n_calls=5, batch_size=5)
    assert len(frame) == 5
    assert given
    assert all(condition is not None for condition in given)


@pytest.mark.parametrize("missing", ["nan", "none"])
def test_scores_below_zero_are_not_hidden_by_missing_ones(
    missing: str, kind_of: Callable[[str], Any], tmp_path: Path
) -> None:
    script, program = tmp_path / "dock.py", tmp_path / "o.yaml"
    fails = "'nan'" if missing == "nan" else "-len(line)"
    script.write_text(
        f"import sys\nfor i, line in enumerate(sys.stdin):\n    print({fails} if i % 3 == 2 else -len(line))\n"
    )
    program.write_text(f"mean: arithmetic\nscores: [{{kind: program, command: '{sys.executable} {script}'}}]\n")
    result = works("optimize", "-m", kind_of("gaussian").where, "--objective", program, "--calls", 12, "--batch", 12,
                   "--method", "random", "-o", tmp_path / "o.csv")  # fmt: skip
    scores = pd.read_csv(tmp_path / "o.csv")["score"]
    assert scores.max() < 0
    best, ten = (re.search(rf"{name}\D*?(-?\d+\.\d+)", result.stderr) for name in ("best", "mean of the best 10 "))
    assert best is not None
    assert float(best[1]) == pytest.approx(scores.max(), abs=1e-3)
    assert ten is not None
    assert float(ten[1]) == pytest.approx(scores.dropna().nlargest(10).mean(), abs=1e-3)


# evaluate, diagnose, fit-prior, fit-heads, models


@kinds_of("gaussian", "codes", *CONDITIONAL, "graph", "zinc", "qsar")
def test_a_model_is_evaluated_beside_small_references(kind: Any, library: Path, tmp_path: Path) -> None:
    out, test = tmp_path / "e.json", tmp_path / "test.csv"
    pd.read_csv(library).iloc[20:44].to_csv(test, index=False)
    works("evaluate", kind.where, "--test", test, "--train", library, "-n", 12, "--seeds", "0,1", "--no-fcd",
          "--no-cache", "--jobs", 1, "--device", "cpu", "-o", out)  # fmt: skip
    tables = json.loads(out.read_text())
    assert len(tables) == 2
    for values in tables.values():
        flat = json.dumps(values)
        for name in ("valid", "Novelty", "encodable", "exact", "Tanimoto", "active units", "nelbo"):
            assert name.lower() in flat.lower(), name


@kinds
def test_the_geometry_of_every_latent_is_measured(kind: Any, library: Path, tmp_path: Path) -> None:
    out = tmp_path / "g.json"
    result = works("diagnose", kind.where, library, "-n", 50, "--descriptors", "logp,mw,qed", "--jobs", 1, "--device",
                   "cpu", "-o", out, "--map", tmp_path / "map.png", "--page", tmp_path / "map.html")  # fmt: skip
    found = json.loads(out.read_text())
    assert found["n_molecules"] + found["n_unusable"] == 50
    assert 0 < found["active_units"] <= found["latent_units"]
    assert set(found["probe_r2"]) == {"logp", "mw", "qed"}
    assert -1 <= found["tanimoto_correlation"] <= 1
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "left out" in result.stderr


@small_kinds
@pytest.mark.parametrize("prior", ["autoregressive", "flow"])
def test_a_prior_is_fitted_to_a_finished_model(kind: Any, prior: str, tmp_path: Path) -> None:
    run = kind.copy_to(tmp_path)
    how = ("fit-prior", "-m", run, "--data", kind.data, "--kind", prior, "--max-time", "00:00:01", "--device", "cpu")
    if prior == "flow" and kind.name in WITH_CODES:
        refused(call(*how), "continuous latent")
        return
    assert "learned prior" in works(*how).stderr
    result = works("sample", "-m", run, "-n", 3, "--prior", "learned", "--seed", 0, "-o", tmp_path / "s.csv", "-q")
    assert result.output == ""
    assert all_parse(table(tmp_path / "s.csv")["smiles"])
    if kind.name in CONDITIONAL:
        works("sample", "-m", run, "-n", 3, "--condition", "mw=200", "--seed", 0, "-q")


@small_kinds
def test_heads_are_fitted_to_a_finished_model(kind: Any, tmp_path: Path) -> None:
    run = kind.copy_to(tmp_path)
    z = molvae.load(run, device="cpu").encode([IBUPROFEN])
    how = ("fit-heads", "-m", run, "--data", kind.data, "--max-time", "00:00:01", "--device", "cpu")
    assert "logp" in works(*how).stderr
    vae = molvae.load(run, device="cpu")
    np.testing.assert_array_equal(vae.encode([IBUPROFEN]), z)
    frame = vae.properties([IBUPROFEN, "CCO"])
    assert set(frame.columns) >= {"logp", "qed", "mw"}
    assert np.isfinite(frame.to_numpy()).all()


@kinds_of(*CONDITIONAL)
def test_heads_without_what_a_model_is_asked_for_leave_a_model_that_works_or_are_refused(
    kind: Any, tmp_path: Path
) -> None:
    run = kind.copy_to(tmp_path)
    result = call("fit-heads", "-m", run, "--data", kind.data, "--property", "qed", "--max-time", "00:00:01")
    assert result.exit_code == 0 or isinstance(result.exception, SystemExit), repr(result.exception)
    works("sample", "-m", run, "-n", 2, "--condition", "mw=200", "--seed", 0, "-q")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_models_that_ship_are_listed_with_cards(name: str) -> None:
    assert name in works("models").stdout
    assert len(works("models", name).stdout) > 500
    refused(call("models", "chembl"), "no shipped model is called 'chembl'")


# the Python doors

COLUMN: dict[str, Callable[[], Any]] = {
    "list with None": lambda: ["CCO", None, "CO"],
    "list with nan": lambda: ["CCO", float("nan"), "CO"],
    "list with pd.NA": lambda: ["CCO", pd.NA, "CO"],
    "tuple": lambda: ("CCO", None, "CO"),
    "Series": lambda: pd.Series(["CCO", np.nan, "CO"], index=[7, 8, 9]),
    "string Series": lambda: pd.Series(["CCO", None, "CO"], dtype="string"),
    "array": lambda: np.array(["CCO", None, "CO"], dtype=object),
    "one column of a table": lambda: pd.DataFrame({"smiles": ["CCO", np.nan, "CO"]}),
    "RDKit molecules": lambda: [Chem.MolFromSmiles("CCO"), None, Chem.MolFromSmiles("CO")],
    "blank": lambda: ["CCO", "  ", "CO"],
}


def finite_rows(values: Any) -> list[bool]:
    if isinstance(values, pd.DataFrame):
        if "standardized" in values.columns:  # a reconstruction
            return (values["standardized"] != "").tolist()
        values = values.to_numpy(dtype=float)
    elif hasattr(values, "reasons"):
        return [reason is None for reason in values.reasons]
    values = np.asarray(values, dtype=float)
    return np.isfinite(values.reshape(len(values), -1)).all(1).tolist()


DOORS: dict[str, Callable[[Any, Any], Any]] = {
    "encode": lambda vae, smiles: vae.encode(smiles),
    "encode_rows": lambda vae, smiles: vae.encode_rows(smiles),
    "reconstruct": lambda vae, smiles: vae.reconstruct(smiles),
    "properties": lambda vae, smiles: vae.properties(smiles),
    "negative_elbo": lambda vae, smiles: vae.negative_elbo(smiles),
    "novelty_score": lambda vae, smiles: vae.novelty_score(smiles),
}


@kinds_of("gaussian", "codes", "graph")
@pytest.mark.parametrize("column", COLUMN)
@pytest.mark.parametrize("door", DOORS)
def test_every_door_takes_a_column_of_molecules_with_a_hole(kind: Any, column: str, door: str) -> None:
    vae = molvae.load(kind.where, device="cpu")
    found = DOORS[door](vae, COLUMN[column]())
    assert finite_rows(found) == [True, False, True]
    np.testing.assert_array_equal(vae.encode(COLUMN[column]()), vae.encode(["CCO", None, "CO"]))


@kinds_of("gaussian", "codes")
@pytest.mark.parametrize("column", COLUMN)
def test_what_the_featurizer_takes_encode_takes_with_the_same_numbers(kind: Any, column: str) -> None:
    with pytest.warns(UserWarning, match="1 of 3 molecules"):
        features = LatentFeaturizer(kind.where, features="mean", invalid="nan").transform(COLUMN[column]())
    z = molvae.load(kind.where, device="cpu").encode(COLUMN[column]())
    np.testing.assert_allclose(z, np.asarray(features), atol=1e-5)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("single", ["CCO", Chem.MolFromSmiles("CCO")], ids=["string", "molecule"])
def test_one_molecule_in_place_of_a_list_is_refused_in_one_sentence(
    door: str, single: Any, kind_of: Callable[[str], Any]
) -> None:
    vae = molvae.load(kind_of("gaussian").where, device="cpu")
    with pytest.raises(ValueError, match=r"got a single (str|Mol)"):  # an InputError is one
        DOORS[door](vae, single)


def test_a_search_from_one_string_in_place_of_a_list_starts_there_or_is_refused(kind_of: Callable[[str], Any]) -> None:
    vae = molvae.load(kind_of("gaussian").where, device="cpu")
    with pytest.raises(ValueError, match="got a single str"):
        vae.optimize(lambda smiles: [1.0] * len(smiles), n_calls=3, start="CCO", method="random")


@pytest.mark.parametrize("column", ["list with nan", "Series", "RDKit molecules", "array", "list with pd.NA"])
def test_a_search_starts_from_the_molecules_of_a_column_with_a_hole(column: str, kind_of: Callable[[str], Any]) -> None:
    vae = molvae.load(kind_of("gaussian").where, device="cpu")
    frame = vae.optimize(
        lambda smiles: [float(len(s)) for s in smiles], n_calls=6, batch_size=3, start=COLUMN[column](), method="random"
    )
    assert set(frame.loc[frame["origin"] == "start", "smiles"]) == {"CCO", "CO"}


@kinds_of("gaussian", "codes", "graph", "zinc", "qsar")
def test_atom_maps_are_notes_and_not_chemistry(kind: Any, tmp_path: Path) -> None:
    source = tmp_path / "amap.smi"
    source.write_text("[CH3:1][CH2:2][OH:3]\nCCO\n[CH3:4][CH2:9][OH:7]\nCCN\n")
    works("encode", source, "-m", kind.where, "--jobs", 1, "-o", tmp_path / "z.csv", "-q")
    frame = table(tmp_path / "z.csv")
    assert frame["reason"].tolist() == [""] * 4
    z = numbers(frame, 4)
    np.testing.assert_array_equal(z[[0, 2]], z[[1, 1]])


@pytest.mark.parametrize("notation", ["selfies", "smiles"])
def test_molecules_that_differ_in_atom_maps_alone_are_duplicates(notation: str, tmp_path: Path) -> None:
    source = tmp_path / "amap.smi"
    source.write_text("[CH3:1][CH2:2][OH:3]\nCCO\n[CH3:4][CH2:9][OH:7]\nCCN\n")
    how = ("--fragments", 0, "--notation", notation, "--jobs", 1, "-q")
    works("data", "prepare", source, "-o", tmp_path / "p", *how)
    meta = json.loads((tmp_path / "p" / "meta.json").read_text())
    assert meta["rows"]["kept"] == 2
    assert meta["rows"]["rejected"] == {"duplicate": 2}


@kinds_of("gaussian", *WITH_PRIOR, "zinc")
def test_a_prior_can_score_its_own_samples(kind: Any) -> None:
    vae = molvae.load(kind.where, device="cpu")
    prior: Any = vae.default_prior
    condition = vae.model.embed_condition(5)
    density = prior.log_prob(prior.sample_target(5, condition=condition), condition=condition)
    assert density.shape == (5,)
    assert torch.isfinite(density).all()


@kinds_of(*SMALL, "zinc", "moses", "qsar")
def test_novelty_is_scored_in_the_order_of_the_rows(kind: Any) -> None:
    vae = molvae.load(kind.where, device="cpu")
    values = vae.novelty_score(["CC(=O)Nc1ccc(O)cc1", None, "c1ccc(", "CCOC(=O)c1ccc(N)cc1"])
    assert np.isfinite(values).tolist() == [True, False, False, True]
    assert ((values[[0, 3]] >= 0) & (values[[0, 3]] <= 100)).all()


# devices

DEVICES: dict[str, Callable[[Any, Path, Path], Sequence[object]]] = {
    "train": lambda kind, rows, out: ("train", "-c", kind.experiment, "-o", out / "run"),
    "fit-prior": lambda kind, rows, out: ("fit-prior", "-m", kind.where, "--data", kind.data, "--max-time", "00:00:01"),
    "fit-heads": lambda kind, rows, out: ("fit-heads", "-m", kind.where, "--data", kind.data, "--max-time", "00:00:01"),
    "sample": lambda kind, rows, out: ("sample", "-m", kind.where, "-n", 2),
    "encode": lambda kind, rows, out: ("encode", rows, "-m", kind.where, "--jobs", 1),
    "reconstruct": lambda kind, rows, out: ("reconstruct", rows, "-m", kind.where),
    "interpolate": lambda kind, rows, out: ("interpolate", "CCO", "CO", "-m", kind.where),
    "neighbors": lambda kind, rows, out: ("neighbors", "CCO", "-m", kind.where),
    "optimize": lambda kind, rows, out: (
        *("optimize", "-m", kind.where, "--task", "qed", "--calls", 2, "-o", out / "o.csv"),
    ),
    "diagnose": lambda kind, rows, out: ("diagnose", kind.where, rows, "--jobs", 1),
    "evaluate": lambda kind, rows, out: (
        *("evaluate", kind.where, "--test", rows, "-n", 2, "--no-fcd", "--no-cache", "--jobs", 1),
    ),
    "finetune": lambda kind, rows, out: ("finetune", kind.where, rows, "-o", out / "mine", "--max-time", "00:00:01"),
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a GPU")
@pytest.mark.parametrize("command", DEVICES)
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_every_command_says_the_same_of_a_gpu_that_is_not_there(
    command: str, device: str, kind_of: Callable[[str], Any], rows: Path, tmp_path: Path
) -> None:
    arguments = DEVICES[command](kind_of("gaussian"), rows, tmp_path)
    refused(call(*arguments, "--device", device), f"device {device!r} asked for, but torch sees no GPU")


@pytest.mark.parametrize("command", DEVICES)
def test_every_command_says_the_same_of_a_device_that_does_not_exist(
    command: str, kind_of: Callable[[str], Any], rows: Path, tmp_path: Path
) -> None:
    arguments = DEVICES[command](kind_of("gaussian"), rows, tmp_path)
    refused(call(*arguments, "--device", "gpu"), "unknown device 'gpu'; expected auto, cpu, cuda or cuda:N")
