"""The split that a molecule belongs to, which depends on the molecule and not on its row in a file."""

import hashlib


def hash_fraction(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone and is uniform over many texts."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64


def hash_split(text: str, *, valid_fraction: float, test_fraction: float) -> str:
    """The split ("train", "valid" or "test") that the hash of a canonical SMILES or of a scaffold falls in."""
    fraction = hash_fraction(text)
    if fraction < test_fraction:
        return "test"
    return "valid" if fraction < test_fraction + valid_fraction else "train"
