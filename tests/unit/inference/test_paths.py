from collections import Counter

import numpy as np
import pytest
import torch

from molvae.generator import MoleculeGenerator
from molvae.inference import paths
from molvae.inference.paths import interpolate_latents
from molvae.nn.decoders.base import Anchors

FRACTIONS = np.linspace(0, 1, 5)


def test_a_great_circle_keeps_lengths_between_those_of_its_ends() -> None:
    a, b = np.array([2.0, 0.0]), np.array([0.0, 1.0])
    path = interpolate_latents(a, b, FRACTIONS, method="spherical")
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linspace(2, 1, 5), rtol=1e-6)


@pytest.mark.parametrize("b", [np.zeros(2), np.array([-2.0, 0.0]), np.array([4.0, 0.0])])
def test_where_there_is_no_great_circle_the_line_is_straight(b: np.ndarray) -> None:
    for start, end in ((np.array([2.0, 0.0]), b), (b, np.array([2.0, 0.0]))):
        path = interpolate_latents(start, end, FRACTIONS, method="spherical")
        np.testing.assert_allclose(path, interpolate_latents(start, end, FRACTIONS, method="linear"))
        assert np.isfinite(path).all()


def test_latents_are_drawn_again_until_they_spell_enough_sound_molecules(
    vae: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [["CCO", "COO", "CCO"], ["CCO", "CCN", "C[CH2]"], ["CCN", "CCC", "CCO"], ["CC"]]
    calls: list[tuple[int, bool]] = []

    def decode(_: MoleculeGenerator, z: np.ndarray, *, greedy: bool, **how: object) -> list[str]:
        calls.append((len(z), greedy))
        return answers[len(calls) - 1]

    monkeypatch.setattr(paths, "decode", decode)
    monkeypatch.setattr(paths, "ENOUGH", 2)
    monkeypatch.setattr(paths, "DRAWS", 3)
    anchors = Anchors(torch.zeros(3, 1, 4, dtype=torch.int64), torch.zeros(3, 1, 4))
    found, likeliest = paths._sound_molecules(vae, np.zeros((3, 8)), anchors=anchors, jitter=0.1, known={"CC"}, seed=0)
    assert found == [Counter(CCO=2, CCN=1), Counter(CCN=1, CCC=1), Counter(CCO=2)]
    assert likeliest == ["CCO", "", "CCO"]
    assert calls == [(3, True), (3, False), (3, False), (1, False)]


def test_a_walk_says_of_each_step_whether_it_is_a_copy_or_none(
    vae: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "ENOUGH", 1)
    monkeypatch.setattr(paths, "DRAWS", 1)
    monkeypatch.setattr(paths, "decode", lambda _, z, **how: ["CCO", "CCO", "CN", "[O]"][: len(z)])
    walk = paths.straight_walks(vae, "CCO", np.zeros(8, np.float32), walks=2, steps=3, reach=1.0, seed=0)
    assert [s.status for s in walk] == ["start", "copy", "copy", "start", "new", "none"]
    assert [s.smiles for s in walk] == ["CCO", "CCO", "CCO", "CCO", "CN", ""]
    assert [s.distance for s in walk] == [0.0, 0.5, 1.0] * 2


def test_of_the_molecules_at_each_place_the_smoothest_path_is_taken() -> None:
    layers = [["CCCCO", "c1ccccc1"], [], ["CCCCCN", "CCCCCO"]]
    assert paths._smoothest("CCCO", layers, "CCCCCCO") == ["CCCCO", "", "CCCCCO"]
    assert paths._smoothest("CCCO", layers[:1]) == ["CCCCO"]


def test_no_molecule_is_at_two_places_of_a_path() -> None:
    own = paths._shared_out([Counter("ab"), Counter("ab"), Counter("abc")])
    assert sorted(smiles for mine in own for smiles in mine) == ["a", "b", "c"]
    assert all(own)


@pytest.mark.parametrize("method", ["linear", "spherical"])
def test_a_path_between_a_molecule_and_itself_is_that_molecule(vae: MoleculeGenerator, method: str) -> None:
    path = vae.interpolate("CCO", "OCC", steps=4, method=method)
    assert path["smiles"].tolist() == ["CCO"] * 4
    assert path["source"].tolist() == ["given", "repeated", "repeated", "given"]
