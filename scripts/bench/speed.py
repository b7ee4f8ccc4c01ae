"""Run: python scripts/bench/speed.py [--before DIR] [--prepared FOLDER] [--only PATH …] [--rounds 5].

The paths of docs/performance.md: this version, an earlier one (the checkout DIR) and the VAE of MOSES take turns in one
run, each in a process of its own with one thread. What is compared is CPU time, so that other work on the machine falls
on all of them alike. Prints the machine, the versions, and the median of each with the ratio in the same rounds.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
TRAIN, STRINGS, MOLECULES, TABLE, START = "train", "strings", "molecules", "table", "start"
PATHS = {
    TRAIN: "train, molecules/s",
    STRINGS: "sample, strings unchecked/s",
    MOLECULES: "sample, valid molecules/s",
    TABLE: "sample with QED, logP and SA, molecules/s",
    START: "start of `sample -n 1`, seconds",
}


def cpu() -> float:
    """CPU seconds of this process and of those it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def ours(path: str, recipe: str, prepared: str) -> Callable[[], int]:
    """One round of a path of the molvae that is imported; it returns how many it made."""
    if path == TRAIN:
        return training(recipe, prepared)
    import torch

    import molvae
    from molvae.cli.tables import described

    vae = molvae.load("moses", device="cpu")
    n = {STRINGS: 1024, MOLECULES: 1000, TABLE: 200}[path]
    if path == MOLECULES:
        return lambda: len(vae.sample(n, seed=0))
    if path == TABLE:
        return lambda: len(described(vae.sample(n, seed=0)))
    generator = torch.Generator().manual_seed(0)

    def strings() -> int:
        for _ in range(n // 512):
            z = vae.sample_z(512, generator=generator)
            noise = torch.rand(512, vae.max_length, generator=generator, dtype=torch.float64)
            ids = vae.model.decode(z, max_length=vae.max_length, greedy=False, noise=noise)
            [vae.vocabulary.decode(row) for row in ids.tolist()]
        return n

    return strings


def training(recipe: str, prepared: str) -> Callable[[], int]:
    """8 steps of a recipe, as `molvae train` makes them, batches included."""
    import numpy as np
    import torch

    from molvae.data.batches import TokenBatches
    from molvae.data.prepared import PreparedData
    from molvae.nn.build import build_model
    from molvae.training.clock import TrainingClock
    from molvae.training.config import load_experiment
    from molvae.training.module import VAEModule

    experiment, data = load_experiment(ROOT / recipe), PreparedData.open(prepared)
    if experiment.model.encoder.member.reads_graphs:
        data = data.with_graphs()
    if experiment.training.compares_fingerprints:
        data = data.with_fingerprints()
    statistics_of = data.statistics
    torch.manual_seed(0)
    model = build_model(
        experiment.model,
        vocabulary_size=len(data.vocabulary),
        property_names=statistics_of.names,
        property_mean=statistics_of.mean,
        property_std=statistics_of.std,
    )
    bits = 0 if data.fingerprints is None else 8 * data.fingerprints.shape[1]
    module = VAEModule(model, experiment.training, TrainingClock(max_steps=100_000), n_bits=bits)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=True)
    every = np.arange(len(statistics_of.names))
    size = experiment.training.batch_size
    stream = iter(TokenBatches(data, data.indices("train")[:200_000], batch_size=size, property_index=every))
    bf16 = experiment.training.precision == "bf16-mixed"

    def steps() -> int:
        n = 0
        for _ in range(8):
            batch = next(stream)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                loss = module.training_step(batch, 0)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), experiment.training.gradient_clip)
            optimizer.step()
            optimizer.zero_grad()
            n += len(batch)
        return n

    return steps


def moses(path: str) -> Callable[[], int]:
    """One round of MOSES's VAE, by its own code, untrained: its sampler always writes 100 tokens."""
    import torch
    from moses_vae import VALID, load
    from rdkit import Chem, rdBase

    model, trainer, smiles = load()
    if path == TRAIN:
        collate = trainer.get_collate_fn(model)
        optimizer = torch.optim.Adam(trainer.get_optim_params(model), lr=3e-4)
        size = trainer.config.n_batch

        def step() -> int:
            batch = tuple(collate(smiles[:size]))
            kl, reconstruction = model(batch)
            optimizer.zero_grad()
            (0.05 * kl + reconstruction).backward()
            torch.nn.utils.clip_grad_norm_(trainer.get_optim_params(model), trainer.config.clip_grad)
            optimizer.step()
            return size

        return step

    def sample() -> int:
        model.sample(256)
        if path == STRINGS:
            return 256
        with rdBase.BlockLogs():  # of the trained model's strings 97.7 % are valid, and as long as these
            for text in smiles[:256]:
                Chem.MolToSmiles(Chem.MolFromSmiles(text))
        return int(256 * VALID)

    return sample


def start(command: str) -> Callable[[], float]:
    """The CPU seconds of a command, once."""

    def run() -> float:
        before = cpu()
        subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return cpu() - before

    return run


def child(who: str, path: str, recipe: str, prepared: str) -> None:
    """Answer each line of standard input with one round: its CPU seconds per thing made."""
    import torch

    torch.set_num_threads(1)
    if path == START:
        code = "import torch" if who == "peer" else "from molvae.cli import main; main(['sample', '-n', '1', '-q'])"
        timed = start(f'{sys.executable} -c "{code}"')
    else:
        work = moses(path) if who == "peer" else ours(path, recipe, prepared)
        work()

        def timed() -> float:
            before = cpu()
            n = work()
            return (cpu() - before) / n

    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(timed()), flush=True)


@click.command()
@click.option("--before", type=click.Path(exists=True, path_type=Path), help="A checkout of an earlier version.")
@click.option("--prepared", type=click.Path(exists=True, path_type=Path), help="A prepared folder, for training.")
@click.option("--recipe", default="configs/moses-cpu.yaml", show_default=True)
@click.option("--only", type=click.Choice(list(PATHS)), multiple=True, help="These paths alone (repeatable).")
@click.option("--peer/--no-peer", default=True, help="Whether the VAE of MOSES, or `import torch`, is measured too.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--child", "worker", nargs=2, hidden=True)
def main(
    before: Path | None,
    prepared: Path | None,
    recipe: str,
    only: tuple[str, ...],
    peer: bool,
    rounds: int,
    worker: tuple[str, str] | None,
) -> None:
    """Print the table."""
    if worker:
        child(*worker, recipe, str(prepared))
        return
    import torch

    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    print(f"{cpus[0].split(': ')[1]}, {len(cpus)} threads, one used; Python {platform.python_version()}, ", end="")
    print(f"torch {torch.__version__}; {time.strftime('%Y-%m-%d')}; CPU time, medians of {rounds} rounds in turn\n")
    print("| path | before | now | now / before | MOSES's VAE, or import torch | now / that |\n| --- |" + " ---: |" * 5)
    for path in only or PATHS:
        if path == TRAIN and prepared is None:
            continue
        who = {"now": ROOT} | ({"before": before} if before else {}) | ({"peer": ROOT} if peer else {})
        who = {name: root for name, root in who.items() if not (name == "peer" and path == TABLE)}
        call = [sys.executable, str(HERE), "--recipe", recipe, *(["--prepared", str(prepared)] if prepared else [])]
        workers = {
            name: subprocess.Popen(
                [*call, "--child", name, path],
                env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for name, root in who.items()
        }
        spent: dict[str, list[float]] = {name: [] for name in workers}
        for process in workers.values():
            process.stdout.readline()
        for _ in range(rounds):
            for name, process in workers.items():
                process.stdin.write("\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                if not answer:
                    raise click.ClickException(f"{path}, {name}: it ended; see --child {name} {path}")
                spent[name].append(float(answer))
        for process in workers.values():
            process.stdin.close()
            process.wait()
        print(row(path, spent), flush=True)


def row(path: str, spent: dict[str, list[float]]) -> str:
    """One line of the table; ratios are medians of the ratios of each round."""
    seconds = path == START

    def value(name: str) -> str:
        if name not in spent:
            return ""
        median = statistics.median(spent[name])
        return f"{median:.2f}" if seconds else f"{1 / median:,.0f}"

    def ratio(name: str) -> str:
        if name not in spent:
            return ""
        pairs = zip(spent["now"], spent[name], strict=True)
        return f"{statistics.median(now / other if seconds else other / now for now, other in pairs):.2f} ×"

    cells = [value("before"), value("now"), ratio("before"), value("peer"), ratio("peer")]
    return f"| {PATHS[path]} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
