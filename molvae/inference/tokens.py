"""Any number of molecules → tokens, chunk by chunk, in one or several processes."""

from collections.abc import Iterable, Iterator, Sequence

from molvae.config import Jobs, checked
from molvae.data.chunks import batched
from molvae.data.tokenizer import MoleculeTokenizer, TokenizedMolecule
from molvae.supervised import supervised

CHUNK = 500  # molecules that a worker gets at a time
CHUNKS_AHEAD = 8  # given to each worker before its results are used, which bounds the memory


def tokenized_chunks(
    tokenizer: MoleculeTokenizer, smiles: Iterable[str | None], *, n_jobs: int | None = 1, seconds: float | None = None
) -> Iterator[list[TokenizedMolecule]]:
    """Tokenized molecules chunk by chunk, in order; memory does not grow with the number of molecules.

    Args:
        tokenizer: of the model.
        smiles: any SMILES.
        n_jobs: processes that parse while this one goes on; -1 is one per core.
        seconds: for one molecule; one that takes longer gets the reason too_slow. `None` is no limit.
    """
    from joblib import Parallel, delayed, effective_n_jobs  # slow to import

    chunks = batched(smiles, CHUNK)
    n_workers = 1 if n_jobs is None else effective_n_jobs(checked(Jobs, n_jobs, "n_jobs"))
    if n_workers == 1:
        yield from (_tokenized(tokenizer, chunk, seconds) for chunk in chunks)
        return
    with Parallel(n_jobs=n_workers, return_as="generator") as parallel:
        for window in batched(chunks, CHUNKS_AHEAD * n_workers):
            if len(window) == 1:  # too little to start processes for
                yield _tokenized(tokenizer, window[0], seconds)
            else:
                yield from parallel(delayed(_tokenized)(tokenizer, chunk, seconds) for chunk in window)


def _tokenized(
    tokenizer: MoleculeTokenizer, smiles: Sequence[str | None], seconds: float | None
) -> list[TokenizedMolecule]:
    if seconds is None:
        return tokenizer.tokenize_many(smiles)
    molecules, lost = supervised(tokenizer.tokenize_many, smiles, seconds=seconds)
    for i, reason in lost.items():
        molecules[i] = TokenizedMolecule(None, reason)
    return molecules
