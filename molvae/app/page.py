"""The page: a map, samples, a path, neighbors and a search, of one model."""

import html
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from nicegui import events, run, ui

from molvae.app.space import MOST, SIZE, Space
from molvae.errors import InputError, MolvaeError
from molvae.formats.readers import read_molecules
from molvae.formats.writers import write_table
from molvae.generator import MoleculeGenerator
from molvae.optimize.record import read_record
from molvae.optimize.run import optimize
from molvae.optimize.tasks import TASKS
from molvae.progress import Progress, Stage
from molvae.report.latent_map import structure_svg

MOST_SHOWN, MOST_DRAWN, MOST_CALLS, LONGEST = 60, 1000, 5000, 1000
UPLOAD_BYTES = 5_000_000
HERE = 12  # molecules drawn at a place of the map
START = "CC(=O)Nc1ccc(O)cc1"
SKETCHER = """
<script>
  function jsmeOnLoad() {
    const waiting = setInterval(() => {  // until its tab is opened
      if (!document.getElementById("sketcher")) return;
      clearInterval(waiting);
      window.sketcher = new JSApplet.JSME("sketcher", "420px", "320px", {options: "newlook,star"});
    }, 200);
  }
</script>
<script src="/jsme/jsme.nocache.js"></script>
"""


class _StoppedError(Exception):
    """The search was stopped on the page."""


class _Stoppable(Progress):
    """Ends the work in which it is told of progress once `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop

    @contextmanager
    def stage(self, description: str, *, total: int | None = None, unit: str = "molecules") -> Iterator[Stage]:
        """A stage that raises `_StoppedError`."""
        yield self

    def advance(self, n: int = 1) -> None:
        """End the work if that is wanted."""
        if self.stop.is_set():
            raise _StoppedError


class Results:
    """Molecules side by side, and their table to take along.

    Args:
        name: of the downloaded files.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.frame = pd.DataFrame({"smiles": []})
        with ui.row().classes("items-center"):
            self.note = ui.label()
            ui.button("CSV", on_click=lambda: self.download(".csv")).props(f"flat dense data-test={name}-csv")
            ui.button("SDF", on_click=lambda: self.download(".sdf")).props(f"flat dense data-test={name}-sdf")
        self.cards = ui.row().classes("gap-2").props(f"data-test={name}-cards")

    def show(self, frame: pd.DataFrame, legends: Sequence[str], *, note: str = "") -> None:
        """Show the first molecules of a table, a line under each."""
        self.frame = frame
        self.note.text = note
        self.cards.clear()
        with self.cards:
            for smiles, legend in list(zip(frame["smiles"], legends, strict=True))[:MOST_SHOWN]:
                card(smiles, legend)

    def download(self, ending: str) -> None:
        """Send the whole table to the browser."""
        if not len(self.frame):
            ui.notify("there are no molecules yet")
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{self.name}{ending}"
            write_table(self.frame, path)
            ui.download(path.read_bytes(), path.name)


def card(smiles: str, legend: str, *, width: int = 170) -> None:
    """A molecule with a line below it; a click copies its SMILES."""
    with ui.card().tight().classes("molecule cursor-pointer").style(f"width: {width}px") as shown:
        ui.html(structure_svg(smiles) or "<i>no molecule</i>", sanitize=False).classes("w-full structure")
        ui.label(legend).classes("text-xs px-2 pb-1")
    shown.on("click", lambda: (ui.clipboard.write(smiles), ui.notify(f"copied {smiles}")))
    shown.props(f'title="{html.escape(smiles)}"')


class Page:
    """What one visitor sees.

    Args:
        vae: the model.
        molecules: those of the map at the beginning.
        title: of the page.
    """

    def __init__(self, vae: MoleculeGenerator, molecules: Sequence[str], *, title: str) -> None:
        self.vae, self.molecules, self.title = vae, list(molecules), title
        self.space: Space | None = None
        self.path = pd.DataFrame({"smiles": []})
        self.stop = threading.Event()
        self.folder = tempfile.TemporaryDirectory(prefix="molvae-app-")
        self.record = Path(self.folder.name) / "calls.jsonl"
        self.searching = False

    def build(self) -> None:
        """Lay the page out."""
        ui.add_head_html(
            "<style>.structure svg {width: 100%; height: auto} .structure path {fill: none; stroke-width: 2px}</style>"
        )
        ui.add_body_html(SKETCHER)
        with ui.header().classes("items-center py-2"):
            ui.label(self.title).classes("text-lg")
            self.spinner = ui.spinner(color="white")
            self.spinner.visible = False
        parts: dict[str, Callable[[], None]] = {
            "Map": self._build_map,
            "Sample": self._build_sample,
            "Path": self._build_path,
            "Neighbors": self._build_neighbors,
            "Search": self._build_search,
        }
        with ui.tabs() as tabs:
            for name in parts:
                ui.tab(name)
        with ui.tab_panels(tabs, value="Map", keep_alive=True).classes("w-full"):
            for name, build in parts.items():
                with ui.tab_panel(name):
                    build()

    async def _work(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Do something slow beside the server; an error is shown, and `None` returned."""
        self.spinner.visible = True
        try:
            return await run.io_bound(function, *arguments, **named)
        except MolvaeError as error:
            ui.notify(str(error), type="warning", multi_line=True, close_button=True)
            return None
        finally:
            self.spinner.visible = False

    # --- map

    def _build_map(self) -> None:
        with ui.row().classes("items-center"):
            ui.label("Click into the map to draw molecules from that place. Color: logP.")
            ui.upload(
                label=f"Molecules of your own (at most {MOST:,})",
                max_file_size=UPLOAD_BYTES,
                max_files=1,
                auto_upload=True,
                on_upload=self._uploaded,
                on_rejected=lambda: ui.notify(f"a file may have {UPLOAD_BYTES // 1_000_000} MB", type="warning"),
            ).classes("w-64").props("flat bordered data-test=upload")
        self.map_temperature = _slider("temperature", 0.1, 2.0, self.vae.sampling.temperature)
        with ui.row().classes("w-full items-start"):
            self.plane = ui.interactive_image(
                size=SIZE, on_mouse=self._clicked, events=["click"], cross=False, sanitize=False
            )
            self.plane.classes("border").style(f"width: {SIZE[0]}px; max-width: 100%").props("data-test=map")
            with ui.column().classes("flex-1").style("min-width: 360px"):
                self.here = Results("map")
        ui.timer(0.1, lambda: self._lay_out(self.molecules), once=True)

    async def _lay_out(self, molecules: Sequence[str]) -> None:
        space = await self._work(Space.of, self.vae, molecules)
        if space is None:
            return
        self.space = space
        low, high = np.nanquantile(space.logp, [0.01, 0.99])
        shares = np.clip((space.logp - low) / max(high - low, 1e-9), 0, 1)
        self.plane.content = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{to_hex(colormaps["viridis"](share))}"/>'
            for (x, y), share in zip(space.pixels, shares, strict=True)
        )
        self.here.note.text = f"{len(space.smiles):,} of {len(molecules):,} molecules on the map"

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"upload{Path(event.file.name).suffix}"
            await event.file.save(path)
            molecules = await self._work(_read, path)
        if molecules is not None:
            await self._lay_out(molecules)

    async def _clicked(self, event: events.MouseEventArguments) -> None:
        if self.space is None:
            return
        x, y, near = event.image_x, event.image_y, self.space.nearest(event.image_x, event.image_y)
        drawn = await self._work(
            self.space.sample_at, self.vae, x, y, n=HERE, temperature=self.map_temperature.value, seed=int(x + 1000 * y)
        )
        if drawn is not None:
            smiles = [self.space.smiles[near], *drawn]
            legends = ["nearest on the map", *["drawn here"] * len(drawn)]
            self.here.show(pd.DataFrame({"smiles": smiles, "made": legends}), legends, note=f"{len(drawn)} drawn here")

    # --- sample

    def _build_sample(self) -> None:
        with ui.row().classes("items-center gap-6"):
            self.count = ui.number("molecules", value=24, min=1, max=MOST_DRAWN, format="%d").props("data-test=count")
            self.temperature = _slider("temperature", 0.1, 2.0, self.vae.sampling.temperature)
            ui.button("Draw", on_click=self._draw).props("data-test=draw")
        self.asked: dict[str, tuple[ui.checkbox, ui.slider]] = {}
        condition, heads = self.vae.model.condition, self.vae.model.heads
        for name in () if condition is None else condition.names:
            i = heads.names.index(name)
            mean, deviation = float(heads.mean[i]), float(heads.std[i])
            with ui.row().classes("items-center"):
                wanted = ui.checkbox(f"ask for {name}").props(f"data-test=ask-{name}")
                self.asked[name] = wanted, _slider("", mean - 2.5 * deviation, mean + 2.5 * deviation, mean)
        if condition is None:
            ui.label("This model cannot be asked for properties.").classes("text-gray-500")
        self.samples = Results("samples")

    async def _draw(self) -> None:
        n = int(min(max(self.count.value or 1, 1), MOST_DRAWN))
        condition = {name: float(slider.value) for name, (wanted, slider) in self.asked.items() if wanted.value}
        frame = await self._work(self._drawn, n, float(self.temperature.value), condition)
        if frame is not None:
            legends = [f"QED {r.qed:.2f}, logP {r.logp:.1f}, SA {r.sa:.1f}" for r in frame.itertuples()]
            asked = ", ".join(f"{name} {value:.2f}" for name, value in condition.items())
            mean = f"mean QED {frame.qed.mean():.2f}, logP {frame.logp.mean():.2f}"
            self.samples.show(frame, legends, note=f"{n:,} molecules{', asked for ' + asked if asked else ''}; {mean}")

    def _drawn(self, n: int, temperature: float, condition: dict[str, float]) -> pd.DataFrame:
        return _described(self.vae.sample(n, temperature=temperature, condition=condition))

    # --- path

    def _build_path(self) -> None:
        with ui.row().classes("items-center gap-4"):
            self.start = ui.input("from", value=START).classes("w-80").props("data-test=from")
            self.end = ui.input("to", value="CC(=O)Oc1ccccc1C(=O)O").classes("w-80").props("data-test=to")
            ui.button("Find the path", on_click=self._find_path).props("data-test=find-path")
        self.place = ui.slider(min=0, max=8, step=1, value=0, on_change=lambda: self._show_step()).classes("w-96")
        self.place.props("data-test=place label")
        self.step = ui.row().props("data-test=step")
        self.strip = Results("path")

    async def _find_path(self) -> None:
        texts = [_limited(self.start.value), _limited(self.end.value)]
        frame = await self._work(self.vae.interpolate, *texts, steps=9)
        if frame is not None:
            self.path = frame
            self.place.value = 0
            self.strip.show(frame, [f"{r.fraction:.2f}, {r.source}" for r in frame.itertuples()], note="9 steps")
            self._show_step()

    def _show_step(self) -> None:
        self.step.clear()
        if len(self.path):
            row = self.path.iloc[min(int(self.place.value), len(self.path) - 1)]
            with self.step:
                said = (
                    f"{row.fraction:.2f} of the way, {row.source}; similarity {row.tanimoto_to_start:.2f} to the start"
                )
                card(row.smiles, f"{said}, {row.tanimoto_to_end:.2f} to the end", width=340)

    # --- neighbors

    def _build_neighbors(self) -> None:
        with ui.row().classes("gap-6"):
            ui.html('<div id="sketcher"></div>', sanitize=False)
            with ui.column():
                self.molecule = ui.input("molecule", value=START).classes("w-80").props("data-test=molecule")
                ui.button("Take the drawing", on_click=self._take_drawing).props("flat data-test=take")
                ui.button("Draw this one", on_click=self._put_drawing).props("flat")
                self.reach = _slider("reach", 0.2, 2.0, 1.0)
                ui.button("Walk", on_click=self._walk).props("data-test=walk")
        self.walks = Results("neighbors")

    async def _take_drawing(self) -> None:
        self.molecule.value = await ui.run_javascript("window.sketcher ? window.sketcher.smiles() : ''") or ""

    async def _put_drawing(self) -> None:
        try:
            block = _molblock(_limited(self.molecule.value))
        except MolvaeError as error:
            ui.notify(str(error), type="warning")
            return
        await ui.run_javascript(f"window.sketcher && window.sketcher.readMolFile({block!r})")

    async def _walk(self) -> None:
        reach = float(self.reach.value)
        frame = await self._work(self.vae.neighbors, _limited(self.molecule.value), walks=4, steps=6, reach=reach)
        if frame is not None:
            frame = frame[frame["smiles"] != ""]
            legends = [f"walk {r.walk}, {r.status}, similarity {r.tanimoto_to_start:.2f}" for r in frame.itertuples()]
            self.walks.show(frame, legends, note=f"{int((frame.status == 'new').sum())} new molecules")

    # --- search

    def _build_search(self) -> None:
        with ui.row().classes("items-center gap-4"):
            self.task = (
                ui.select(list(TASKS), value="qed", label="what is wanted").classes("w-64").props("data-test=task")
            )
            self.calls = ui.number("molecules to score", value=500, min=10, max=MOST_CALLS).props("data-test=calls")
            self.begin = ui.input("begin with (optional)").classes("w-80").props("data-test=begin")
            ui.button("Start", on_click=self._search).props("data-test=start")
            ui.button("Stop", on_click=self.stop.set).props("outline data-test=stop")
        self.curve = ui.echart(
            {
                "xAxis": {"type": "value", "name": "calls"},
                "yAxis": {"type": "value", "name": "score", "scale": True},
                "series": [{"type": "line", "name": "best", "data": [], "showSymbol": False}],
                "animation": False,
            }
        ).classes("w-full h-64")
        self.state = ui.label("not started").props("data-test=state")
        self.found = Results("search")
        self.seen = -1
        ui.timer(1.0, self._watch)

    async def _search(self) -> None:
        if self.searching:
            ui.notify("a search is going on; stop it first")
            return
        self.searching, self.seen = True, -1
        self.stop.clear()
        self.record.unlink(missing_ok=True)
        n = int(min(max(self.calls.value or 10, 10), MOST_CALLS))
        start = [text] if (text := _limited(self.begin.value)) else []
        try:
            how = "ended" if await self._work(self._run_search, self.task.value, n, start) else "failed"
        except _StoppedError:
            how = "stopped"
        finally:
            self.searching = False
        self.seen = -1
        self._watch()
        self.state.text += f", {how}"

    def _run_search(self, task: str, n: int, start: list[str]) -> bool:
        how: dict[str, Any] = {"n_calls": n, "start": start, "record": self.record, "progress": _Stoppable(self.stop)}
        optimize(self.vae, task, method="evolution", finetune=False, batch_size=20, **how)
        return True

    def _watch(self) -> None:
        """Show what the record of the search holds by now."""
        try:
            _, history = read_record(self.record)
        except (MolvaeError, OSError):
            return
        if len(history) == self.seen:
            return
        self.seen = len(history)
        best = np.fmax.accumulate(np.nan_to_num(history.scores, nan=-np.inf))
        self.curve.options["series"][0]["data"] = [
            [i + 1, round(float(b), 4)] for i, b in enumerate(best) if np.isfinite(b)
        ]
        self.curve.update()
        self.state.text = f"{len(history):,} scored, best {best[-1]:.3f}"
        frame = history.frame()
        self.found.show(frame, [f"#{r.call}: {r.score:.3f}" for r in frame.itertuples()], note="the best so far")


def _slider(label: str, low: float, high: float, value: float) -> ui.slider:
    with ui.row().classes("items-center w-72 no-wrap"):
        ui.label(label)
        slider = ui.slider(min=round(low, 2), max=round(high, 2), step=round((high - low) / 100, 4), value=value)
        ui.label().bind_text_from(slider, "value", lambda shown: f"{shown:.2f}")
    return slider


def _limited(text: str | None) -> str:
    """What was typed as a molecule; raises nothing, as the model says what is wrong with it."""
    return (text or "").strip()[:LONGEST]


def _molblock(smiles: str) -> str:
    from rdkit import Chem
    from rdkit.Chem import rdDepictor

    from molvae.chem.parse import parse_smiles

    mol = parse_smiles(smiles)
    if mol is None:
        raise InputError(f"{smiles!r} does not parse as a molecule")
    rdDepictor.Compute2DCoords(mol)
    return Chem.MolToMolBlock(mol)


def _read(path: Path) -> list[str]:
    return [row.smiles for row in read_molecules(path) if row.smiles][:MOST]


def _described(smiles: Sequence[str]) -> pd.DataFrame:
    from molvae.chem.descriptors import descriptor_table

    names = ("qed", "logp", "sa")
    frame = pd.DataFrame(descriptor_table(smiles, names), columns=list(names))
    frame.insert(0, "smiles", list(smiles))
    return frame
