"""A real browser without a window, spoken to by the DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --hide-scrollbars --mute-audio"
    " --disable-extensions --disable-background-networking --enable-unsafe-swiftshader --remote-debugging-pipe"
)
SECONDS = 60


class Browser:
    """One tab. ``errors`` are what its pages reported: exceptions, errors on the console, requests that failed."""

    def __init__(self, program: str, folder: Path) -> None:
        (there, self._out), (self._in, back) = os.pipe(), os.pipe()
        command = [program, *OPTIONS.split(), f"--user-data-dir={folder}", "about:blank"]

        def connect() -> None:
            """The browser reads from descriptor 3 and writes to 4: set from copies that are neither of them."""
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 5) for end in (there, back)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            command,
            pass_fds=(3, 4),
            preexec_fn=connect,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(there)
        os.close(back)
        self._buffer, self._number, self._session = b"", 0, ""
        self.errors: list[str] = []
        self.loaded = False
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol; its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser has ended"
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
            self.errors.append(str([one.get("value", one.get("description")) for one in told["args"]]))
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not told["request"]["url"].startswith(
            ("file:", "data:", "blob:")
        ):
            self.errors.append(f"asked for {told['request']['url'][:200]}")

    def open(
        self, page: Path | str, width: int = 1280, height: int = 900, *, dark: bool = False, phone: bool = False
    ) -> float:
        """Show a file or an address; the seconds until it was loaded and had drawn what is in sight."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.ask("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.loaded, start = False, time.monotonic()
        self.ask("Page.navigate", url=page if isinstance(page, str) else page.absolute().as_uri())
        while not self.loaded:
            self._read()
            assert time.monotonic() - start < SECONDS
        self.value("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        return time.monotonic() - start

    def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript, awaited where it is a promise."""
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def draw_all(self) -> None:
        """Let the page draw every panel, as before it is printed."""
        self.value("window.dispatchEvent(new Event('beforeprint'))")
        self.value("new Promise((done) => setTimeout(done, 300))")

    def draw_at_once(self) -> float:
        """Let the page draw every panel; the seconds until it has."""
        start = time.monotonic()
        self.value("window.dispatchEvent(new Event('beforeprint'))")
        self.value("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return time.monotonic() - start

    def screenshot(self, path: Path) -> None:
        """Write the whole page as PNG."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}
        taken = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)


def program() -> str:
    """Of the browser; empty where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), "")
