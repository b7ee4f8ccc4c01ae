"""The VAE of MOSES (Polykovskiy et al. 2020), as its authors published it: fetched with pip, run by its own code.

The wheel on PyPI is downloaded once (50 MB, checked against a hash) and unpacked in this user's cache; only its model,
trainer and vocabulary are imported.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

WHEEL = "molsets-0.3.1-py3-none-any.whl"
SHA256 = "7f4450e3ebecebe79c3a2a55950c93daddee071120daf64a163d03481e811d34"
VALID = 0.977  # share of valid molecules among those of the trained model, Polykovskiy et al. 2020, table 3


def fetch() -> Path:
    """The folder that the package `moses` is unpacked in."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "molvae-bench"
    wheel, unpacked = folder / WHEEL, folder / "molsets-0.3.1"
    if not wheel.exists():
        folder.mkdir(parents=True, exist_ok=True)
        call = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "molsets==0.3.1", "-d", str(folder)]
        subprocess.run(call, check=True)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{wheel} is not the published one; delete it")
    if not unpacked.exists():
        with zipfile.ZipFile(wheel) as archive:
            names = [n for n in archive.namelist() if n.startswith("moses/vae/") or n in NEEDED]
            archive.extractall(unpacked, names)
        model = unpacked / "moses/vae/model.py"  # its sampler masks with bytes, which torch no longer takes
        model.write_text(model.read_text().replace("torch.uint8", "torch.bool"))
        (unpacked / "moses" / "__init__.py").touch()  # the package's own imports all models, and what they need
    return unpacked


NEEDED = ("moses/utils.py", "moses/interfaces.py", "moses/dataset/data/train.csv.gz")


def load() -> tuple[Any, Any, list[str]]:
    """The untrained model with its published settings, its trainer, and 50,000 of its training molecules."""
    folder = fetch()
    sys.path.insert(0, str(folder))
    import pandas as pd
    from moses.utils import OneHotVocab
    from moses.vae.config import get_parser
    from moses.vae.model import VAE
    from moses.vae.trainer import VAETrainer

    smiles = pd.read_csv(folder / "moses/dataset/data/train.csv.gz", nrows=50_000)["SMILES"].tolist()
    config = SimpleNamespace(**vars(get_parser().parse_args([])))
    model = VAE(OneHotVocab.from_data(smiles), config)
    return model, VAETrainer(config), smiles
