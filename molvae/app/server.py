"""Serving the page, on this computer alone."""

import secrets
import socket
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from molvae.app.guard import Guard
from molvae.errors import MissingExtraError, MolvaeError
from molvae.generator import MoleculeGenerator

HOST = "127.0.0.1"


def require_app() -> None:
    """Raise `MissingExtraError` unless what the page needs is installed."""
    try:
        import nicegui  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.of("the app needs the package nicegui", "app") from error


def free_port(port: int) -> int:
    """The port if it is free, and any free one for 0.

    Raises:
        MolvaeError: when another program uses it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise MolvaeError(f"port {port} is not free ({error.strerror}); name another with --port, or 0") from error
        return int(probe.getsockname()[1])


def serve(
    vae: MoleculeGenerator,
    molecules: Sequence[str],
    *,
    title: str,
    port: int,
    ready: Callable[[str], None],
    show: bool = True,
) -> None:
    """Serve until the process is ended.

    Args:
        vae: the model.
        molecules: those of the map at the beginning.
        title: of the page.
        port: on 127.0.0.1; 0 takes a free one.
        ready: called with the address, token included, when it can be opened.
        show: open it in the browser.
    """
    require_app()
    from nicegui import app, ui

    from molvae.app.page import Page

    port, token = free_port(port), secrets.token_urlsafe(24)
    address = f"http://{HOST}:{port}/?token={token}"
    app.add_static_files("/jsme", Path(str(files("molvae.app") / "jsme")))
    app.add_middleware(Guard, token=token, port=port)
    app.on_startup(lambda: ready(address))
    ui.run(
        lambda: Page(vae, molecules, title=title).build(),
        host=HOST,
        port=port,
        title=title,
        reload=False,
        show=f"/?token={token}" if show else False,
        show_welcome_message=False,
        fastapi_docs=False,
    )
