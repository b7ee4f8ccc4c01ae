"""Run: python scripts/bench/features.py MODEL [MODEL ...] -o runs/qsar [--data ../shared/data].

Frozen encoders as QSAR features, beside ECFP4 counts (2,048) and RDKit 2D descriptors: ESOL, FreeSolv, Lipophilicity
(RMSE, R²) and BACE (AUROC), random and scaffold splits of 80 to 20, five seeds. The head (ridge or logistic regression,
random forest, kNN) and its settings are chosen by inner cross-validation on the training part. One row per cell is
added to `cells.csv` as it is done; an interrupted run goes on where it stopped. Prints mean ± sd and mean ranks.

Blocks of features are joined with equal weight: each has total variance 1. Molecules that an encoder cannot read stay
in: their features are the training mean, and cells.csv counts them.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rdkit import Chem
from rdkit.Chem import Descriptors
from rdkit.Chem.Scaffolds import MurckoScaffold
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline

from molvae.chem.parse import parse_smiles, silence_rdkit
from molvae.chem.similarity import ecfp4_counts
from molvae.featurizer import LatentFeaturizer
from molvae.scoring.parallel import map_chunks

DATASETS = {"esol": "logS", "freesolv": "dG_hyd", "lipophilicity": "logD74", "bace": "active"}
CLASSIFICATION = ("bace",)
SPLITS = ("random", "scaffold")
KINDS = ("z", "hidden", "hidden+heads")
KEY = ("dataset", "split", "seed", "features")
COLUMNS = (*KEY, "head", "inner", "rmse", "r2", "auroc", "n_train", "n_test", "unread")
TEST_SHARE = 0.2
CLIP = 10.0  # standard deviations


def rdkit_2d(smiles: list[str]) -> np.ndarray:
    """All of RDKit's 2D descriptors but Ipc, which grows without bound (AvgIpc is among them); nan where undefined."""
    names = [name for name, _ in Descriptors.descList if name != "Ipc"]
    with silence_rdkit():
        rows = [Descriptors.CalcMolDescriptors(parse_smiles(s)) for s in smiles]
    values = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    return np.where(np.isfinite(values) & (np.abs(values) < 1e30), values, np.nan).astype(np.float32)


class Blocks(TransformerMixin, BaseEstimator):
    """Blocks of columns with equal weight: missing → mean, dense ones standardized, total variance 1 each.

    Args:
        sizes: columns of each block.
        dense: whether a block is standardized column by column (descriptors, latents) or only centered (counts).
    """

    def __init__(self, sizes: tuple[int, ...], dense: tuple[bool, ...]) -> None:
        self.sizes = sizes
        self.dense = dense

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> "Blocks":  # noqa: N803
        """Take means and spreads of the training molecules."""
        with np.errstate(all="ignore"):
            self.mean_ = np.nan_to_num(np.nanmean(X, axis=0))
            spread = np.nan_to_num(np.nanstd(X, axis=0))
        scale, first = np.zeros_like(spread), 0
        for size, dense in zip(self.sizes, self.dense, strict=True):
            part = slice(first, first + size)
            varying = spread[part] > 1e-8
            total = varying.sum() if dense else (spread[part] ** 2).sum()
            each = np.where(varying, 1 / np.where(varying, spread[part], 1), 0) if dense else varying.astype(float)
            scale[part] = each / np.sqrt(max(total, 1e-12))
            first += size
        self.scale_ = scale
        self.limit_ = CLIP * np.where(scale > 0, scale * spread, 0)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Scale."""
        scaled = np.where(np.isnan(X), 0.0, X - self.mean_) * self.scale_
        return np.clip(scaled, -self.limit_, self.limit_).astype(np.float32)


def heads(classify: bool, trees: int, seed: int) -> dict[str, tuple[BaseEstimator, dict]]:
    """The three heads and what inner cross-validation chooses from."""
    neighbors = {"head__n_neighbors": [3, 5, 10, 20], "head__metric": ["euclidean", "cosine"]}
    forest = {"n_estimators": trees, "max_features": "sqrt", "random_state": seed, "n_jobs": 1}
    if classify:
        logistic = LogisticRegression(max_iter=2000)
        return {
            "linear": (logistic, {"head__C": [1.0, 10.0, 100.0, 1000.0, 10000.0]}),
            "forest": (RandomForestClassifier(**forest), {"head__min_samples_leaf": [1]}),
            "knn": (KNeighborsClassifier(weights="distance", algorithm="brute"), neighbors),
        }
    return {
        "linear": (Ridge(), {"head__alpha": [1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0]}),
        "forest": (RandomForestRegressor(**forest), {"head__min_samples_leaf": [1]}),
        "knn": (KNeighborsRegressor(weights="distance", algorithm="brute"), neighbors),
    }


def scaffold_groups(smiles: list[str]) -> np.ndarray:
    """A number for each molecule's Bemis-Murcko scaffold, `(n,)`; molecules without a ring share one."""
    scaffolds = [MurckoScaffold.MurckoScaffoldSmiles(mol=parse_smiles(s)) for s in smiles]
    return np.unique(scaffolds, return_inverse=True)[1]


def test_rows(split: str, groups: np.ndarray, seed: int) -> np.ndarray:
    """Which molecules are tested on, `(n,)` bool; scaffolds with more than half of them stay in training."""
    rng = np.random.default_rng(seed)
    n_test = int(TEST_SHARE * len(groups))
    test = np.zeros(len(groups), dtype=bool)
    if split == "random":
        test[rng.permutation(len(groups))[:n_test]] = True
        return test
    counts = np.bincount(groups)
    for group in rng.permutation(len(counts)):
        if counts[group] <= n_test / 2 and test.sum() + counts[group] <= n_test:
            test |= groups == group
    return test


def run_cell(
    x: np.ndarray, y: np.ndarray, blocks: Blocks, groups: np.ndarray, test: np.ndarray, *, classify: bool, split: str,
    trees: int, seed: int, n_jobs: int,
) -> dict[str, float | str]:  # fmt: skip
    """Choose a head on the training molecules, and judge it on the others."""
    train = ~test
    if split == "scaffold":
        folds = list(GroupKFold(3).split(x[train], y[train], groups[train]))
    else:
        kind = StratifiedKFold if classify else KFold
        folds = list(kind(3, shuffle=True, random_state=seed).split(x[train], y[train]))
    scoring = "roc_auc" if classify else "neg_root_mean_squared_error"
    searches = {}
    for name, (head, grid) in heads(classify, trees, seed).items():
        pipeline = Pipeline([("blocks", blocks), ("head", head)])
        searches[name] = GridSearchCV(pipeline, grid, cv=folds, scoring=scoring, n_jobs=n_jobs).fit(x[train], y[train])
    best = max(searches, key=lambda name: searches[name].best_score_)
    result: dict[str, float | str] = {"head": best, "inner": round(float(searches[best].best_score_), 5)}
    if classify:
        return result | {"auroc": round(float(roc_auc_score(y[test], searches[best].predict_proba(x[test])[:, 1])), 5)}
    predicted = searches[best].predict(x[test])
    rmse, r2 = root_mean_squared_error(y[test], predicted), r2_score(y[test], predicted)
    return result | {"rmse": round(float(rmse), 5), "r2": round(float(r2), 5)}


class Features:
    """Blocks of features of one data set, computed when first wanted and kept on disk.

    Args:
        folder: where they are kept.
        dataset: its name.
        smiles: its molecules.
        models: label → path.
        randomized_smiles: randomized SMILES averaged over.
        n_jobs: processes.
    """

    def __init__(
        self,
        folder: Path,
        dataset: str,
        smiles: list[str],
        models: dict[str, Path],
        randomized_smiles: int,
        n_jobs: int,
    ) -> None:
        self.folder, self.dataset, self.smiles, self.models = folder, dataset, smiles, models
        self.randomized_smiles, self.n_jobs = randomized_smiles, n_jobs

    def block(self, name: str) -> np.ndarray:
        """Features `(n, F)`: ecfp, rdkit, or one of `KINDS` with a model's label after a colon."""
        path = self.folder / f"{self.dataset}-{name.replace(':', '-')}-{self.randomized_smiles}.npy"
        if path.is_file():
            return np.load(path)
        if name in ("ecfp", "rdkit"):
            function = ecfp4_counts if name == "ecfp" else rdkit_2d
            chunks = map_chunks(function, self.smiles, chunk_size=200, description=name, n_jobs=self.n_jobs)
            values = np.concatenate(list(chunks)).astype(np.float32)
        else:
            kind, label = name.split(":")
            featurizer = LatentFeaturizer(
                self.models[label],
                features={"z": "mean"}.get(kind, kind),
                randomized_smiles=self.randomized_smiles,
                invalid="nan",
                n_jobs=self.n_jobs,
            )
            values = featurizer.transform(self.smiles)
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(path, values)
        return values


def feature_sets(models: list[str], chosen: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Name → blocks: the baselines, then each model alone, and the first one joined with the baselines too."""
    baselines = {"ecfp": ("ecfp",), "rdkit": ("rdkit",), "ecfp+rdkit": ("ecfp", "rdkit")}
    sets: dict[str, tuple[str, ...]] = dict(baselines)
    for label in models:
        for kind in KINDS:
            block = f"{kind}:{label}"
            sets[block] = (block,)
            if label == models[0]:
                sets |= {f"{name}+{block}": (*blocks, block) for name, blocks in baselines.items()}
    return {k: v for k, v in sets.items() if not chosen or k in chosen}


def read(data: Path, dataset: str) -> tuple[list[str], np.ndarray]:
    """Molecules and labels; a molecule that occurs twice is kept once."""
    frame = pd.read_csv(data / f"{dataset}.csv.gz")
    frame["smiles"] = [Chem.MolToSmiles(parse_smiles(s)) for s in frame["smiles"]]
    frame = frame.drop_duplicates("smiles")
    return frame["smiles"].tolist(), frame[DATASETS[dataset]].to_numpy(dtype=float)


def summary(cells: pd.DataFrame) -> Iterator[str]:
    """Markdown: mean ± sd of each metric, and the mean rank by RMSE or AUROC over the data sets."""
    for split in cells["split"].unique():
        part = cells[cells["split"] == split]
        shown, ranks = {}, {}
        for dataset in part["dataset"].unique():
            metrics = ("auroc",) if dataset in CLASSIFICATION else ("rmse", "r2")
            grouped = part[part["dataset"] == dataset].groupby("features", sort=False)[list(metrics)]
            mean, sd = grouped.mean(), grouped.std()
            for m in metrics:
                texts = [f"{a:.3f} ± {b:.3f}" for a, b in zip(mean[m], sd[m], strict=True)]
                shown[f"{dataset} {m.upper()}"] = pd.Series(texts, index=mean.index)
            ranks[dataset] = mean[metrics[0]].rank(ascending=dataset not in CLASSIFICATION)
        table = pd.DataFrame(shown)
        table["mean rank"] = pd.DataFrame(ranks).mean(axis=1).map("{:.2f}".format)
        yield f"\n{split} split, mean ± sd over {part['seed'].nunique()} seeds\n"
        yield "| features | " + " | ".join(table.columns) + " |"
        yield "| --- |" + " ---: |" * len(table.columns)
        for name, row in table.iterrows():
            yield f"| {name} | " + " | ".join("–" if v != v else str(v) for v in row) + " |"


@click.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of cells.csv.")
@click.option("--data", type=click.Path(path_type=Path), default="../shared/data", show_default=True)
@click.option("--datasets", default=",".join(DATASETS), show_default=True)
@click.option("--splits", default=",".join(SPLITS), show_default=True)
@click.option("--seeds", default="0,1,2,3,4", show_default=True)
@click.option("--sets", "chosen", default="", help="Feature sets, comma-separated.  [default: all]")
@click.option("--randomized-smiles", default=0, show_default=True, help="Randomized SMILES averaged over.")
@click.option("--trees", default=300, show_default=True)
@click.option("--jobs", "n_jobs", default=1, show_default=True)
def main(
    models: tuple[Path, ...], output: Path, data: Path, datasets: str, splits: str, seeds: str, chosen: str,
    randomized_smiles: int, trees: int, n_jobs: int,
) -> None:  # fmt: skip
    """Fill the table."""
    if not data.is_dir():
        click.echo(f"{data} is not there: nothing to do; name the folder with --data", err=True)
        return
    labeled = {path.name: path for path in models}
    sets = feature_sets(list(labeled), tuple(filter(None, chosen.split(","))))
    output.mkdir(parents=True, exist_ok=True)
    file = output / "cells.csv"
    if not file.is_file():
        file.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    done = {tuple(row) for row in pd.read_csv(file, dtype=str)[list(KEY)].to_numpy()}
    for dataset in datasets.split(","):
        smiles, y = read(data, dataset)
        groups = scaffold_groups(smiles)
        features = Features(output / "features", dataset, smiles, labeled, randomized_smiles, n_jobs)
        for split in splits.split(","):
            for seed in seeds.split(","):
                for name, blocks in sets.items():
                    if (dataset, split, seed, name) in done:
                        continue
                    parts = [features.block(block) for block in blocks]
                    scaler = Blocks(tuple(p.shape[1] for p in parts), tuple(block != "ecfp" for block in blocks))
                    test = test_rows(split, groups, int(seed))
                    result = run_cell(
                        np.hstack(parts), y, scaler, groups, test, classify=dataset in CLASSIFICATION, split=split,
                        trees=trees, seed=int(seed), n_jobs=n_jobs,
                    )  # fmt: skip
                    unread = max(int(np.isnan(p).all(axis=1).sum()) for p in parts)
                    where = {"dataset": dataset, "split": split, "seed": seed, "features": name, "unread": unread}
                    with file.open("a", newline="", encoding="utf-8") as stream:
                        counts = {"n_train": int((~test).sum()), "n_test": int(test.sum())}
                        csv.DictWriter(stream, COLUMNS, lineterminator="\n").writerow(where | counts | result)
                    click.echo(f"{dataset} {split} {seed} {name}: {result}", err=True)
    for line in summary(pd.read_csv(file)):
        print(line)


if __name__ == "__main__":
    main()
