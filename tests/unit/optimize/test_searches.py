import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from scipy.stats import multivariate_normal

import molvae.optimize.turbo
from molvae.chem.kept import Kept
from molvae.chem.similarity import tanimoto, tanimoto_matrix
from molvae.errors import ConfigError, InputError
from molvae.generator import MoleculeGenerator
from molvae.optimize.constraints import Constraints
from molvae.optimize.finetune import Finetuning
from molvae.optimize.gaussian_process import KernelCache, TanimotoGP, count_bits
from molvae.optimize.gradient import GradientAscent
from molvae.optimize.methods import METHODS, build_search
from molvae.optimize.moves import WEIGHTS, Moves
from molvae.optimize.objective import Objective, parse_objective
from molvae.optimize.oracle import Candidate, Oracle
from molvae.optimize.pareto import hypervolume, pareto_front
from molvae.optimize.run import optimize
from molvae.optimize.search import draw_by_rank, fitness

RNG = np.random.default_rng


def named(*scores: dict, **more: object) -> Objective:
    return Objective.of_config(parse_objective({"scores": list(scores), **more}, where="test"))


def test_bits_have_the_tanimoto_similarity_of_rdkits_counts(molecules: tuple[str, ...]) -> None:
    mols = [Chem.MolFromSmiles(s) for s in molecules]
    bits = count_bits(mols)
    counts = [rdFingerprintGenerator.GetMorganGenerator(radius=2).GetSparseCountFingerprint(m) for m in mols]
    expected = [DataStructs.BulkTanimotoSimilarity(c, counts) for c in counts]
    np.testing.assert_allclose(tanimoto_matrix(bits, bits), expected, atol=0.08)  # 2,048 bits collide now and then
    assert np.median(np.abs(tanimoto_matrix(bits, bits) - expected)) < 0.01


def test_a_cached_kernel_is_the_kernel(molecules: tuple[str, ...]) -> None:
    cache = KernelCache()
    for chosen in (molecules[:8], molecules[4:12], molecules[::-1], molecules[:1]):
        bits, kernel = cache.of(chosen)
        np.testing.assert_array_equal(bits, count_bits([Chem.MolFromSmiles(s) for s in chosen]))
        np.testing.assert_allclose(kernel, tanimoto_matrix(bits, bits), rtol=1e-6)


def test_the_process_predicts_what_the_formula_says(molecules: tuple[str, ...]) -> None:
    bits = count_bits([Chem.MolFromSmiles(s) for s in molecules])
    values = RNG(0).random(len(bits))
    process = TanimotoGP(bits[:15], values[:15])
    mean, std = process.predict(bits)
    assert np.abs(mean[:15] - values[:15]).max() < 0.1
    assert std[:15].max() < std[15:].mean()
    kernel = tanimoto_matrix(bits[:15], bits[:15]).astype(float)
    noises = [1e-4, 1e-3, 1e-2, 1e-1]
    cross = tanimoto_matrix(bits[15:], bits[:15])
    candidates = []
    for noise in noises:
        inverse = np.linalg.inv(kernel + noise * np.eye(15))
        constant = inverse.sum(0) @ values[:15] / inverse.sum()
        rest = values[:15] - constant
        amplitude = rest @ inverse @ rest / 15
        covariance = amplitude * (kernel + noise * np.eye(15))
        likelihood = multivariate_normal(np.full(15, constant), covariance).logpdf(values[:15])
        variance = amplitude * (1 - np.einsum("ij,jk,ik->i", cross, inverse, cross))
        candidates.append((likelihood, constant + cross @ inverse @ rest, np.sqrt(variance)))
    _, expected_mean, expected_std = max(candidates, key=lambda c: c[0])
    np.testing.assert_allclose(mean[15:], expected_mean, rtol=1e-4)
    np.testing.assert_allclose(std[15:], expected_std, rtol=1e-3)


def test_parents_are_drawn_from_the_best_most_often() -> None:
    drawn = draw_by_rank(np.arange(1000.0), 5000, RNG(0))
    counts = np.bincount(drawn, minlength=1000)
    assert counts[999] > 10 * counts[500:900].mean()
    assert counts[:500].sum() > 0


@pytest.mark.parametrize("move", list(WEIGHTS))
def test_every_move_makes_molecules(move: str, tiny: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    moves = Moves(tiny, weights={move: 1.0})
    parents = [Chem.CanonSmiles(s) for s in molecules] * 3
    made = moves.children(parents, RNG(0), labels=dict.fromkeys(parents, "#1"))
    assert made or move == "redraw"  # the tiny model draws nothing but what it was given
    assert all(Chem.CanonSmiles(c.smiles) == c.smiles for c in made)
    assert all(move in c.origin for c in made)
    assert made == Moves(tiny, weights={move: 1.0}).children(parents, RNG(0), labels=dict.fromkeys(parents, "#1"))


def test_children_of_molecules_outside_the_vocabulary_are_none(tiny: MoleculeGenerator) -> None:
    assert Moves(tiny).children(["[Fe]"], RNG(0)) == []


def test_finetuning_learns_the_best_and_leaves_the_given_model_alone(
    vae: MoleculeGenerator, molecules: tuple[str, ...]
) -> None:
    own = copy.copy(vae)
    before = {name: tensor.clone() for name, tensor in vae.model.state_dict().items()}
    tuning = Finetuning(own, every=10, steps=60, learning_rate=5e-3)
    oracle = Oracle(named({"kind": "qed"}), 50)
    assert not tuning.tune(oracle, RNG(0))
    oracle([Candidate(s, "start") for s in molecules])
    parents = [c.smiles for c in oracle.history.calls]
    exact = vae.reconstruct(parents)["tanimoto"].mean()
    assert tuning.tune(oracle, RNG(0))
    assert not tuning.tune(oracle, RNG(0))
    assert own.reconstruct(parents)["tanimoto"].mean() > exact
    assert all(torch.equal(tensor, before[name]) for name, tensor in vae.model.state_dict().items())


def test_gradient_ascent_raises_what_the_heads_predict(tiny: MoleculeGenerator) -> None:
    search = GradientAscent(Moves(tiny), named({"kind": "logp"}), density=0.0, snapshots=1)
    starts = RNG(0).standard_normal((6, tiny.latent_dim)).astype(np.float32)
    ends = search.climb(starts)
    column = tiny.model.heads.names.index("logp")
    with torch.no_grad():
        before, after = (tiny.model.heads.predict(torch.from_numpy(z))[:, column] for z in (starts, ends))
    assert (after > before).all()


def test_gradient_ascent_names_what_the_heads_do_not_predict(tiny: MoleculeGenerator) -> None:
    with pytest.raises(ConfigError, match=r"needs scores that the model's heads predict.*got 'bertz'"):
        build_search("gradient", tiny, named({"kind": "bertz"}))


def test_unknown_methods_and_methods_without_finetuning_are_one_sentence(tiny: MoleculeGenerator) -> None:
    with pytest.raises(ConfigError, match=r"unknown method 'evolutoin'.*did you mean 'evolution'\?"):
        build_search("evolutoin", tiny, named({"kind": "qed"}))
    with pytest.raises(ConfigError, match="does not fine-tune"):
        build_search("random", tiny, named({"kind": "qed"}), finetune=True)


def test_constraints_hold_for_everything_that_is_scored(tiny: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    start = Chem.CanonSmiles(molecules[1])
    constrained = named({"kind": "qed"}, constraints={"similar_to": {"to": start, "at_least": 0.2}})
    found = optimize(tiny, constrained, n_calls=20, start=[start], batch_size=5, method="evolution")
    assert len(found.scores) > 1
    assert all(tanimoto(s, start) >= 0.2 for s in found.frame["smiles"])


def test_start_molecules_are_uncharged_where_only_sound_ones_are_scored(tiny: MoleculeGenerator) -> None:
    def run(objective: Objective) -> str:
        return optimize(tiny, objective, method="random", n_calls=1, start=["[O-]C(=O)c1ccccc1"]).frame["smiles"][0]

    sound = Objective.of_callable(lambda smiles: [0.0 for _ in smiles])
    assert run(sound) == "O=C(O)c1ccccc1"
    anything = sound.with_constraints(Constraints(sound=False))
    assert run(anything) == "O=C(O)c1ccccc1"  # the vocabulary has no charges


def test_start_molecules_that_cannot_be_used_are_one_sentence(tiny: MoleculeGenerator) -> None:
    with pytest.raises(InputError, match="none of the 1 start molecules parses, such as 'xx'"):
        optimize(tiny, "qed", n_calls=5, start=["xx"])
    with pytest.raises(InputError, match=r"can encode none of the start molecules: '\[Fe\]' \(element\)"):
        optimize(tiny, "qed", n_calls=5, start=["[Fe]"])


def test_a_search_that_finds_nothing_new_ends(tiny: MoleculeGenerator, caplog: pytest.LogCaptureFixture) -> None:
    impossible = named({"kind": "qed"}, constraints={"windows": {"mw": [None, 1]}})
    found = optimize(tiny, impossible, n_calls=5, batch_size=2)
    assert len(found.scores) == 0
    assert found.summary()["auc_top10"] == 0
    assert "ended after 0 of 5 calls" in caplog.text


def test_a_run_says_at_once_when_everything_scores_0(tiny: MoleculeGenerator, caplog: pytest.LogCaptureFixture) -> None:
    clipped = named({"kind": "mw", "transform": {"kind": "clipped", "lower": 2000, "upper": 3000}})
    found = optimize(tiny, clipped, n_calls=15, method="random")
    assert "every molecule so far scores 0: the transform clipped makes 0 of mw" in caplog.text
    assert any("every molecule scores 0" in note for note in found.notes)


class Stuck:
    """A search that proposes only what is known."""

    def propose(self, oracle: Oracle, n: int, rng: np.random.Generator) -> list[Candidate]:
        return [Candidate(call.smiles, "stuck") for call in oracle.history.calls]


@pytest.mark.parametrize("start", [(), ("CC(=O)Nc1ccc(O)cc1",)], ids=["prior", "one start"])
def test_a_search_that_is_stuck_spends_its_budget_on_draws_from_the_prior(
    tiny: MoleculeGenerator, start: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "stuck", lambda moves, objective, finetuning: Stuck())
    found = optimize(tiny, "qed", method="stuck", start=start, n_calls=120)
    assert len(found.scores) == 120
    assert set(found.frame["origin"]) == {"prior", *["start"][: len(start)]}


@pytest.mark.parametrize("method", ["cmaes", "bo"])
@pytest.mark.parametrize("seed", [2])
def test_a_search_from_one_molecule_spends_its_budget(
    tiny: MoleculeGenerator, method: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"cmaes": "cma", "bo": "botorch"}[method])
    monkeypatch.setattr(molvae.optimize.turbo, "CANDIDATES", 100)
    found = optimize(tiny, "qed", method=method, start=["CC(=O)Nc1ccc(O)cc1"], n_calls=32, seed=seed)
    assert len(found.scores) == 32


def test_a_callable_a_file_and_a_task_are_objectives(tiny: MoleculeGenerator, tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text("scores: [{kind: qed}]\n")
    by_file = tiny.optimize(path, n_calls=8, method="random", alerts=False)
    by_task = tiny.optimize("qed", n_calls=8, method="random")
    by_call = tiny.optimize(lambda smiles: [float("nan") if "N" in s else 1.0 for s in smiles], n_calls=8)
    assert by_file["qed"].tolist() == by_task["qed"].tolist()
    assert list(by_file.columns) == ["smiles", "score", "qed", "call", "origin", "sa", "alert"]
    assert by_call["score"].isna().sum() == sum("N" in s for s in by_call["smiles"])
    with pytest.raises(ConfigError, match="unknown task 'qd'"):
        tiny.optimize("qd", n_calls=1)


def test_the_pareto_front_and_its_volume() -> None:
    points = np.array([[1.0, 0.2], [0.5, 0.5], [0.4, 0.5], [0.2, 1.0], [np.nan, 2.0]])
    assert pareto_front(points).tolist() == [0, 1, 3]
    assert hypervolume(points) == pytest.approx(1.0 * 0.2 + 0.5 * 0.3 + 0.2 * 0.5)
    cube = RNG(0).random((20, 3))
    sample = RNG(1).random((200_000, 3))
    dominated = (sample[:, None, :] <= cube[None]).all(-1).any(1).mean()
    assert hypervolume(cube) == pytest.approx(dominated, abs=5e-3)
    assert hypervolume(np.empty((0, 2))) == 0.0


def test_several_objectives_report_their_front(tiny: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    both = named({"kind": "qed"}, {"kind": "fraction_csp3"}, mean="pareto")
    found = optimize(tiny, both, n_calls=30, start=molecules, batch_size=5)
    on_front = found.frame[found.frame["front"]]
    assert 1 <= len(on_front) < 30
    assert on_front["qed"].max() == found.frame["qed"].max()
    assert found.hypervolume is not None
    assert 0 < found.hypervolume <= 1
    oracle = Oracle(both, 30)
    oracle([Candidate(s, "start") for s in molecules])
    assert not math.isclose(fitness(oracle, RNG(0))[0], fitness(oracle, RNG(1))[0])


def test_a_target_ends_the_search(tiny: MoleculeGenerator, molecules: tuple[str, ...]) -> None:
    found = optimize(tiny, "qed", n_calls=30, start=molecules, batch_size=5, target=0.5)
    assert len(found.scores) < 30
    assert found.scores[-5:].max() >= 0.5 > found.scores[:-5].max(initial=0.0)
    more = optimize(tiny, "qed", n_calls=30, start=molecules, batch_size=5, target=0.5, hits=2)
    assert len(more.scores) >= len(found.scores)
    assert (more.scores >= 0.5).sum() >= 2 > (more.scores[:-5] >= 0.5).sum()


def test_as_long_as_all_scores_are_alike_the_prior_is_drawn_from(
    tiny: MoleculeGenerator, molecules: tuple[str, ...]
) -> None:
    found = optimize(tiny, lambda smiles: [0.0] * len(smiles), n_calls=20, start=molecules[:12], batch_size=4)
    assert set(found.frame["origin"]) == {"start", "prior"}


def test_the_process_does_not_depend_on_the_unit_of_the_scores(molecules: tuple[str, ...]) -> None:
    bits = count_bits(map(Chem.MolFromSmiles, molecules))
    values = RNG(0).random(8)
    mean, std = TanimotoGP(bits[:8], values).predict(bits)
    for unit in (1e-12, 1e9):
        scaled = TanimotoGP(bits[:8], values * unit).predict(bits)
        np.testing.assert_allclose(scaled, (mean * unit, std * unit), rtol=1e-6)


def test_a_batch_is_chosen_as_if_what_is_chosen_were_scored(molecules: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    known = count_bits(map(Chem.MolFromSmiles, molecules[:8]))
    wanted = count_bits(map(Chem.MolFromSmiles, [*molecules[8:], *molecules[8:]]))  # each twice
    process = TanimotoGP(known, rng.random(8))
    means, stds = process.predict(wanted)
    assert process.batch(wanted, np.array([0.7])) == [int(np.argmax(means + 0.7 * stds))]
    bold = process.batch(wanted, np.full(len(molecules[8:]), 50.0))
    assert len({i % len(molecules[8:]) for i in bold}) == len(bold)  # no molecule twice while another is left
    assert sorted(process.batch(wanted, np.full(len(wanted), 1.0))) == list(range(len(wanted)))


@pytest.mark.parametrize("method", ["tanimoto-bo", "evolution", "random", "cmaes"])
def test_a_search_makes_only_molecules_with_the_part_to_keep(tiny: MoleculeGenerator, method: str) -> None:
    kept = Kept("*CC(=O)N*")
    found = optimize(
        tiny, "qed", method=method, n_calls=8, batch_size=4, keep=kept.smiles, start=["CCC(=O)NC"], finetune=False
    )
    assert len(found.scores) > 1
    assert all(kept.holds(Chem.MolFromSmiles(smiles)) for smiles in found.frame["smiles"])
    assert "without the part to keep" not in found.refusals
    assert found.frame["similarity"].max() == 1.0


def test_a_start_without_the_part_to_keep_is_refused(tiny: MoleculeGenerator) -> None:
    with pytest.raises(InputError, match="without the part to keep"):
        optimize(tiny, "qed", n_calls=4, keep="*c1ccncc1", start=["CCO"])


def test_structural_alerts_are_refused_unless_they_are_allowed(tiny: MoleculeGenerator) -> None:
    objective = Objective.of_callable(lambda smiles: [float(len(s)) for s in smiles])
    start = ["CC=O", "CCO"]
    refused = optimize(tiny, objective, n_calls=2, start=start, method="random")
    assert "CC=O" not in set(refused.frame["smiles"])
    allowed = optimize(tiny, objective, n_calls=2, start=start, method="random", alerts=False)
    rows = allowed.frame.set_index("smiles")
    assert rows.loc["CC=O", "alert"].startswith("MCF")
    assert rows.loc["CCO", "alert"] == ""
