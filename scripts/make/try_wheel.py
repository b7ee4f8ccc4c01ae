"""Run: python scripts/make/try_wheel.py.

Builds the wheel and the sdist into dist/, installs each into an environment of its own, and has it do what a newcomer
does first, away from the checkout. Needs `pip install build`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Build and try both."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(ROOT / "dist"), str(ROOT)], check=True)
    for pattern in ("*.whl", "*.tar.gz"):
        package = max((ROOT / "dist").glob(f"molvae-{pattern}"), key=lambda path: path.stat().st_mtime)
        with tempfile.TemporaryDirectory() as folder:
            python = f"{folder}/venv/bin/python"
            subprocess.run([sys.executable, "-m", "venv", f"{folder}/venv"], check=True)
            subprocess.run(
                [python, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(package)], check=True
            )
            for call in (["sample", "-n", "20", "-o", "new.csv"], ["models"], ["recipes"]):
                subprocess.run([f"{folder}/venv/bin/molvae", *call], check=True, cwd=folder, stdout=subprocess.DEVNULL)
            lines = (Path(folder) / "new.csv").read_text(encoding="utf-8").splitlines()
            if len(lines) != 21:
                sys.exit(f"{package.name}: new.csv has {len(lines)} lines; expected a header and 20 molecules")
        print(f"{package.name}: {package.stat().st_size / 1e6:.1f} MB, installs and samples")


if __name__ == "__main__":
    main()
