"""Run: python scripts/bench/killed_worker.py INPUT -o runs/killed [-m qsar] [--shard-rows 100].

Encodes a file in parts on a local Dask cluster of two workers, kills one of them with SIGKILL when half of the parts
are done, encodes the file in this process too, and says whether the two results are whole and equal.
"""

import os
import signal
import threading
import time
from pathlib import Path

import click
import pandas as pd
from distributed import LocalCluster

from molvae.inference.parts import encode_parts


@click.command()
@click.argument("path", metavar="INPUT")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("-m", "--model", default="qsar", show_default=True)
@click.option("--shard-rows", default=100, show_default=True)
def main(path: str, output: Path, model: str, shard_rows: int) -> None:
    """Encode both ways, and compare."""
    far, near = output / "cluster", output / "here"
    n_rows, _ = encode_parts(model, [path], near, shard_rows=shard_rows, device="cpu")
    names = sorted(file.name for file in near.glob("*.parquet"))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        doomed = next(iter(cluster.workers.values())).pid
        killed: list[int] = []

        def kill() -> None:
            while len(done := list(far.glob("*.parquet"))) < len(names) // 2:
                time.sleep(0.01)
            os.kill(doomed, signal.SIGKILL)
            killed.append(len(done))

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        encode_parts(model, [path], far, shard_rows=shard_rows, cluster=cluster.scheduler_address, device="cpu")
        thread.join()
    one, other = pd.read_parquet(near), pd.read_parquet(far)
    difference = (one.select_dtypes("number") - other.select_dtypes("number")).abs().max().max()
    texts = all(one[name].equals(other[name]) for name in one.columns if one[name].dtype.kind not in "fi")
    print(f"{n_rows:,} rows in {len(names)} parts; one of two workers was killed when {killed[0]} parts were done")
    print(f"parts on the cluster: {len(list(far.glob('*.parquet')))}; rows: {len(other):,}; texts equal: {texts}")
    print(f"largest difference of a number: {difference:g}")


if __name__ == "__main__":
    main()
