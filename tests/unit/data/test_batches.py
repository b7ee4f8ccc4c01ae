import numpy as np
import pytest
import torch

from molvae.data.batches import MolBatch, ResidentBatches, TokenBatches, collate, ordered_batches
from molvae.data.prepared import PreparedData
from molvae.data.vocabulary import BOS, EOS, PAD
from molvae.errors import PreparedDataError


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


def test_batches_gathered_on_the_device_are_those_of_the_stream(prepared: PreparedData) -> None:
    how = {"batch_size": 5, "property_index": np.array([2, 0]), "seed": 3, "start": 2}
    stream = iter(TokenBatches(prepared, prepared.indices("train"), **how))
    resident = iter(ResidentBatches(prepared, prepared.indices("train"), device=torch.device("cpu"), **how))
    for _ in range(12):
        expected, found = next(stream), next(resident)
        torch.testing.assert_close(found.token_ids, expected.token_ids)
        torch.testing.assert_close(found.lengths, expected.lengths)
        torch.testing.assert_close(found.properties, expected.properties, equal_nan=True)


def test_batches_read_randomized_smiles_and_keep_the_target(prepared_with_randomized: PreparedData) -> None:
    data, indices = prepared_with_randomized, prepared_with_randomized.indices("train")
    store = data.with_randomized().randomized
    assert store is not None
    plain, stream = (TokenBatches(data, indices, batch_size=5, seed=3, randomized_smiles=a) for a in (False, True))
    for epoch, skipped in ((0, 0), (1, stream.batches_per_epoch)):
        stream.start = plain.start = skipped
        picks = stream.picks(epoch)
        for rows, batch, unchanged in zip(stream.order(epoch), stream, plain, strict=False):
            assert torch.equal(batch.token_ids, unchanged.token_ids)
            assert unchanged.source_ids is None
            expected = [store.take(rows[i : i + 1], picks[rows[i : i + 1]])[0].tolist() for i in range(len(rows))]
            for tensor, wanted in zip(batch.source, MolBatch.of_token_ids(expected).source, strict=True):
                assert torch.equal(tensor, wanted)


def test_which_order_is_read_changes_with_every_pass_and_the_canonical_one_is_among_them(
    prepared_with_randomized: PreparedData,
) -> None:
    stream, again = (
        TokenBatches(prepared_with_randomized, np.arange(20), batch_size=5, randomized_smiles=True, seed=4)
        for _ in range(2)
    )
    passes = np.stack([stream.picks(epoch) for epoch in range(30)])
    np.testing.assert_array_equal(passes[3], again.picks(3))
    assert len(np.unique(passes, axis=0)) == 30
    counts = np.bincount(passes.ravel(), minlength=4)
    assert len(counts) == 4
    assert (abs(counts / 600 - 1 / 4) < 0.08).all()
    other = TokenBatches(prepared_with_randomized, np.arange(20), batch_size=5, randomized_smiles=True, seed=5)
    assert other.picks(3).tolist() != passes[3].tolist()


def test_a_resumed_augmented_stream_reads_the_same_orders(prepared_with_randomized: PreparedData) -> None:
    def take(start: int, n: int) -> list[list[list[int]]]:
        indices = prepared_with_randomized.indices("train")
        stream = TokenBatches(
            prepared_with_randomized, indices, batch_size=5, randomized_smiles=True, seed=3, start=start
        )
        return [batch.source[0].tolist() for _, batch in zip(range(n), stream, strict=False)]

    assert take(0, 7)[4:] == take(4, 3)


def test_randomized_smiles_that_are_not_there_are_refused_before_the_first_batch(
    prepared: PreparedData,
) -> None:
    with pytest.raises(PreparedDataError, match="molvae data randomize"):
        TokenBatches(prepared, np.arange(20), batch_size=5, randomized_smiles=True)


def test_moving_a_batch_moves_all_of_it(prepared_with_graphs: PreparedData) -> None:
    data, indices = prepared_with_graphs.with_graphs(), np.array([3, 1])
    tokens = (np.array([4, 5, 6]), np.array([1, 2]))
    batch = collate(data, indices, property_index=np.array([0]), source=tokens).to("meta")
    assert batch.graph is not None
    tensors = (batch.token_ids, batch.lengths, batch.properties, batch.source_ids, batch.source_lengths)
    for tensor in (*tensors, batch.graph.atoms, batch.graph.edge_index):
        assert tensor is not None
        assert tensor.device.type == "meta"


def test_without_a_source_of_its_own_an_encoder_reads_the_target() -> None:
    batch = MolBatch.of_token_ids([[4, 5, 6], [7]])
    assert batch.source[0] is batch.token_ids
    assert batch.source[1] is batch.lengths


def test_ordered_batches_keep_the_order(prepared: PreparedData) -> None:
    batches = list(ordered_batches(prepared, np.arange(20), batch_size=8))
    assert [len(b) for b in batches] == [8, 8, 4]
