"""``run_deffe -serve``: the page of a run while it goes on, for this machine and those who know its address alone."""

from __future__ import annotations

import gzip
import json
import secrets
import threading
import time
from collections.abc import Callable
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from deffe.errors import DeffeError, StoreError, UsageError
from deffe.report.content import RunContent
from deffe.report.drawn import draw
from deffe.report.folder import MARK
from deffe.report.gather import gather
from deffe.report.inside import inside
from deffe.report.libraries import need
from deffe.report.page import Shown, page, shown
from deffe.store.database import DATABASE_NAME

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
"""What a browser may call this machine: other names would be those of a foreign page that was pointed at it."""
NEWS = "news"
FOREIGN = "there is nothing here: open the address that run_deffe -serve has printed, which is new each time"
IDLE_S = 30.0
REST = 4.0
"""How many times as long as reading the run took it is left alone before it is read again."""
LEAST_REST_S = 1.0


def serve(folder: Path, port: int, say: Callable[[str], None]) -> int:
    """Serve the page of a run until Ctrl-C is pressed; the exit code.

    Raises:
        UsageError: plotly is not there, or the port cannot be had.
        StoreError: the run directory cannot be read.
    """
    need("plotly", "-serve")
    live = Live(folder.absolute())
    live.now()
    token = secrets.token_urlsafe(32)
    try:
        server = _Server((HOST, port), live, token)
    except (OSError, OverflowError) as error:
        what = f"-port {port} of {HOST} cannot be had: {getattr(error, 'strerror', None) or error}"
        raise UsageError(what, "name another, or none for a free one") from error
    with server:
        say(f"http://{HOST}:{server.server_port}/{token}/")
        say(f"shows {folder} as it goes on; Ctrl-C ends this, and leaves the run alone")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")
    return 0


class Live:
    """What the page shows now, read anew where the run has gone on. For several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen = ""
        self._next = 0.0
        self._shown: Shown | None = None
        self._run: RunContent | None = None

    def now(self) -> tuple[str, Shown]:
        """A mark of the moment, and what is to be shown.

        Raises:
            StoreError: the run directory is gone, or cannot be read any more.
        """
        with self._lock:
            seen = self._stamp()
            if not seen:
                raise StoreError(f"there is no run in {self._folder} any more", "it is shown again when it is back")
            if self._shown is None or (seen != self._seen and time.monotonic() >= self._next):
                start = time.monotonic()
                self._run = gather(self._folder)
                self._shown = shown(self._run, [draw(part, _link(i)) for i, part in enumerate(self._run.parts)])
                self._seen = seen
                self._next = time.monotonic() + max(REST * (time.monotonic() - start), LEAST_REST_S)
            return self._seen, self._shown

    def point_folder(self, part: int, number: int) -> Path | None:
        """The folder of a point that has one."""
        run = self._run
        if run is None or not 0 <= part < len(run.parts):
            return None
        points = run.parts[part].points
        found = [str(folder) for folder in points.folders[points.numbers == number] if folder]
        return Path(found[0]) if found else None

    def _stamp(self) -> str:
        try:
            found = (self._folder / DATABASE_NAME).stat()
        except OSError:
            return ""
        return f"{found.st_mtime_ns}-{found.st_size}"


def _link(part: int) -> Callable[[int, str], str]:
    return lambda number, folder: f"points/{part}/{number}/"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], live: Live, token: str) -> None:
        self.live, self.token = live, token.encode()
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that has gone is nobody's fault."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "deffe", ""
    timeout = IDLE_S

    def do_GET(self) -> None:
        """Answer those who know the token."""
        address = urlsplit(self.path)
        _, _, path = address.path.partition("/")
        token, slash, path = path.partition("/")
        known = compare_digest(token.encode("utf-8", "replace"), self.server.token)
        if not known or not slash or not self._is_ours():
            self._send(404, "text/plain", FOREIGN)
            return
        try:
            self._answer(unquote(path), parse_qs(address.query).get("seen", [""])[0])
        except DeffeError as error:
            self._send(503, "text/plain", str(error))

    def _is_ours(self) -> bool:
        return self.headers.get("Host", "").partition(":")[0] in NAMES

    def _answer(self, path: str, seen: str) -> None:
        first, _, rest = path.partition("/")
        if not path:
            from plotly.offline import get_plotlyjs

            text = page(self.server.live.now()[1], get_plotlyjs(), MARK, NEWS)
            self._send(200, "text/html", text)
        elif path == NEWS:
            mark, now = self.server.live.now()
            if mark == seen:
                self._send(204, "", "")
            else:
                told = {"seen": mark, "html": now.html, "content": now.content}
                self._send(200, "application/json", json.dumps(told, allow_nan=False))
        elif first == "points":
            self._send(*inside(self.server.live.point_folder, rest), alone=True)
        else:
            self._send(404, "text/plain", "there is nothing here")

    def _send(self, code: int, kind: str, text: str, *, alone: bool = False) -> None:
        body = text.encode("utf-8", "xmlcharrefreplace" if kind == "text/html" else "replace")
        self.send_response(code)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 1000:
            body = gzip.compress(body, 3)
            self.send_header("Content-Encoding", "gzip")
        if kind:
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
        if code != 204:
            self.send_header("Content-Length", str(len(body)))
        if alone:  # files of a run are shown, and do nothing
            self.send_header("Content-Security-Policy", "default-src 'none'; sandbox")
        for name, value in (
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *told: Any) -> None:
        """Nothing: the terminal shows the address, not who reads what."""
