"""The scikit-learn transformer: its values against the generator's, scikit-learn's rules, odd input."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_checks

import molvae
from molvae.checkpoint import save_checkpoint
from molvae.chem.inputs import as_molecules
from molvae.data.prepared import PreparedData
from molvae.errors import CheckpointError, ConfigError, InputError
from molvae.featurizer import InvalidMoleculeWarning, LatentFeaturizer, open_model
from molvae.generator import MoleculeGenerator
from molvae.nn.build import ModelConfig, build_model

TINY = Path(__file__).parents[1] / "golden" / "tiny"


@pytest.fixture
def featurizer() -> LatentFeaturizer:
    return LatentFeaturizer(str(TINY), features="mean")


@pytest.fixture(scope="module")
def vae() -> MoleculeGenerator:
    return molvae.load(TINY, device="cpu")


def checkpoint_of(config: dict, prepared: PreparedData, path: Path) -> str:
    torch.manual_seed(0)
    parts = {"decoder": {"token_dim": 8, "hidden_dim": 8}} | config
    model_config = ModelConfig.model_validate(parts)
    model = build_model(model_config, vocabulary_size=len(prepared.vocabulary), property_names=["logp", "mw"])
    save_checkpoint(path, model, config=model_config, vocabulary=prepared.vocabulary, max_length=20)
    return str(path)


@pytest.fixture
def vq(prepared: PreparedData, tmp_path: Path) -> str:
    latent = {"kind": "vq", "n_slots": 3, "n_codes": 5, "code_dim": 4}
    return checkpoint_of({"encoder": {"token_dim": 8, "hidden_dim": 8}, "latent": latent}, prepared, tmp_path / "vq")


@pytest.fixture
def fused(prepared: PreparedData, tmp_path: Path) -> str:
    graph = {"kind": "gnn", "hidden_dim": 8, "n_layers": 2, "h_dim": 8}
    encoder = {"kind": "fused", "sequence": {"token_dim": 8, "hidden_dim": 8}, "graph": graph}
    return checkpoint_of({"encoder": encoder, "latent": {"latent_dim": 4}}, prepared, tmp_path / "fused")


def test_mean_is_what_the_generator_encodes(
    featurizer: LatentFeaturizer, vae: MoleculeGenerator, molecules: tuple[str, ...]
) -> None:
    features = featurizer.fit_transform(list(molecules))
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, vae.encode(molecules), atol=1e-5)


def test_kinds_are_joined_in_the_order_asked(vae: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    few = list(molecules[:4])
    joined = LatentFeaturizer(TINY, features="heads+mean+logvar+hidden").fit(few)
    names = list(joined.get_feature_names_out())
    values = joined.transform(few)
    assert names[:3] == ["predicted_logp", "predicted_mw", "z0"]
    assert values.shape == (4, len(names)) == (4, 2 + 8 + 8 + 48)
    np.testing.assert_allclose(values[:, :2], vae.properties(few), rtol=1e-4)
    with torch.no_grad():
        h = torch.from_numpy(values[:, 18:])
        np.testing.assert_allclose(values[:, 10:18], vae.model.latent.features("logvar", h), atol=1e-5)


def test_codes_are_indices_of_the_codebooks(vq: str, molecules: tuple[str, ...]) -> None:
    codes = LatentFeaturizer(vq, features="codes").transform(list(molecules))
    assert codes.shape == (len(molecules), 3)
    assert set(np.unique(codes)) <= set(range(5))


def test_randomized_smiles_are_averaged_and_reproducible(fused: str, molecules: tuple[str, ...]) -> None:
    varied = LatentFeaturizer(fused, randomized_smiles=3, seed=1, features="hidden")
    values = varied.transform(list(molecules))
    np.testing.assert_allclose(values, varied.transform(list(molecules)), atol=1e-6)
    backwards = varied.transform(list(molecules)[::-1])[::-1]
    np.testing.assert_allclose(values, backwards, atol=1e-5)
    assert not np.allclose(values, clone(varied).set_params(seed=2).transform(list(molecules)), atol=1e-3)
    encoder = open_model(fused, "cpu")
    tokenized = varied._encoder().tokenizer.tokenize(molecules[0])
    assert len(tokenized.token_ids) > 1
    with torch.no_grad():
        by_hand = encoder.model.encoder(encoder.batch([tokenized])).mean(0)
    np.testing.assert_allclose(values[0], by_hand, atol=1e-5)
    graph_part = values[:, 16:]  # no order of atoms changes it
    plain = LatentFeaturizer(fused, features="hidden").transform(list(molecules))
    np.testing.assert_allclose(graph_part, plain[:, 16:], atol=1e-5)


def test_an_encoder_of_graphs_alone_reads_one_spelling(
    prepared: PreparedData, tmp_path: Path, molecules: tuple[str, ...]
) -> None:
    encoder = {"kind": "gnn", "hidden_dim": 8, "n_layers": 2, "h_dim": 8}
    path = checkpoint_of({"encoder": encoder, "latent": {"latent_dim": 4}}, prepared, tmp_path / "gnn")
    varied = LatentFeaturizer(path, randomized_smiles=8)
    assert len(varied._encoder().tokenizer.tokenize(molecules[0]).token_ids) == 1
    np.testing.assert_array_equal(varied.transform(list(molecules)), LatentFeaturizer(path).transform(list(molecules)))


def test_a_spelling_outside_the_vocabulary_is_left_out(featurizer: LatentFeaturizer) -> None:
    tokenizer = featurizer.set_params(randomized_smiles=8)._encoder().tokenizer
    for smiles in ("CCO", "c1ccccc1C(=O)NC"):
        found = tokenizer.tokenize(smiles).token_ids
        assert 1 <= len(found) <= 8


def test_rdkit_molecules_and_smiles_give_the_same(featurizer: LatentFeaturizer) -> None:
    texts = ["CCO", "c1ccccc1"]
    mols = [Chem.AddHs(Chem.MolFromSmiles("OCC")), Chem.MolFromSmiles("C1=CC=CC=C1", sanitize=False)]
    np.testing.assert_allclose(featurizer.transform(texts), featurizer.transform(mols), atol=1e-6)
    np.testing.assert_allclose(featurizer.transform(texts), featurizer.transform([texts[0], mols[1]]), atol=1e-6)


def test_salts_are_stripped_as_in_training(featurizer: LatentFeaturizer) -> None:
    np.testing.assert_allclose(featurizer.transform(["CCN.Cl"]), featurizer.transform(["CCN"]), atol=1e-6)


@pytest.mark.parametrize(
    "container",
    [tuple, np.array, pd.Series, lambda x: pd.DataFrame({"smiles": x}), lambda x: np.array(x, dtype=object)[:, None]],
)
def test_any_container_of_one_column_is_read(featurizer: LatentFeaturizer, container) -> None:
    texts = ["CCO", "c1ccccc1"]
    np.testing.assert_array_equal(featurizer.transform(container(texts)), featurizer.transform(texts))


def test_invalid_molecules_raise_with_counts_by_default(featurizer: LatentFeaturizer) -> None:
    with pytest.raises(InputError, match=r"3 of 4 molecules .*: 2 unparsable, 1 element \(first: row 1, 'xx'"):
        featurizer.transform(["CCO", "xx", "yy", "C[Pt]"])


def test_invalid_molecules_become_nan_rows_with_a_warning(featurizer: LatentFeaturizer) -> None:
    featurizer.set_params(invalid="nan")
    with pytest.warns(InvalidMoleculeWarning, match="4 of 5 molecules cannot be featurized"):
        values = featurizer.transform(["CCO", None, "[Xe]", np.nan, "C" * 101])
    assert np.isfinite(values[0]).all()
    assert np.isnan(values[1:]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        featurizer.transform(["CCO"])


def test_invalid_molecules_are_dropped_with_the_index_kept(featurizer: LatentFeaturizer) -> None:
    featurizer.set_params(invalid="drop")
    texts = pd.Series(["CCO", "xx", "CC"], index=[7, 8, 9])
    with pytest.warns(InvalidMoleculeWarning):
        assert featurizer.transform(list(texts)).shape == (2, 8)
    with pytest.warns(InvalidMoleculeWarning):
        frame = featurizer.transform(texts)
    assert list(frame.index) == [7, 9]
    with pytest.warns(InvalidMoleculeWarning):
        assert list(featurizer.set_output(transform="pandas").transform(texts).index) == [7, 9]


def test_report_says_what_becomes_of_every_row(featurizer: LatentFeaturizer) -> None:
    report = featurizer.report(["OCC", "CP", "C" * 101, None])
    assert list(report["standardized"]) == ["CCO", "CP", "", ""]
    assert list(report["reason"]) == ["", "unknown_symbol [P]", "too_large", "blank"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"features": "mu"}, "unknown features 'mu'; expected one or more of mean, logvar"),
        ({"features": "mean+mean"}, "expected each kind once"),
        ({"features": None}, "got features None; expected text: one or more of mean"),
        ({"features": 5}, "got features 5; expected text"),
        ({"features": ["mean", "hidden"]}, "expected text"),
        ({"features": "codes"}, "the model's latent has no features 'codes'"),
        ({"invalid": "skip"}, "unknown policy invalid='skip'; expected one of: error, nan, drop"),
        ({"randomized_smiles": -1}, "randomized_smiles -1"),
        ({"device": "tpuu"}, "unknown device 'tpuu'"),
    ],
)
def test_parameters_are_checked_when_fitted(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("+", r"\+")):
        LatentFeaturizer(TINY, **parameters).fit(["CCO"])


def test_features_of_other_latents_are_refused(vq: str) -> None:
    with pytest.raises(ConfigError, match="the model's latent has no features 'logvar'"):
        LatentFeaturizer(vq, features="logvar").fit(["C"])
    with pytest.raises(ConfigError, match="codes cannot be averaged"):
        LatentFeaturizer(vq, features="codes", randomized_smiles=2).fit(["C"])


def test_a_missing_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such directory"):
        LatentFeaturizer(tmp_path / "none").fit(["C"])


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ("CCO", "got a single str; expected a list"),
        (["CCO", 5], "row 1: got int 5; expected a SMILES or an RDKit molecule"),
        (np.zeros((2, 3)), r"got an array of shape \(2, 3\)"),
    ],
)
def test_what_is_no_list_of_molecules_is_refused(odd: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_molecules(odd)


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
        estimator_checks.check_mixin_order,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learns_own_checks_pass(featurizer: LatentFeaturizer, check) -> None:
    check("LatentFeaturizer", featurizer)


def test_transform_changes_no_attribute_and_needs_no_fit(featurizer: LatentFeaturizer) -> None:
    before = dict(vars(featurizer))
    featurizer.transform(["CCO"])
    assert vars(featurizer) == before
    assert featurizer.fit(["CCO"]) is featurizer


def test_subsets_and_batch_sizes_give_the_same_rows(featurizer: LatentFeaturizer, molecules: tuple[str, ...]) -> None:
    whole = featurizer.transform(list(molecules))
    one_by_one = np.concatenate([featurizer.transform([m]) for m in molecules])
    np.testing.assert_allclose(whole, one_by_one, atol=1e-5)
    np.testing.assert_allclose(whole, featurizer.set_params(batch_size=3).transform(list(molecules)), atol=1e-5)


def test_pickles_hold_the_path_and_not_the_weights(featurizer: LatentFeaturizer) -> None:
    values = featurizer.fit_transform(["CCO"])
    pickled = pickle.dumps(featurizer)
    assert len(pickled) < 1000
    np.testing.assert_array_equal(pickle.loads(pickled).transform(["CCO"]), values)


def test_a_process_opens_a_model_once_until_it_changes(checkpoint: Path) -> None:
    first = open_model(checkpoint, "cpu")
    assert open_model(str(checkpoint), "cpu") is first
    (checkpoint / "config.json").touch()
    assert open_model(checkpoint, "cpu") is not first


def test_set_output_gives_named_columns_and_the_index(featurizer: LatentFeaturizer) -> None:
    frame = featurizer.set_output(transform="pandas").fit_transform(pd.Series(["CCO", "CC"], index=["a", "b"]))
    assert list(frame.columns) == [f"z{i}" for i in range(8)]
    assert list(frame.index) == ["a", "b"]


def test_works_beside_other_featurizers(featurizer: LatentFeaturizer) -> None:
    lengths = FunctionTransformer(
        lambda x: np.array([[len(s)] for s in x]), feature_names_out=lambda *_: np.array(["length"], dtype=object)
    )
    union = FeatureUnion([("z", featurizer), ("length", lengths)])
    values = union.fit_transform(["CCO", "CC"])
    assert values.shape == (2, 9)
    assert list(values[:, 8]) == [3, 2]
    table = pd.DataFrame({"smiles": ["CCO", "CC"], "weight": [46.0, 30.0]})
    columns = ColumnTransformer([("z", featurizer, "smiles"), ("rest", "passthrough", ["weight"])])
    assert columns.fit_transform(table).shape == (2, 9)
    assert list(columns.get_feature_names_out())[-2:] == ["z__z7", "rest__weight"]
    listed = ColumnTransformer([("z", clone(featurizer), ["smiles"])]).fit_transform(table)
    np.testing.assert_allclose(listed, featurizer.transform(["CCO", "CC"]))


@pytest.mark.parametrize("output", ["default", "pandas"])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_rows_are_not_dropped_beside_other_columns(
    featurizer: LatentFeaturizer, output: str, n_jobs: int | None
) -> None:
    table = pd.DataFrame({"a": ["CCO", "xx", "CC"], "b": ["xx", "CCO", "CC"], "weight": [46.0, 0.0, 30.0]})
    dropping = clone(featurizer).set_params(invalid="drop")
    for others in ([("b", dropping, "b")], [("rest", "passthrough", ["weight"])]):
        columns = ColumnTransformer([("a", dropping, "a"), *others], n_jobs=n_jobs).set_output(transform=output)
        with pytest.raises(InputError, match="rows no longer match those of other columns: use invalid='nan'"):
            columns.fit_transform(table)
    alone = make_pipeline(dropping, StandardScaler()).set_output(transform=output)
    with pytest.warns(InvalidMoleculeWarning):
        assert alone.fit_transform(table["a"]).shape == (2, 8)


def test_grid_search_over_processes(featurizer: LatentFeaturizer, molecules: tuple[str, ...]) -> None:
    pipeline = make_pipeline(featurizer, StandardScaler(), Ridge())
    grid = {"latentfeaturizer__features": ["mean", "mean+hidden"], "ridge__alpha": [1.0, 10.0]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(list(molecules), np.arange(len(molecules)))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert isinstance(search.best_estimator_, Pipeline)


def test_parsing_on_several_processes_changes_nothing(
    featurizer: LatentFeaturizer, molecules: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molvae.inference.tokens.CHUNK", 3)
    values = featurizer.transform(list(molecules))
    np.testing.assert_allclose(featurizer.set_params(n_jobs=2).transform(list(molecules)), values, atol=1e-6)
