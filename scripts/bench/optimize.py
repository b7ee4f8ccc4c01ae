"""Run: python scripts/bench/optimize.py MODEL -o FOLDER .

The 20 RDKit tasks of PMO at 10,000 oracle calls, AUC of the top 10, no prescreening: every method × task × seed that is
asked for, beside the published values of the best latent Bayesian optimization over SELFIES. The commands behind the
table of docs/benchmarks-optimization.md:

    python scripts/bench/optimize.py zinc -o runs/pmo --methods tanimoto-bo --seeds 0,1,2
    python scripts/bench/optimize.py zinc -o runs/pmo --methods screen,random --seeds 0
    python scripts/bench/optimize.py zinc -o runs/pmo --table

Each run begins with the same 200 molecules drawn from the training sample by its seed (their calls are counted), as the
genetic algorithms of PMO do. `random` goes on with draws from the prior, `screen` lets a Gaussian process on
fingerprints choose among draws from the prior. Every molecule that is scored costs a call, including the start
molecules; none is scored beforehand. A run whose ten best all score 1 ends there: its AUC cannot change.
FOLDER/results.csv gets a line per run, `made` being the calls it made; every call is in FOLDER/calls. An interrupted
run goes on where it stopped, and finished runs are not repeated.
"""

import csv
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

import molvae
from molvae.cli.options import progress_for
from molvae.formats.readers import read_molecules
from molvae.optimize.methods import FINETUNED, WITH_FINETUNING
from molvae.optimize.run import optimize
from molvae.optimize.tasks import TASKS, load_task, task_name

SAMPLE = Path(__file__).parents[2] / "data" / "zinc_sample.csv.gz"
PUBLISHED = {
    "albuterol_similarity": 0.817,
    "amlodipine_mpo": 0.672,
    "celecoxib_rediscovery": 0.546,
    "deco_hop": 0.675,
    "fexofenadine_mpo": 0.784,
    "isomers_c7h8n2o2": 0.748,
    "isomers_c9h10n2o2pf2cl": 0.842,
    "median1": 0.340,
    "median2": 0.260,
    "mestranol_similarity": 0.607,
    "osimertinib_mpo": 0.828,
    "perindopril_mpo": 0.586,
    "qed": 0.941,
    "ranolazine_mpo": 0.698,
    "scaffold_hop": 0.629,
    "sitagliptin_mpo": 0.516,
    "thiothixene_rediscovery": 0.496,
    "troglitazone_rediscovery": 0.375,
    "valsartan_smarts": 0.594,
    "zaleplon_mpo": 0.504,
}
COLUMNS = (
    "method",
    "finetune",
    "task",
    "seed",
    "calls",
    "made",
    "auc_top10",
    "top1",
    "top10",
    "top100",
    "seconds",
    "oracle",
)


def print_table(results: pd.DataFrame) -> None:
    """Mean and spread over seeds, one line per task, and the sums."""
    results = results.assign(label=results["method"] + np.where(results["finetune"], " + finetune", ""))
    labels = sorted(results["label"].unique())
    table = Table("task", "published", *labels, title="AUC top-10, mean ± sd over seeds", title_justify="left")
    for task in TASKS:
        of_task = results[results["task"] == task]
        cells = []
        for label in labels:
            auc = of_task[of_task["label"] == label]["auc_top10"]
            cells.append(f"{auc.mean():.3f} ± {auc.std(ddof=0):.3f} ({len(auc)})" if len(auc) else "")
        table.add_row(task, f"{PUBLISHED[task]:.3f}", *cells)
    table.add_section()
    means = results.groupby(["label", "task"])["auc_top10"].mean()
    done = {label: means[label] for label in labels}
    sums = [
        f"{of.sum():.3f} ({len(of)} tasks; published {sum(PUBLISHED[t] for t in of.index):.3f})" for of in done.values()
    ]
    table.add_row("sum", f"{sum(PUBLISHED.values()):.3f}", *sums)
    for column, name in (("seconds", "search, s per 1,000 calls"), ("oracle", "oracle, s per 1,000 calls")):
        cost = 1000 * results[column] / results["made"]
        table.add_row(name, "", *(f"{cost[results['label'] == label].mean():.1f}" for label in labels))
    Console(width=200).print(table)


@click.command()
@click.argument("model")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for results and calls.")
@click.option("--methods", default="tanimoto-bo,evolution,screen,random", show_default=True)
@click.option("--tasks", default=",".join(TASKS), help="Default: all twenty.")
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--calls", default=10_000, show_default=True)
@click.option("--start", default=200, show_default=True, help="Molecules of the training sample to begin with.")
@click.option("--finetune/--no-finetune", default=None, help="By default each method's own.")
@click.option("--table", "only_table", is_flag=True, help="Only print the table of what is done.")
def main(
    model: str,
    output: Path,
    methods: str,
    tasks: str,
    seeds: str,
    calls: int,
    start: int,
    finetune: bool | None,
    only_table: bool,
) -> None:
    """Run what is not done yet and print the table."""
    results = output / "results.csv"
    (output / "calls").mkdir(parents=True, exist_ok=True)
    if not results.exists():
        results.write_text(",".join(COLUMNS) + "\n")
    wanted = [(m, task_name(t), int(s)) for s in seeds.split(",") for t in tasks.split(",") for m in methods.split(",")]
    pool = [row.smiles for row in read_molecules(SAMPLE) if row.smiles]
    vae = molvae.load(model)
    for method, task, seed in [] if only_table else wanted:
        done = pd.read_csv(results)
        tuned = method in (FINETUNED if finetune is None else WITH_FINETUNING if finetune else ())
        same = (done["method"] == method) & (done["task"] == task) & (done["seed"] == seed)
        if (same & (done["finetune"] == tuned) & (done["calls"] == calls)).any():
            continue
        name = f"{method}{'-finetune' if tuned else ''}_{task}_{seed}_{calls}.jsonl"
        click.echo(f"{method}, {task}, seed {seed}", err=True)
        found = optimize(
            vae,
            load_task(task),
            method=method,
            n_calls=calls,
            target=1 - 1e-9,
            hits=10,
            start=np.random.default_rng(seed).choice(pool, start, replace=False).tolist() if start else (),
            finetune=tuned,
            seed=seed,
            record=output / "calls" / name,
            resume=True,
            progress=progress_for(False),
        )
        row = {
            "method": method,
            "finetune": tuned,
            "task": task,
            "seed": seed,
            "calls": calls,
            "made": len(found.scores),
        }
        row |= found.summary() | {"seconds": found.seconds, "oracle": found.oracle_seconds}
        with results.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(
                {k: f"{v:.5f}" if isinstance(v, float) else v for k, v in row.items()}
            )
    print_table(pd.read_csv(results))


if __name__ == "__main__":
    main()
