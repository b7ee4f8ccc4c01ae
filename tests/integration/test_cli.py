"""Every command through click's runner: what it writes, where, and how it fails."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from click.testing import CliRunner, Result

import molvae
from molvae.checkpoint import load_checkpoint
from molvae.chem.parse import parse_smiles
from molvae.cli import COMMANDS, SUMMARIES, main
from molvae.config import dump_config
from molvae.data.prepared import PreparedData
from molvae.files import write_json
from molvae.training.config import ExperimentConfig
from molvae.training.fit import train


def call(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], input=stdin)


def fails(result: Result, message: str, code: int = 1) -> None:
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_help_lists_every_command_without_importing_any() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert list(COMMANDS) == list(SUMMARIES)
    for name in COMMANDS:
        assert name in result.stdout
        assert call(name, "--help").exit_code == 0


def test_from_a_table_to_a_model_to_molecules(table: Path, tmp_path: Path) -> None:
    config = tmp_path / "e.yaml"
    config.write_text(
        f"data: {{inputs: [{table}], prepare: {{fragments: 30, split: column, n_jobs: 1}}}}\n"
        "model: {encoder: {hidden_dim: 16}, latent: {latent_dim: 4}, decoder: {hidden_dim: 16}}\n"
        "training: {max_steps: 2, batch_size: 4, precision: 32-true}\n"
    )
    out = tmp_path / "run"
    result = call("train", "-c", config, "-o", out, "--set", "model.latent.latent_dim=6")
    assert result.exit_code == 0, result.output
    assert "active units" in result.stderr
    assert json.loads((out / "model" / "config.json").read_text())["model"]["latent"]["latent_dim"] == 6
    fails(call("train", "-c", config, "-o", out), "holds a run already")
    again = call("train", "--resume", "-o", out, "--set", "training.max_steps=3")
    assert again.exit_code == 0, again.output
    sampled = call("sample", "-m", out, "-n", 12, "-o", tmp_path / "s.csv", "--grid", tmp_path / "s.svg", "--seed", 0)
    assert sampled.exit_code == 0, sampled.output
    assert "exact reconstruction" in sampled.stderr
    frame = pd.read_csv(tmp_path / "s.csv")
    assert list(frame.columns) == ["smiles", "qed", "logp", "sa"]
    assert len(frame) == 12
    assert "<svg" in (tmp_path / "s.svg").read_text()


def test_prepare_accounts_for_rows_and_stats_repeats_it(tmp_path: Path) -> None:
    result = call(
        "data", "prepare", "-", "-o", tmp_path / "p", "--fragments", 0, "--jobs", 1, stdin="CCO a\nxx b\nOCC\n"
    )
    assert result.exit_code == 0, result.output
    assert PreparedData.open(tmp_path / "p").meta["rows"]["rejected"] == {"unparsable": 1, "duplicate": 1}
    stats = call("data", "stats", tmp_path / "p")
    assert "rejected: duplicate" in stats.stdout


def of_its_own(prepared: PreparedData, experiment: ExperimentConfig, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the prepared folder that a test may change, and an experiment on it."""
    folder, config = tmp_path / "p", tmp_path / "e.yaml"
    shutil.copytree(prepared.path, folder)
    config.write_text(dump_config(experiment).replace(str(prepared.path), str(folder)))
    return folder, config


def test_randomized_smiles_are_added_in_place_and_training_reads_them(
    prepared: PreparedData, experiment: ExperimentConfig, tmp_path: Path
) -> None:
    folder, config = of_its_own(prepared, experiment, tmp_path)
    train = ("train", "-c", config, "--set", "training.randomized_smiles=true", "--set", "training.max_steps=1")
    fails(call(*train, "-o", tmp_path / "none"), f"add them with `molvae data randomize {folder}`")
    result = call("data", "randomize", folder, "-n", 2, "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert "randomized SMILES per molecule" in result.stderr
    assert "randomized SMILES per molecule" in call("data", "stats", folder).stdout
    result = call(*train, "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output
    fails(call("data", "randomize", folder, "-n", 999), "at most 255", code=2)


def test_fingerprint_adds_bits_in_place_and_training_compares_them(
    prepared: PreparedData, experiment: ExperimentConfig, tmp_path: Path
) -> None:
    folder, config = of_its_own(prepared, experiment, tmp_path)
    weights = ("--set", "training.tanimoto_weight=5", "--set", "training.fingerprint_weight=1")
    train = ("train", "-c", config, *weights, "--set", "training.max_steps=2")
    fails(call(*train, "-o", tmp_path / "none"), f"add them with `molvae data fingerprint {folder}`")
    result = call("data", "fingerprint", folder, "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert "bits per fingerprint" in call("data", "stats", folder).stdout
    result = call(*train, "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output


def test_another_prepared_folder_replaces_the_inputs_of_a_configuration(prepared: PreparedData, tmp_path: Path) -> None:
    config = tmp_path / "e.yaml"
    config.write_text(
        "data: {inputs: [absent.csv]}\nmodel: {encoder: {hidden_dim: 8}, decoder: {hidden_dim: 8}}\n"
        "training: {max_steps: 1, batch_size: 4, precision: 32-true}\n"
    )
    result = call("train", "-c", config, "--data", prepared.path, "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output


def test_a_folder_prepared_before_an_option_existed_counts_as_prepared_with_its_default(
    prepared: PreparedData, table: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "p"
    shutil.copytree(prepared.path, folder)
    options = {name: value for name, value in prepared.meta["options"].items() if name != "randomized_smiles"}
    write_json(folder / "meta.json", prepared.meta | {"options": options})
    values = {
        "data": {"prepared": str(folder), "inputs": [str(table)], "prepare": options},
        "model": {"encoder": {"hidden_dim": 8}, "decoder": {"hidden_dim": 8}},
        "training": {"max_steps": 1, "batch_size": 4, "precision": "32-true"},
    }
    config = tmp_path / "e.yaml"
    config.write_text(yaml.safe_dump(values))
    result = call("train", "-c", config, "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output
    other = ("--set", "data.prepare.randomized_smiles=2", "-o", tmp_path / "other")
    fails(call("train", "-c", config, *other), "was prepared from other molecules or settings")


@pytest.mark.parametrize("ending", ["csv", "tsv", "smi", "sdf", "parquet", "csv.gz"])
def test_sample_writes_every_format_whole(run: Path, tmp_path: Path, ending: str) -> None:
    from molvae.formats.readers import read_molecules

    path = tmp_path / f"s.{ending}"
    result = call("sample", "-m", run, "-n", 7, "-o", path, "--seed", 1, "-q")
    assert result.exit_code == 0, result.output
    assert result.output == ""
    rows = list(read_molecules(path))
    assert len(rows) == 7
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_sample_draws_png_and_leaves_out_known_molecules(run: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.csv"
    call("sample", "-m", run, "-n", 10, "-o", known, "--seed", 1, "-q")
    result = call(
        "sample", "-m", run, "-n", 5, "--novel-against", known, "--unique", "--seed", 1, "--grid", tmp_path / "g.png"
    )
    assert result.exit_code == 0, result.output
    new = [line.split(",")[0] for line in result.stdout.splitlines()[1:]]
    assert len(set(new)) == 5
    assert not set(new) & set(pd.read_csv(known)["smiles"])
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    assert "known, left out" in result.stderr


def test_sample_without_scores_writes_smiles_alone(run: Path, tmp_path: Path) -> None:
    result = call("sample", "-m", run, "-n", 4, "--no-scores", "--seed", 0, "-o", tmp_path / "new.csv")
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(tmp_path / "new.csv")
    assert list(frame) == ["smiles"]
    assert len(frame) == 4
    assert "QED" not in result.stderr


def test_encode_and_decode_work_on_files_and_pipes(run: Path, tmp_path: Path) -> None:
    molecules = "CCO ethanol\nxx nothing\nc1ccccc1\n"
    piped = call("encode", "-", "-m", run, "-q", stdin=molecules)
    assert piped.exit_code == 0, piped.output
    lines = piped.stdout.splitlines()
    assert lines[0].startswith("row,name,smiles,reason,z0,z1")
    assert lines[2].startswith("2,nothing,xx,unparsable,,")
    back = call("decode", "-", "-m", run, "-q", stdin=piped.stdout)
    assert len(back.stdout.splitlines()) == 4
    assert call("encode", "-", "-m", run, "-o", tmp_path / "z.npy", "-q", stdin=molecules).exit_code == 0
    assert np.load(tmp_path / "z.npy").shape == (3, 8)
    from_npy = call("decode", tmp_path / "z.npy", "-m", run, "-q")
    assert from_npy.stdout == back.stdout
    assert call("encode", "-", "-m", run, "-o", tmp_path / "z.parquet", "-q", stdin=molecules).exit_code == 0
    assert call("decode", tmp_path / "z.parquet", "-m", run, "-q").stdout == back.stdout


def test_encode_streams_chosen_features_in_the_order_of_the_rows(
    run: Path, molecules: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molvae.inference.tokens.CHUNK", 4)
    source = tmp_path / "in.smi"
    source.write_text("\n".join((*molecules, "xx")) + "\n")
    common = ("encode", source, "-m", run, "--features", "heads+hidden", "--randomized-smiles", 2, "--seed", 1)
    result = call(*common, "-o", tmp_path / "f.csv", "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert f"{len(molecules)} of {len(molecules) + 1} molecules encoded" in result.stderr
    assert "unparsable: 1" in result.stderr
    frame = pd.read_csv(tmp_path / "f.csv")
    assert list(frame["smiles"]) == [*molecules, "xx"]
    assert list(frame.columns[4:6]) == ["predicted_logp", "predicted_qed"]
    assert frame.columns[-1] == "h31"
    assert call(*common, "-o", tmp_path / "f.npy", "--jobs", 2, "-q").output == ""
    values = np.load(tmp_path / "f.npy")
    np.testing.assert_allclose(values, frame.iloc[:, 4:], atol=1e-4)
    assert np.isnan(values[-1]).all()
    fails(call("encode", source, "-m", run, "--features", "codes"), "the model's latent has no features 'codes'")


def test_reconstruct_works_on_files_and_prepared_folders(run: Path, prepared: PreparedData, table: Path) -> None:
    result = call("reconstruct", table, "-m", run)
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 21
    assert "20 of 20 molecules encoded" in result.stderr
    assert "exact: 0.00 % (0 of 20 encoded)" in result.stderr
    assert "decoded to a molecule)" in result.stderr
    of_split = call("reconstruct", prepared.path, "-m", run, "--split", "test")
    assert len(of_split.stdout.splitlines()) == 5


def test_interpolate_gives_a_path_and_a_picture(run: Path, tmp_path: Path) -> None:
    result = call("interpolate", "CCO", "c1ccccc1", "-m", run, "--steps", 4, "--method", "spherical", "-q",
                  "--grid", tmp_path / "path.svg")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 5
    assert (tmp_path / "path.svg").is_file()


@pytest.mark.parametrize("command", ["encode", "reconstruct"])
def test_a_row_that_cannot_be_read_says_where_that_failed(command: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('inchi\nInChI=1S/nonsense\n"InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"\nCC C\n')
    result = call(command, tmp_path / "a.csv", "-m", run, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    reasons = list(pd.read_csv(tmp_path / "out.csv", keep_default_na=False)["reason"])
    assert reasons == ["unreadable_inchi", "", "text_after_smiles"]
    for reason in ("unreadable_inchi: 1", "text_after_smiles: 1", "1 of 3 molecules encoded"):
        assert reason in result.stderr


@pytest.mark.parametrize("command", ["sample", "encode", "decode", "reconstruct"])
def test_every_command_needs_a_model_that_is_there(command: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("smiles,z0\nCCO,1\n")
    arguments = [] if command == "sample" else [tmp_path / "x.csv"]
    fails(call(command, *arguments, "-m", tmp_path / "none"), "is not a molvae checkpoint: no such directory")


def test_bad_input_is_one_sentence_and_leaves_nothing(run: Path, checkpoint: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "empty.csv").write_text("")
    (work / "columns.csv").write_text("a,b\n1,2\n")
    (work / "odd.csv").write_text("smiles\nCCO\nCP\n")
    (work / "locked.csv").write_text("smiles\nCCO\n")
    (work / "e.yaml").write_text("data: {prepared: x}\ntraining: {max_steps: 1, batchsize: 3}\n")
    before = sorted(p.name for p in work.iterdir())
    out = work / "out"
    fails(call("data", "prepare", work / "none.csv", "-o", out), "No such file")
    fails(call("data", "prepare", work / "empty.csv", "-o", out), "holds no molecules")
    fails(call("data", "prepare", work / "columns.csv", "-o", out), "has no column called smiles")
    fails(
        call("data", "prepare", work / "odd.csv", "-o", out, "--vocabulary", run / "model" / "vocabulary.json"),
        "[P] (1×)",
    )
    fails(call("data", "prepare", work / "odd.csv", "-o", out, "--descriptors", "clogp"), "unknown descriptor 'clogp'")
    fails(call("data", "download", "chembl", "-o", out), "unknown data set 'chembl'")
    fails(call("train", "-c", work / "e.yaml", "-o", out), "unknown key 'training.batchsize'")
    fails(call("train", "-c", work / "none.yaml", "-o", out), "cannot read the configuration")
    fails(call("train", "-o", out), "give INPUT, --data, --recipe or --config", code=2)
    fails(call("sample", "-m", run, "-o", work / "s.xyz"), "unknown ending")
    fails(call("sample", "-m", run, "--grid", work / "s.pdf"), ".svg or .png")
    fails(call("sample", "-m", run, "--temperature", -1), "temperature", code=2)
    fails(call("interpolate", "xx", "CCO", "-m", run), "'xx' does not parse")
    (checkpoint / "model.safetensors").write_bytes(b"123")
    fails(call("sample", "-m", checkpoint, "-o", work / "s.csv"), "truncated or damaged")
    assert sorted(p.name for p in work.iterdir()) == before
    if os.geteuid() != 0:  # root reads everything
        (work / "locked.csv").chmod(0)
        fails(call("data", "prepare", work / "locked.csv", "-o", out), "Permission denied")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = call("--debug", "sample", "-m", tmp_path / "none")
    assert result.exit_code == 1
    assert result.exception is not None
    assert type(result.exception).__name__ == "CheckpointError"


def test_grid_pictures_hold_molecules_that_parse() -> None:
    from molvae.errors import InputFileError
    from molvae.report.grid import draw_grid

    assert parse_smiles("CCO") is not None
    with pytest.raises(InputFileError, match="none of 1 molecules parses"):
        draw_grid(["xx"], "x.svg")


def test_fit_prior_takes_an_experiment_s_second_stage_and_refuses_one_without(
    experiment: ExperimentConfig, prepared: PreparedData, tmp_path: Path
) -> None:
    train(experiment, prepared, tmp_path / "run", device="cpu")
    model = {"kind": "autoregressive", "hidden_dim": 8, "n_layers": 1, "slot_dim": 2}
    prior = {"fit": "two-stage", "model": model, "max_epochs": 2, "precision": "bf16-mixed"}
    config = tmp_path / "experiment.yaml"
    config.write_text(dump_config(ExperimentConfig.model_validate(experiment.model_dump() | {"prior": prior})))
    common = ["fit-prior", "-m", tmp_path / "run", "--data", prepared.path, "--config"]
    assert call(*common, config, "--molecules", 5).exit_code == 0
    report = molvae.load(str(tmp_path / "run"), device="cpu").diagnostics["prior"]
    assert (report["molecules"], report["epochs"]) == (5, 2)
    before = load_checkpoint(tmp_path / "run").prior
    config.write_text(config.read_text().replace("learning_rate: 0.001", "learning_rate: 1.0e-12"))
    assert call(*common, config, "--init-from", tmp_path / "run").exit_code == 0
    after = load_checkpoint(tmp_path / "run").prior
    assert before is not None
    assert after is not None
    for mine, theirs in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert call(*common, config).exit_code == 0
    anew = load_checkpoint(tmp_path / "run").prior
    assert anew is not None
    assert not torch.equal(next(anew.parameters()), next(after.parameters()))
    config.write_text(config.read_text().replace("hidden_dim: 8", "hidden_dim: 16"))
    fails(call(*common, config, "--init-from", tmp_path / "run"), "no prior with the settings of the one to fit")
    config.write_text(dump_config(experiment))
    fails(call(*common, config), "asks for no prior that is fitted afterwards")
