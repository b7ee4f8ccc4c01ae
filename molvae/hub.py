"""Models on the Hugging Face hub: `push` sends a checkpoint, `pull` fetches one, and nothing else asks the hub."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from molvae.checkpoint import CHECKPOINT, checkpoint_path, load_checkpoint
from molvae.errors import ConfigError, HubError, MissingExtraError
from molvae.files import atomic_folder
from molvae.pretrained import CARD

PREFIX = "hf:"
FILES = (*CHECKPOINT.files, CARD)
TAGS = ("molvae", "chemistry", "molecules", "variational-autoencoder")


def repository(address: str) -> str:
    """`hf:user/name` → `user/name`.

    Raises:
        ConfigError: for anything else.

    >>> repository("hf:ada/leads")
    'ada/leads'
    """
    user, slash, name = address.removeprefix(PREFIX).partition("/")
    if not address.startswith(PREFIX) or not slash or not user or not name or "/" in name:
        raise ConfigError(f"got {address!r}; expected hf:user/name")
    return f"{user}/{name}"


def push(model: str | Path, address: str, *, private: bool = False, endpoint: str | None = None) -> str:
    """Send a checkpoint with its card; returns its page.

    Args:
        model: a checkpoint, a run's folder or a shipped model.
        address: `hf:user/name`; the repository is made if it is not there.
        private: make it private.
        endpoint: another hub than the public one.

    Raises:
        CheckpointError: when there is no complete checkpoint.
        HubError: when the hub refuses, or cannot be reached.
    """
    name, folder = repository(address), checkpoint_path(model)
    load_checkpoint(folder)  # nothing that does not load is sent
    api = _api(endpoint)
    with tempfile.TemporaryDirectory() as staged:
        for file in FILES:
            if (folder / file).is_file():
                shutil.copy(folder / file, Path(staged) / ("README.md" if file == CARD else file))
        card = Path(staged) / "README.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else f"# {name}\n\nA model of molvae.\n"
        card.write_text(f"---\nlibrary_name: molvae\ntags: [{', '.join(TAGS)}]\n---\n{text}", encoding="utf-8")
        with _hub_errors(name):
            api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=staged, commit_message="A model of molvae")
    return f"{api.endpoint}/{name}"


def pull(address: str, out: str | Path, *, revision: str | None = None, endpoint: str | None = None) -> None:
    """Fetch a checkpoint, check it as any file of others, and put it into a new folder.

    Args:
        address: `hf:user/name`.
        out: the folder.
        revision: a branch, tag or commit.
        endpoint: another hub than the public one.

    Raises:
        CheckpointError: when it is no complete checkpoint.
        HubError: when the hub refuses, or cannot be reached.
        InputFileError: when the folder is there already.
    """
    name = repository(address)
    api = _api(endpoint)
    with atomic_folder(out, overwrite=False, kind=CHECKPOINT) as folder:
        with tempfile.TemporaryDirectory() as cache, _hub_errors(name):
            wanted = [*FILES, "README.md"]
            there = api.snapshot_download(name, revision=revision, allow_patterns=wanted, cache_dir=cache)
            for file in wanted:
                if (Path(there) / file).is_file():
                    shutil.copy(Path(there) / file, folder / (CARD if file == "README.md" else file))
        load_checkpoint(folder)


def _api(endpoint: str | None) -> Any:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingExtraError.of("the hub needs the package huggingface_hub", "hub") from error
    return HfApi(endpoint=endpoint)


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    """Turn what the hub's library and its transport raise into a `HubError`."""
    try:
        yield
    except Exception as error:
        package = type(error).__module__.partition(".")[0]
        if package not in ("huggingface_hub", "httpx", "httpx2", "requests") and not isinstance(error, OSError):
            raise
        raise HubError(f"{PREFIX}{name}: {str(error).strip().splitlines()[-1]}") from error
