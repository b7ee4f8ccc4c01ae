"""Several processes that train one model: what they add up, agree on, and leave to the first of them.

Where there is one process, each function only does that one's part, so that callers need not ask. Processes are joined
by `molvae.training.launch`. Numbers of the model travel through the default process group (gloo or NCCL), everything
else through a second one of gloo, which needs no GPU.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from molvae.errors import MolvaeError

T = TypeVar("T")

TIMEOUT = timedelta(days=7)  # of a wait for the first process, which may evaluate or fit a prior meanwhile
_alone: ContextVar[bool] = ContextVar("alone", default=False)
_groups: dict[Any, Any] = {}  # default group → the second one


class ProcessEndedError(MolvaeError):
    """Another process of the same training has failed or was ended, which is its to report."""

    def __init__(self) -> None:
        super().__init__("another process of this training has ended")


def count() -> int:
    """The number of processes."""
    joined = dist.is_available() and dist.is_initialized() and not _alone.get()
    return dist.get_world_size() if joined else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if count() > 1 else 0


@contextmanager
def alone() -> Iterator[None]:
    """Work in this process as if there were no others, since they do not do the same."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


@contextmanager
def reported() -> Iterator[None]:
    """Turn the error of a connection that another process has closed into `ProcessEndedError`."""
    try:
        yield
    except RuntimeError as error:
        if count() > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise ProcessEndedError from error
        raise


def add_up(*tensors: Tensor) -> None:
    """Replace float tensors, in place, by their sums over all processes; they travel as one."""
    if count() == 1:
        return
    flat = torch.cat([t.reshape(-1) for t in tensors])
    with reported():
        dist.all_reduce(flat)
    for tensor, total in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(total.view_as(tensor))


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a value over all processes, with the gradient of this process's own.

    Processes average their gradients, so that a function of the mean then has the right one.
    """
    if count() == 1:
        return value
    total = value.detach().clone()
    add_up(total)
    return value + (total / count() - value.detach())


def in_step(value: Tensor) -> Tensor:
    """A tensor of the first process, such as random numbers that all have to share."""
    if count() > 1:
        with reported():
            dist.broadcast(value, src=0)
    return value


def gather(value: Any) -> list[Any]:
    """A value of every process, in the order of their numbers; any that can be pickled, tensors on the CPU."""
    if count() == 1:
        return [value]
    values: list[Any] = [None] * count()
    with reported():
        dist.all_gather_object(values, value, group=_second_group())
    return values


def greatest(values: Sequence[float]) -> list[float]:
    """The greatest of each number over all processes."""
    if count() == 1:
        return list(values)
    numbers = torch.tensor(values, dtype=torch.float64)
    with reported():
        dist.all_reduce(numbers, dist.ReduceOp.MAX, group=_second_group())
    return numbers.tolist()


def in_first(function: Callable[[], T]) -> T:
    """Call a function in the first process, while the others wait for what it returns, which is pickled.

    Raises:
        ProcessEndedError: in the others, when it raises an error in the first one.
    """
    if count() == 1:
        return function()
    if rank() > 0:
        failed, value = pickle.loads(_send(b""))
        if failed:
            raise ProcessEndedError
        return value
    try:
        with alone():
            value = function()
    except BaseException:
        _send(pickle.dumps((True, None)))
        raise
    _send(pickle.dumps((False, value)))
    return value


def _send(message: bytes) -> bytes:
    """The bytes that the first process sends to all."""
    box = [message]
    with reported():
        dist.broadcast_object_list(box, group=_second_group())
    return box[0]


def _second_group() -> Any:
    default = dist.group.WORLD
    if default not in _groups:
        _groups.clear()
        _groups[default] = dist.new_group(backend="gloo", timeout=TIMEOUT)
    return _groups[default]
