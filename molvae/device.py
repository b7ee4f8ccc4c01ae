"""The torch device that `--device` names."""

import torch

from molvae.errors import ConfigError


def resolve_device(device: str) -> torch.device:
    """The torch device of a name; "auto" is a GPU if there is one, else the CPU.

    Raises:
        ConfigError: for an unknown name, or a device that does not exist.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {device!r}; expected auto, cpu, cuda or cuda:N") from error
    if resolved.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {device!r} is not supported; expected auto, cpu, cuda or cuda:N")
    if resolved.type == "cuda":
        n = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if n == 0:
            raise ConfigError(f"device {device!r} asked for, but torch sees no GPU; use --device cpu or auto")
        if resolved.index is not None and resolved.index >= n:
            raise ConfigError(f"device {device!r} asked for, but torch sees {n} GPUs, cuda:0 to cuda:{n - 1}")
    return resolved


def product_precision(device: torch.device) -> torch.dtype:
    """The precision of matrix products that sampling uses on a device: bfloat16 on CPUs with units for it (AMX).

    Everywhere else it is float32, so that a seed gives the same molecules.
    """
    return torch.bfloat16 if device.type == "cpu" and torch.cpu._is_amx_tile_supported() else torch.float32
