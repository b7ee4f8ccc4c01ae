"""Coverage-guided fuzzing (atheris) of what reads other people's files.

    pip install atheris
    python tests/fuzz/fuzz.py readers -max_total_time=60

Without a name all targets take their turn. What ends a target is written to the current folder as `crash-…`; once it is
mended, it belongs into `corpus/`, which `test_corpus.py` replays in every run of the tests.
"""

import logging
import subprocess
import sys
import tempfile
import warnings

import targets


def fuzz(target: str, arguments: list[str]) -> None:
    """Fuzz one target; the seeds are read from the corpus, and what is new is kept in a folder of its own."""
    import atheris

    with atheris.instrument_imports(include=["molvae"]):
        import molvae.checkpoint
        import molvae.formats.readers
        import molvae.optimize.objective
        import molvae.training.config  # noqa: F401
    warnings.simplefilter("ignore")
    logging.disable()
    seeds = targets.CORPUS / target
    found = tempfile.mkdtemp(prefix=f"molvae-fuzz-{target}-")
    options = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=6000", "-print_final_stats=1", *arguments]
    atheris.Setup([sys.argv[0], *options, found, *([str(seeds)] if seeds.is_dir() else [])], _one(target))
    atheris.Fuzz()


def _one(target: str):
    return lambda data: targets.check(target, bytes(data)) and None


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in targets.TARGETS:
        fuzz(sys.argv[1], sys.argv[2:])
    else:  # libFuzzer ends its process, so that each target gets its own
        codes = [subprocess.call([sys.executable, __file__, target, *sys.argv[1:]]) for target in targets.TARGETS]
        sys.exit(max(codes))
