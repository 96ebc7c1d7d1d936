"""A headless Chromium, driven by its DevTools protocol: a page is opened, looked at, typed into, and judged.

Promises: waits are for conditions, with a deadline; whatever the browser complains of (errors of a program, refusals by the
page's policy, failed loads) is kept; it has a profile of its own, reaches no network by itself, and has ended when its ``with`` has.
"""

import base64
import json
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 60.0
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio", "--remote-debugging-port=0", "about:blank",
)  # fmt: skip
FAILED_LOAD = "net::ERR_"
"""How a complaint begins that the server is not there: what a page is told of a dead daemon."""


def program() -> str | None:
    """Where a Chromium is; None when there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One window of a browser of its own."""

    def __init__(self, home: Path, *, width: int = 1280, height: int = 900) -> None:
        self._home = home
        self._size = (width, height)
        self._number = 0
        self._found: list[dict[str, Any]] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        path = program()
        assert path is not None
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / "browser.log").open("wb") as log:
            self._process = subprocess.Popen(
                [path, f"--user-data-dir={self._home / 'profile'}", *ARGUMENTS],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._socket = self._open.enter_context(connect(self._address(), max_size=None))
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
            self.look(*self._size)
        except BaseException:
            self._open.close()
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._end()

    def _end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _address(self) -> str:
        """Of the window: asked of the browser's own."""
        written = self._home / "profile" / "DevToolsActivePort"
        deadline = time.monotonic() + START_SECONDS
        while not (written.exists() and len(words := written.read_text().split()) == 2):
            assert self._process.poll() is None, (self._home / "browser.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the browser has not said where it listens"
            time.sleep(0.05)
        port, path = words
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as whole:
            while True:
                whole.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
                targets = json.loads(whole.recv(timeout=START_SECONDS))["result"]["targetInfos"]
                pages = [target["targetId"] for target in targets if target["type"] == "page"]
                if pages:
                    break
                assert time.monotonic() < deadline, "the browser has no window"
                time.sleep(0.05)
        return f"ws://127.0.0.1:{port}/devtools/page/{pages[0]}"

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command, and its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._socket.recv(timeout=START_SECONDS))
            if said.get("id") == self._number:
                assert "error" not in said, f"{method}: {said['error']}"
                result = said["result"]
                assert isinstance(result, dict)
                return result
            self._found.append(said)

    def look(self, width: int, height: int, *, dark: bool = False, still: bool = True) -> None:
        """The window's size, and what its user prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        wishes = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if still else "",
        }
        self.call("Emulation.setEmulatedMedia", features=[{"name": n, "value": v} for n, v in wishes.items()])

    def open(self, url: str) -> None:
        """Go there."""
        result = self.call("Page.navigate", url=url)
        assert "errorText" not in result, result["errorText"]

    def run(self, program: str) -> Any:
        """The value of an expression in the page."""
        # An expression by the protocol is not subject to the page's policy, but what it does to the page is.
        result = self.call("Runtime.evaluate", expression=program, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, program: str, what: str, seconds: float = 30.0) -> Any:
        """Wait until an expression is true; its value."""
        deadline = time.monotonic() + seconds
        while not (found := self.run(program)):
            shown = "" if time.monotonic() < deadline else self.text()
            assert time.monotonic() < deadline, f"not seen within {seconds} s: {what}; the page shows: {shown[:3000]}"
            time.sleep(0.05)
        return found

    def text(self, selector: str = "body") -> str:
        """What a person reads there."""
        found = self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        assert isinstance(found, str)
        return found

    def press(self, key: str) -> None:
        """A key, as by hand."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **more)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """What it looks like, as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def complaints(self) -> list[str]:
        """Everything that the browser has complained of so far."""
        self.run("1")  # what was said before is here then
        found = []
        for said in self._found:
            parameters = said.get("params", {})
            if said.get("method") == "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif said.get("method") == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(parameters["entry"]["text"])
            elif said.get("method") == "Runtime.consoleAPICalled" and parameters["type"] in (
                "error",
                "warning",
                "assert",
            ):
                found.append(" ".join(str(a.get("value", a.get("description"))) for a in parameters["args"]))
        return found

    def requests(self) -> set[str]:
        """Every address that the page asked for."""
        self.run("1")
        return {s["params"]["request"]["url"] for s in self._found if s.get("method") == "Network.requestWillBeSent"}
