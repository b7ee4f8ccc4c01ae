"""Run: python scripts/make/readme.py [--check].

Runs the README's snippets that show an output, and writes what they print below them; draws the picture of twelve
molecules. With --check nothing is written, and the exit code says whether the README is up to date.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import molvae
from molvae.report.grid import draw_grid

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "images" / "samples.png"
SNIPPET = re.compile(r"```(sh|python)\n([^`]*?)```\n(<!-- output(?:: (\d+))? -->)\n```text\n(.*?)```\n", re.DOTALL)
BAR = "━"


def output(language: str, code: str, line: str | None) -> str:
    """What a snippet prints in an empty folder, without bars of progress; with a line's number, that line alone."""
    code = code if line is None else code.splitlines()[int(line) - 1]
    program = ["bash", "-euc", code] if language == "sh" else [sys.executable, "-c", code]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").symlink_to(ROOT / "data")
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "100"}
        ran = subprocess.run(
            program,
            cwd=folder,
            env=environment,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    lines = [text.rstrip() for text in ran.stdout.splitlines() if "/s " not in text or BAR not in text]
    return "\n".join(lines).strip("\n") + "\n"


def with_outputs(text: str) -> str:
    """The README with what its snippets print now."""

    def filled(match: re.Match[str]) -> str:
        language, code, mark, line, _ = match.groups()
        return f"```{language}\n{code}```\n{mark}\n```text\n{output(language, code, line)}```\n"

    return SNIPPET.sub(filled, text)


def main() -> None:
    """Write or compare."""
    before = README.read_text(encoding="utf-8")
    after = with_outputs(before)
    if "--check" in sys.argv:
        sys.exit(0 if before == after else "README.md is not what its snippets print; run scripts/make/readme.py")
    README.write_text(after, encoding="utf-8")
    draw_grid(molvae.load(device="cpu").sample(12, unique=True, seed=0), PICTURE, columns=6)


if __name__ == "__main__":
    main()
