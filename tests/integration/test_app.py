"""`molvae app` in a browser: its journeys, and what its server refuses; skipped without Playwright and Chromium."""

import http.client
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("nicegui")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("needs Chromium; on Debian: apt-get install chromium", allow_module_level=True)

PATIENCE = 180_000  # milliseconds
PICTURES = os.environ.get("MOLVAE_PICTURES")  # a folder for screenshots


@contextmanager
def serving(model: str, folder: Path) -> Iterator[str]:
    """The address of an app with this model."""
    molecules = folder / "map.smi"
    molecules.write_text(
        "\n".join(f"{'C' * i}c1ccc({a})cc1" for i in range(1, 7) for a in ("O", "N", "Cl", "F")) + "\n"
    )
    command = [sys.executable, "-c", "from molvae.cli import main; main()", "app", "-m", model, "--no-browser"]
    command += ["--molecules", str(molecules), "--device", "cpu"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        assert server.stderr is not None
        said: list[str] = []
        try:
            for line in server.stderr:
                said.append(line)
                if "token=" in line:
                    break
            assert "token=" in said[-1], "".join(said)
            yield said[-1].split()[-1]
        finally:
            server.terminate()
            server.wait(20)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("zinc", tmp_path_factory.mktemp("app")) as where:
        yield where


@contextmanager
def browsing(address: str) -> Iterator[Any]:
    """A page of the app; fails when the page asks any other computer for something."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        page.set_default_timeout(PATIENCE)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
        page.goto(address)
        page.wait_for_selector("text=molecules on the map")
        yield page
        browser.close()
        assert set(asked) <= {urlsplit(address).netloc, ""}


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    with browsing(address) as opened:
        yield opened


def marked(page: Any, name: str) -> Any:
    return page.locator(f"[data-test={name}]")


def picture(page: Any, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


def tab(page: Any, name: str) -> None:
    page.locator(f".q-tab:has-text('{name}')").click()


def taken(page: Any, name: str) -> str:
    """The text of a download."""
    with page.expect_download() as download:
        marked(page, name).click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_a_click_into_the_map_draws_molecules_from_that_place(page: Any) -> None:
    marked(page, "map").click(position={"x": 300, "y": 200})
    page.wait_for_selector("text=nearest on the map")
    assert page.locator("[data-test=map-cards] .molecule svg").count() >= 2
    picture(page, "app-map")
    page.set_input_files(
        "input[type=file]", files=[{"name": "own.smi", "mimeType": "text/plain", "buffer": b"CCO\nCCN\nCCCO\n[Xx]\n"}]
    )
    page.wait_for_selector("text=3 of 4 molecules on the map")


def test_samples_are_drawn_and_taken_along(page: Any) -> None:
    tab(page, "Sample")
    page.locator("input[data-test=count], [data-test=count] input").first.fill("7")
    marked(page, "draw").click()
    page.wait_for_selector("text=7 molecules")
    assert page.locator("[data-test=samples-cards] .molecule").count() == 7
    assert len(taken(page, "samples-csv").splitlines()) == 8
    assert taken(page, "samples-sdf").count("$$$$") == 7
    picture(page, "app-sample")


def test_a_path_is_walked_with_the_slider(page: Any) -> None:
    tab(page, "Path")
    marked(page, "find-path").click()
    page.wait_for_selector("text=0.00 of the way, given")
    place = page.locator("[data-test=place] [tabindex='0']").first
    place.focus()
    for _ in range(8):
        place.press("ArrowRight")
    page.wait_for_selector("text=1.00 of the way, given")
    picture(page, "app-path")


def test_neighbors_of_a_drawn_molecule_are_shown(page: Any) -> None:
    tab(page, "Neighbors")
    page.wait_for_function("window.sketcher !== undefined")
    page.evaluate("window.sketcher.readGenericMolecularInput('CCOc1ccccc1')")
    page.wait_for_function("window.sketcher.smiles().length > 5")
    marked(page, "take").click()
    page.wait_for_function(
        "document.querySelector('input[data-test=molecule], [data-test=molecule] input').value.length > 5"
    )
    marked(page, "walk").click()
    page.wait_for_selector("text=new molecules")
    assert page.locator("[data-test=neighbors-cards] .molecule").count() >= 4
    picture(page, "app-neighbors")


def test_a_search_is_watched_and_stopped(page: Any) -> None:
    tab(page, "Search")
    page.locator("input[data-test=calls], [data-test=calls] input").first.fill("5000")
    marked(page, "start").click()
    page.wait_for_function("/scored, best/.test(document.body.innerText)")
    marked(page, "stop").click()
    page.wait_for_selector("text=stopped")
    scored = int(re.sub(r"\D.*", "", marked(page, "state").inner_text().replace(",", "")))
    assert 0 < scored < 5000
    assert len(taken(page, "search-csv").splitlines()) == scored + 1
    picture(page, "app-search")


def test_a_conditional_model_is_asked_with_sliders(kind_of: Callable[[str], Any], tmp_path: Path) -> None:
    with serving(kind_of("conditional_flow").where, tmp_path) as where, browsing(where) as page:
        tab(page, "Sample")
        marked(page, "ask-logp").click()
        page.locator("input[data-test=count], [data-test=count] input").first.fill("5")
        marked(page, "draw").click()
        page.wait_for_selector("text=asked for logp")


def answer(address: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    where = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", where.port, timeout=30)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, {name.lower(): value for name, value in response.getheaders()}


def test_the_server_answers_only_this_computer_with_the_token(address: str) -> None:
    token = urlsplit(address).query.removeprefix("token=")
    assert answer(address, "/")[0] == 403
    assert answer(address, "/?token=wrong")[0] == 403
    assert answer(address, "/jsme/jsme.nocache.js")[0] == 403
    assert answer(address, f"/?token={token}", Host="evil.example")[0] == 403
    status, headers = answer(address, f"/?token={token}")
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"].partition(";")[0]
    assert "HttpOnly; SameSite=Strict" in headers["set-cookie"]
    status, headers = answer(address, "/", Cookie=cookie)
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    assert answer(address, "/", Cookie=cookie, Origin="http://evil.example")[0] == 403
    assert answer(address, "/", Cookie=cookie, **{"Content-Length": "30000000"})[0] == 413
