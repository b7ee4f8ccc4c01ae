"""Starting the processes that train one model: by Lightning, torchrun or SLURM."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.strategies import DDPStrategy as FabricDDP
from pytorch_lightning.strategies import DDPStrategy

from molvae import processes
from molvae.device import resolve_device
from molvae.errors import ConfigError

Strategy = Literal["ddp", "ddp_find_unused"]


def join(devices: int | None, nodes: int | None, *, device: str = "auto") -> None:
    """Become one of the processes that train a model, and start the others unless torchrun or SLURM have done so.

    Lightning starts them by running the same command, or script, once more for each, so that they should meet here
    before anything else is done. Does nothing for one process, or when they have met already.

    Args:
        devices: processes on each machine; `None`: as many as were started, else 1.
        nodes: machines; `None` likewise.
        device: "auto", "cpu" or "cuda"; on a GPU each process gets its own.

    Raises:
        ConfigError: for another number than torchrun or SLURM have started, and more than there are GPUs.
    """
    environment = _environment()
    devices, nodes = _numbers(environment, devices, nodes)
    joined = processes.count()
    if joined > 1 and joined != devices * nodes:
        raise ConfigError(f"training.devices × training.nodes is {devices * nodes}, but {joined} processes run")
    if joined > 1 or devices * nodes == 1:
        return
    kind = _kind(device, devices)
    # That another process has ended is found out at once; this time is for what the first one does alone.
    strategy = FabricDDP(process_group_backend="nccl" if kind == "gpu" else "gloo", timeout=timedelta(days=1))
    how: dict[str, Any] = {"accelerator": kind, "devices": devices, "num_nodes": nodes}
    with quiet_lightning():
        Fabric(strategy=strategy, plugins=[environment], **how).launch()


def trainer_arguments(
    device: str, *, devices: int | None = None, nodes: int | None = None, strategy: Strategy = "ddp"
) -> dict[str, Any]:
    """The arguments of Lightning's trainer that say where it runs, for this process and those that it has joined.

    Raises:
        ConfigError: for an unknown device, or one that does not exist.
    """
    if processes.count() == 1:
        resolved = resolve_device(device)
        where: dict[str, Any] = {"accelerator": "cpu", "devices": 1}
        if resolved.type != "cpu":
            where = {"accelerator": "gpu", "devices": [resolved.index or 0]}
        return where | {"plugins": [LightningEnvironment()]}
    environment = _environment()
    devices, nodes = _numbers(environment, devices, nodes)
    return {
        "accelerator": _kind(device, devices),
        "devices": devices,
        "num_nodes": nodes,
        "strategy": DDPStrategy(find_unused_parameters=strategy == "ddp_find_unused"),
        "plugins": [environment],
        "use_distributed_sampler": False,  # each process gathers its own share of a batch
    }


def own_device(device: str) -> torch.device:
    """The device of this process."""
    resolved = resolve_device(device)
    if resolved.type == "cuda" and processes.count() > 1:
        return torch.device("cuda", _environment().local_rank())
    return resolved


def is_first() -> bool:
    """Whether this process is the first one, also before the processes have met."""
    if _in_srun():
        return os.environ.get("SLURM_PROCID", "0") == "0"
    environment = _environment()
    if isinstance(environment, LightningEnvironment):
        return environment.node_rank() == environment.local_rank() == 0
    return environment.global_rank() == 0


def launched_by() -> str | None:
    """The launcher that has started several processes of this command: "torchrun" or "srun"."""
    environment = _environment()
    started = _started(environment)
    return _name(environment) if started is not None and started[0] * started[1] > 1 else None


def _environment() -> ClusterEnvironment:
    """Who starts the processes. Lightning's own detection takes every command in a SLURM job for one of several."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    if _in_srun():
        try:
            return SLURMEnvironment(auto_requeue=False)
        except RuntimeError as error:  # Lightning wants to know the tasks of each machine
            raise ConfigError("start the tasks with srun --ntasks-per-node, in place of --ntasks") from error
    return LightningEnvironment()


def _in_srun() -> bool:
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def _started(environment: ClusterEnvironment) -> tuple[int, int] | None:
    """The processes on each machine, and the machines, that a launcher has started; `None` if there is none."""
    if isinstance(environment, TorchElasticEnvironment):
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, environment.world_size() // local
    if isinstance(environment, SLURMEnvironment):
        nodes = int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
        return int(os.environ["SLURM_STEP_NUM_TASKS"]) // nodes, nodes
    return None


def _numbers(environment: ClusterEnvironment, devices: int | None, nodes: int | None) -> tuple[int, int]:
    """The processes on each machine, and the machines; raises `ConfigError` if others were started than asked for."""
    started = _started(environment)
    if started is None:
        return devices or 1, nodes or 1
    for name, asked, there in (("devices", devices, started[0]), ("nodes", nodes, started[1])):
        if asked is not None and asked != there:
            raise ConfigError(
                f"training.{name} is {asked}, but {_name(environment)} has started {there}; leave it out, or give "
                f"--set training.{name}={there}"
            )
    return started


def _name(environment: ClusterEnvironment) -> str:
    return "torchrun" if isinstance(environment, TorchElasticEnvironment) else "srun"


def _kind(device: str, devices: int) -> str:
    """Lightning's name of the kind of device that each process gets one of."""
    resolved = resolve_device(device)
    if resolved.type == "cpu":
        return "cpu"
    if resolved.index is not None:
        raise ConfigError(f"{devices} processes need a GPU each; give --device cuda in place of {device}")
    there = torch.cuda.device_count()
    if devices > there:
        raise ConfigError(f"training.devices is {devices}, but torch sees {there} GPUs")
    return "gpu"


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's messages about settings that are chosen here on purpose."""
    levels = {name: logging.getLogger(name).level for name in ("pytorch_lightning", "lightning_fabric")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            warnings.filterwarnings("ignore", module="lightning_fabric")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
