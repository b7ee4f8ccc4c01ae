"""What the page's server lets through: this computer, with the token, and uploads of a bounded size."""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES = 20_000_000  # of one request, uploads included
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'none'; form-action 'self'; "
    "base-uri 'self'"
)
"""No part of the page may ask another computer for anything."""


class TooLargeError(Exception):
    """More bytes arrived than a request may have."""


class Guard:
    """An ASGI application around another, which answers only who knows the token.

    The first request names it in its address and is sent on with a cookie, so that it does not stay in the address.
    Requests under another host name, as those of a rebound domain, and from pages of other origins are refused.

    Args:
        app: the application.
        token: what the first request has to name.
        port: of the server, on 127.0.0.1.
    """

    def __init__(self, app: App, *, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.cookie = f"molvae{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 403."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin")
        at_home = headers.get("host") in self.hosts and (origin is None or origin.removeprefix("http://") in self.hosts)
        named = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if at_home and scope["type"] == "http" and scope["path"] == "/" and self._is_token(named):
            await _answer(send, 303, {"location": "/", "set-cookie": self._cookie()})
        elif not at_home or not self._is_token(self._held(headers.get("cookie", ""))):
            await _refuse(scope, send)
        else:
            await self._bounded(scope, receive, send, int(headers.get("content-length") or 0))

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self.token.encode())

    def _cookie(self) -> str:
        return f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"

    def _held(self, header: str) -> str:
        held = SimpleCookie(header).get(self.cookie)
        return "" if held is None else held.value

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, promised: int) -> None:
        if promised > MOST_BYTES:
            await _answer(send, 413, {})
            return
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b"")) if message["type"] == "http.request" else 0
            if arrived > MOST_BYTES:
                raise TooLargeError(f"a request of more than {MOST_BYTES:,} bytes")
            return message

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message["headers"] = [*message.get("headers", []), *policy]
            await send(message)

        await self.app(scope, counted, with_policy)


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await _answer(send, 403, {"content-type": "text/plain"}, b"open the address that `molvae app` printed\n")


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
