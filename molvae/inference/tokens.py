"""Any number of molecules → tokens, chunk by chunk, in one or several processes."""

from collections.abc import Iterable, Iterator

from joblib import Parallel, delayed, effective_n_jobs

from molvae.config import Jobs, checked
from molvae.data.chunks import batched
from molvae.data.tokenizer import MoleculeTokenizer, TokenizedMolecule

CHUNK = 500  # molecules that a worker gets at a time
CHUNKS_AHEAD = 8  # given to each worker before its results are used, which bounds the memory


def tokenized_chunks(
    tokenizer: MoleculeTokenizer, smiles: Iterable[str | None], *, n_jobs: int | None = 1
) -> Iterator[list[TokenizedMolecule]]:
    """Tokenized molecules chunk by chunk, in order; memory does not grow with the number of molecules.

    Args:
        tokenizer: of the model.
        smiles: any SMILES.
        n_jobs: processes that parse while this one goes on; -1 is one per core.
    """
    chunks = batched(smiles, CHUNK)
    n_workers = 1 if n_jobs is None else effective_n_jobs(checked(Jobs, n_jobs, "n_jobs"))
    if n_workers == 1:
        yield from map(tokenizer.tokenize_many, chunks)
        return
    with Parallel(n_jobs=n_workers, return_as="generator") as parallel:
        for window in batched(chunks, CHUNKS_AHEAD * n_workers):
            if len(window) == 1:  # too little to start processes for
                yield tokenizer.tokenize_many(window[0])
            else:
                yield from parallel(delayed(tokenizer.tokenize_many)(chunk) for chunk in window)
