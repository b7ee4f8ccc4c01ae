import numpy as np
import pytest
import torch
from click.testing import CliRunner
from rdkit import Chem

import molvae
import molvae.inference.growing
from molvae.chem.kept import Kept
from molvae.chem.notation import notation
from molvae.cli import main
from molvae.data.vocabulary import Vocabulary
from molvae.errors import ConfigError, InputError
from molvae.generator import MoleculeGenerator
from molvae.inference.given import varied
from molvae.inference.openings import OpeningWriter


@pytest.fixture(scope="module")
def moses() -> MoleculeGenerator:
    return molvae.load("moses", device="cpu")


@pytest.fixture(scope="module")
def writer() -> OpeningWriter:
    vocabulary = Vocabulary.of_symbols("Cc1()O=N-.", notation="smiles")
    corpus = [list("c1ccccc1C(=O)N"), list("c1ccccc1C(=O)O"), list("Cc1ccccc1")] * 3
    return OpeningWriter(vocabulary.learn_merges(corpus, n_fragments=40), notation("smiles"))


def spelled(writer: OpeningWriter, token: int) -> str:
    return "".join(writer.vocabulary.tokens[token - 4])


def test_tokens_at_the_end_of_an_opening_may_go_beyond_it(writer: OpeningWriter) -> None:
    openings = writer.openings([list("c1ccccc1")], device="cpu")
    first = {spelled(writer, int(i)) for i in openings.allowed[openings.state[0]].nonzero()}
    assert all("c1ccccc1".startswith(text) or text.startswith("c1ccccc1") for text in first)
    assert any(text.startswith("c1ccccc1C") for text in first)  # a merged fragment across the border
    whole = writer.vocabulary.encode(list("c1ccccc1"))
    for token in whole:
        openings = openings.after(torch.tensor([token]))
    after = {spelled(writer, int(i)) for i in openings.allowed[openings.state[0]].nonzero()}
    assert after
    assert all(text[0] in "CcON-" and "." not in text for text in after)  # no end, branch, ring or other component


def test_every_way_to_cut_an_opening_into_tokens_leads_to_its_end(writer: OpeningWriter) -> None:
    rng = np.random.default_rng(0)
    for text in ("c1ccccc1C(=O)", "Cc1ccccc1C(=O)N", "C"):
        for _ in range(20):
            openings, symbols = writer.openings([list(text)], device="cpu"), ""
            while openings.state[0] > 0:
                token = int(rng.choice(openings.allowed[openings.state[0]].nonzero()[:, 0]))
                symbols += spelled(writer, token)
                openings = openings.after(torch.tensor([token]))
            assert symbols.startswith(text)
            assert len(symbols) > len(text)


def test_after_a_bond_no_second_bond_follows(writer: OpeningWriter) -> None:
    openings = writer.openings([list("C-")], device="cpu")
    end = openings.last[openings.state[0]]
    assert not any(spelled(writer, int(i)).startswith("-") for i in openings.allowed[end].nonzero())


def test_weights_are_flattened_until_enough_latents_count() -> None:
    sharp = torch.linspace(-500, 0, 1000)
    assert 1 / float(varied(sharp).square().sum()) == pytest.approx(64, abs=1)
    flat = torch.zeros(1000)
    torch.testing.assert_close(varied(flat), torch.full((1000,), 1e-3))


@pytest.mark.parametrize(
    "kept", ["CC(C)NC(=O)c1ccc(*)cc1", "*c1ccncc1.*C1CCNCC1", "O=C(N*)[C@@H]1CCCN1*", "c1ccc2[nH]ccc2c1"]
)
def test_molecules_keep_a_part_on_a_model_of_codes(moses: MoleculeGenerator, kept: str) -> None:
    found = moses.draw(4, keep=kept, unique=True, seed=0)
    assert len(set(found.smiles)) == 4
    assert all(Kept(kept).holds(Chem.MolFromSmiles(smiles)) for smiles in found.smiles)
    assert found.smiles == moses.sample(4, keep=kept, unique=True, seed=0)


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ("*c1ccc([SiH3])cc1", r"cannot write \[SiH3\]"),
        ("*" + "NCC(F)(F)OC(C)(Br)SCC(=O)" * 9, "leaves no room to grow"),
        ("C1C*C1", "ring cannot be closed"),
    ],
)
def test_a_part_that_the_model_cannot_write_is_one_sentence(moses: MoleculeGenerator, kept: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        moses.sample(2, keep=kept)
    assert "\n" not in str(raised.value)


def test_leaving_out_draws_and_keeping_a_part_exclude_each_other(moses: MoleculeGenerator) -> None:
    with pytest.raises(ConfigError, match="set it to 0 with keep"):
        moses.sample(2, keep="*c1ccccc1", leave_out=0.1)


def test_the_command_keeps_a_part_and_refuses_in_a_sentence() -> None:
    done = CliRunner().invoke(main, ["sample", "-m", "moses", "--keep", "*c1ccncc1", "-n", "3", "--seed", "0", "-q"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()[1:]
    assert len(lines) == 3
    assert all(Kept("*c1ccncc1").holds(Chem.MolFromSmiles(line.split(",")[0])) for line in lines)
    done = CliRunner().invoke(main, ["sample", "-m", "moses", "--keep", "CC*.Cl", "-n", "3"])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "leave counterions out" in done.stderr


def test_undefined_stereo_is_enumerated_on_request() -> None:
    how = ["sample", "-m", "moses", "--keep", "*C(C)N", "-n", "2", "--seed", "0", "-q"]
    done = CliRunner().invoke(main, [*how, "--stereo", "enumerate", "--max-stereoisomers", "4"])
    assert done.exit_code == 0, done.output
    header, *lines = done.stdout.splitlines()
    assert header.startswith("smiles,drawn_as,")
    assert len(lines) > 2
    assert all("@" in line.split(",")[0] and "@" not in line.split(",")[1] for line in lines)


def _has_nitrogen(mol: Chem.Mol) -> bool:
    return any(atom.GetSymbol() == "N" for atom in mol.GetAtoms())


def test_what_no_chemist_would_draw_is_left_out_unless_it_is_kept(
    moses: MoleculeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(molvae.inference.growing, "unsoundness", lambda mol: "odd" if _has_nitrogen(mol) else None)
    found = moses.draw(3, keep="*c1ccccc1", seed=0)
    assert found.n_unsound > 0
    assert not any(_has_nitrogen(Chem.MolFromSmiles(smiles)) for smiles in found.smiles)
    kept = moses.draw(3, keep="*c1ccncc1", seed=0)  # which is odd itself
    assert kept.n_unsound == 0
