import numpy as np
import pytest

from molvae.generator import MoleculeGenerator
from molvae.inference import paths
from molvae.inference.paths import decode_sound, interpolate_latents

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


def test_latents_are_drawn_again_until_they_spell_sound_molecules_that_are_new(
    vae: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [["CCO", "COO", "CCO"], ["CCO", "CCN"], ["C[CH2]"], ["CCN"], [""]]
    calls: list[tuple[int, bool]] = []

    def decode(_: MoleculeGenerator, z: np.ndarray, *, greedy: bool, **how: object) -> list[str]:
        calls.append((len(z), greedy))
        return answers[min(len(calls), len(answers)) - 1]

    monkeypatch.setattr(paths, "decode", decode)
    found, likeliest = decode_sound(vae, np.zeros((3, 8)), known={"CC"}, retries=4, seed=0)
    assert found == ["CCO", "", "CCN"]
    assert likeliest == ["CCO", "", "CCO"]
    assert calls == [(3, True), (2, False), (1, False), (1, False), (1, False)]


def test_a_walk_says_of_each_step_whether_it_is_a_copy_or_none(
    vae: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "decode", lambda _, z, **how: ["CCO", "CCO", "CN", "[O]"][: len(z)])
    walk = paths.straight_walks(vae, "CCO", np.zeros(8, np.float32), walks=2, steps=3, reach=1.0, seed=0)
    assert [s.status for s in walk] == ["start", "copy", "copy", "start", "new", "none"]
    assert [s.smiles for s in walk] == ["CCO", "CCO", "CCO", "CCO", "CN", ""]
    assert [s.distance for s in walk] == [0.0, 0.5, 1.0] * 2
