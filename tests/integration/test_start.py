"""What is slow to import is imported by what needs it."""

import subprocess
import sys

LATE = {"pandas", "scipy", "joblib", "sklearn", "pyarrow", "pytorch_lightning", "torch_geometric", "zuko", "tokenizers"}


def _loaded(code: str) -> set[str]:
    call = [sys.executable, "-c", f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"]
    return set(subprocess.run(call, check=True, capture_output=True, text=True).stdout.split())


def test_help_loads_neither_torch_nor_rdkit() -> None:
    code = "from molvae.cli import main\nmain(['--help'], standalone_mode=False)"
    assert not _loaded(code) & (LATE | {"torch", "rdkit", "numpy", "pydantic"})


def test_a_model_is_loaded_and_sampled_without_tables_and_searches() -> None:
    code = "import molvae\nmolvae.load('moses', device='cpu').sample(1, seed=0)"
    assert not _loaded(code) & LATE
