import numpy as np
import torch

from molvae.data.batches import MolBatch, TokenBatches, collate, ordered_batches
from molvae.data.prepared import PreparedData
from molvae.data.vocabulary import BOS, EOS, PAD


def test_rows_start_with_bos_end_with_eos_and_are_padded() -> None:
    batch = MolBatch.of_token_ids([[4, 5, 6], [7]])
    assert batch.token_ids.tolist() == [[BOS, 4, 5, 6, EOS], [BOS, 7, EOS, PAD, PAD]]
    assert batch.lengths.tolist() == [5, 3]


def test_collating_gathers_the_very_tokens(prepared: PreparedData) -> None:
    indices = np.array([3, 0, 7])
    batch = collate(prepared, indices, property_index=np.array([0, 2]))
    expected = MolBatch.of_token_ids(
        [prepared.tokens[prepared.offsets[i] : prepared.offsets[i + 1]].tolist() for i in indices]
    )
    torch.testing.assert_close(batch.token_ids, expected.token_ids)
    assert batch.properties is not None
    np.testing.assert_array_equal(batch.properties.numpy(), prepared.properties[indices][:, [0, 2]])


def test_one_pass_visits_every_molecule_once_in_a_new_order(prepared: PreparedData) -> None:
    indices = prepared.indices("train")
    stream = TokenBatches(prepared, indices, batch_size=5, seed=1)
    first, second = (np.concatenate(list(stream.order(epoch))) for epoch in (0, 1))
    np.testing.assert_array_equal(np.sort(first), indices)
    assert first.tolist() != second.tolist()
    assert len(list(stream.order(0))) == stream.batches_per_epoch


def test_rows_of_a_batch_have_similar_lengths(prepared: PreparedData) -> None:
    lengths = np.diff(prepared.offsets)
    stream = TokenBatches(prepared, np.arange(20), batch_size=5)
    spread = [np.ptp(lengths[b]) for b in stream.order(0)]
    assert np.mean(spread) < np.ptp(lengths) / 2


def test_a_resumed_stream_goes_on_where_it_was_interrupted(prepared: PreparedData) -> None:
    def take(start: int, n: int) -> list[list[list[int]]]:
        stream = iter(TokenBatches(prepared, prepared.indices("train"), batch_size=5, seed=3, start=start))
        return [next(stream).token_ids.tolist() for _ in range(n)]

    assert take(0, 7)[4:] == take(4, 3)


def test_ordered_batches_keep_the_order(prepared: PreparedData) -> None:
    batches = list(ordered_batches(prepared, np.arange(20), batch_size=8))
    assert [len(b) for b in batches] == [8, 8, 4]
