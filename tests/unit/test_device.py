import pytest
import torch

from molvae.device import resolve_device
from molvae.errors import ConfigError


def test_auto_and_cpu() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda")


def test_a_gpu_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="torch sees 2 GPUs"):
        resolve_device("cuda:2")


@pytest.mark.parametrize(
    ("name", "message"), [("tpuu", "unknown device"), ("mps", "not supported"), ("cuda", "torch sees no GPU")]
)
def test_what_is_not_there_is_one_sentence(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=message):
        resolve_device(name)
