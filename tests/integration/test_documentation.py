"""What README and docs show works: Python is run, commands and options exist, files and links are there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from molvae.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
RUN = [ROOT / "README.md", ROOT / "docs" / "quickstart.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


PYTHON = [pytest.param(text, id=f"{named(page)}-{i}") for page in RUN for i, text in enumerate(blocks(page, "python"))]
SHELL = [line for page in PAGES for text in blocks(page, "sh") for line in text.replace("\\\n", " ").splitlines()]
CALLS = [part.strip() for line in SHELL for part in line.split("&&") if re.match(r"(\S*/)?molvae ", part.strip())]


@pytest.mark.parametrize("program", PYTHON)
def test_the_python_of_the_guides_runs(program: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    smaller = program.replace("runs/quickstart", str(run)).replace("1000", "5").replace("n_calls=300", "n_calls=6")
    exec(smaller, {})


@pytest.mark.parametrize("line", dict.fromkeys(CALLS))
def test_the_commands_of_the_documentation_have_these_options(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = main
    while isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("-") and word not in ("-", "--version", "--help"):
            assert word.split("=")[0] in known, f"{word} in {line}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    made = {"settings.md", "security.md", "changelog.md", "contributing.md"}  # by scripts/make/site.py
    prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
        if "://" not in target and Path(target).name not in made:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_pages_name_only_files_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in set(re.findall(r"(?<![\w/])(?:configs|scripts|data)/[\w./-]+\.(?:yaml|py|csv\.gz)", text)):
        assert (ROOT / name).is_file() or name.startswith(("data/moses/", "data/prepare/", "data/batches")), name


def test_the_readme_fits_on_a_screen_and_a_half() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8")) < 9000


@pytest.mark.slow
def test_the_outputs_in_the_readme_are_what_its_snippets_print() -> None:
    ran = subprocess.run(
        [sys.executable, "scripts/make/readme.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    ran = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "latent_dim" in (tmp_path / "site" / "reference" / "settings" / "index.html").read_text(encoding="utf-8")
