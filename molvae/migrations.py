"""Conversion of files that earlier versions wrote: pure functions from one format version to the next.

They work on plain values and on tensor names, before anything is validated or built.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

CHECKPOINT_VERSION = 2
PREPARED_VERSION = 2

_CODEBOOK = "latent.quantize._codebook."
_CODEBOOK_TENSORS = {"embed": "codes", "embed_avg": "sums", "cluster_size": "counts", "initted": "started"}
_PROPERTIES = {"stereocentres": "stereocenters"}


def checkpoint_from_1(description: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's `config.json`, version 1 → 2: American spelling, `tokens_per_slot` in place of `stretch`."""
    values = dict(description)
    values["format_version"] = 2
    values["model"] = _renamed(values["model"], {"stretch": "tokens_per_slot"})
    for part in ("heads", "condition"):
        section = values["model"].get(part)
        if section and section.get("properties"):
            section["properties"] = _properties(section["properties"])
    values["properties"] = _properties(values["properties"])
    values["sampling"] = {"latent_temperature": values.pop("latent_temperature", 1.0)}
    values["standard_form"] = _renamed(values.pop("standardise"), {"neutralise": "neutralize"})
    return values


def tensors_from_1(tensors: Mapping[str, T]) -> dict[str, T]:
    """A checkpoint's tensor names, version 1 → 2: VQ codebooks of an external package are now our own `Codebooks`."""
    return {
        f"latent.codebooks.{_CODEBOOK_TENSORS[name.removeprefix(_CODEBOOK)]}" if name.startswith(_CODEBOOK) else name: t
        for name, t in tensors.items()
    }


def prepared_from_1(meta: Mapping[str, Any]) -> dict[str, Any]:
    """A prepared folder's `meta.json`, version 1 → 2: American spelling, `randomized_smiles` in place of `variants`."""
    values = dict(meta)
    values["format_version"] = 2
    keys = {"neutralise": "neutralize", "described": "descriptor_fraction", "variants": "randomized_smiles"}
    values["options"] = {keys.get(k, k): v for k, v in values["options"].items()}
    values["properties"] = dict(values["properties"]) | {"names": _properties(values["properties"]["names"])}
    if "variants" in values:
        values["randomized_smiles"] = values.pop("variants") | {"folder": "variants"}
    return values


def _properties(names: list[str]) -> list[str]:
    return [_PROPERTIES.get(name, name) for name in names]


def _renamed(value: Any, keys: Mapping[str, str]) -> Any:
    """Nested plain values with their keys renamed."""
    if isinstance(value, dict):
        return {keys.get(k, k): _renamed(v, keys) for k, v in value.items()}
    return value
