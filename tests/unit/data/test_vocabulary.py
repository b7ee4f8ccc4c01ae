from pathlib import Path

import pytest

from molvae.data.vocabulary import BOS, EOS, MASK, PAD, Vocabulary
from molvae.errors import PreparedDataError, VocabularyError

CORPUS = [["[C]", "[C]", "[O]"], ["[C]", "[C]", "[N]"], ["[C]", "[C]", "[O]"], ["[C]", "[O]"]] * 5


@pytest.fixture
def merged() -> Vocabulary:
    symbols = {s for molecule in CORPUS for s in molecule}
    return Vocabulary.of_symbols(symbols, notation="selfies").learn_merges(CORPUS, n_fragments=6)


def test_specials_come_first_and_symbols_sorted() -> None:
    vocabulary = Vocabulary.of_symbols(["[O]", "[C]"], notation="selfies")
    assert (PAD, BOS, EOS, MASK) == (0, 1, 2, 3)
    assert vocabulary.symbol_ids == {"[C]": 4, "[O]": 5}
    assert len(vocabulary) == 6


def test_the_most_frequent_pair_is_merged_first(merged: Vocabulary) -> None:
    assert merged.tokens[3] == ("[C]", "[C]")
    assert len(merged.encode(["[C]", "[C]", "[O]"])) < 3


def test_decoding_reverses_encoding_and_stops_at_eos(merged: Vocabulary) -> None:
    for symbols in CORPUS:
        ids = merged.encode(symbols)
        assert merged.decode([BOS, *ids, EOS, ids[0], PAD]) == symbols


def test_unknown_symbols_are_listed_with_counts(merged: Vocabulary) -> None:
    with pytest.raises(VocabularyError, match=r"lacks 1 symbols: \[P\] \(2×\)"):
        merged.encode_many([["[P]", "[C]"], ["[P]"]])


def test_extending_keeps_every_id(merged: Vocabulary) -> None:
    longer = merged.extend(["[P]", "[C]"])
    assert len(longer) == len(merged) + 1
    assert longer.symbol_ids["[P]"] == len(merged)
    assert longer.encode(["[C]", "[C]", "[O]"]) == merged.encode(["[C]", "[C]", "[O]"])


def test_ids_outside_are_refused(merged: Vocabulary) -> None:
    with pytest.raises(VocabularyError, match="token id 99 is outside"):
        merged.decode([99])


def test_saving_and_loading_gives_the_same(merged: Vocabulary, tmp_path: Path) -> None:
    merged.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json") == merged


@pytest.mark.parametrize("text", ["", "{}", '{"format_version": 99, "specials": []}', "[1]"])
def test_a_damaged_file_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(PreparedDataError, match="vocabulary"):
        Vocabulary.load(tmp_path / "v.json")
