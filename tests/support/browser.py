"""A headless Chromium, driven by its DevTools protocol over a pair of pipes: no driver program, no port, no package."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 60.0
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
            "--hide-scrollbars", "--remote-debugging-pipe", "about:blank")  # fmt: skip
# The browser reads its orders from 3 and answers on 4.
_LAUNCH = (
    "import os,sys; r,w=map(int,sys.argv[1:3]); r,w=os.dup(r),os.dup(w);"
    "r,w=os.dup2(r,63),os.dup2(w,64); os.dup2(r,3); os.dup2(w,4); os.execv(sys.argv[3],sys.argv[3:])"
)


class BrowserError(Exception):
    """The browser refused, or did not answer."""


class Page:
    """One page. `faults` are what its console complained of."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        self.faults: list[str] = []

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One order of the protocol."""
        return self._browser.send(method, self._session, **parameters)

    def open(self, url: str) -> None:
        """Go there and wait until all is loaded."""
        answer = self.send("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(answer["errorText"])
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Until an expression is true."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                if self.evaluate(f"Boolean({script})"):
                    return
            except BrowserError:  # between two documents
                pass
            if time.monotonic() > end:
                raise BrowserError(f"never true: {script}")
            time.sleep(0.05)

    def press(self, key: str, text: str = "") -> None:
        """One key, down and up."""
        code = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39}.get(key, ord(key[0]) if len(key) == 1 else 0)
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 4000), "scale": 1}
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(answer["data"]))


class Browser:
    """The running program."""

    def __init__(self, process: "subprocess.Popen[bytes]", orders: int, answers: int) -> None:
        self._process = process
        self._orders = orders
        self._answers = answers
        self._number = 0
        self._rest = b""
        self._pages: dict[str, Page] = {}

    def page(
        self, width: int = 1280, height: int = 900, *, dark: bool = False, scripts: bool = True, phone: bool = False
    ) -> Page:
        """A new page in a context of its own."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        target = self.send("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log"):
            page.send(f"{domain}.enable")
        page.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.send("Emulation.setEmulatedMedia", features=[scheme])
        page.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        page.send("Emulation.setTimezoneOverride", timezoneId="America/New_York")  # the pages have their own
        return page

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """One order, and its answer."""
        self._number += 1
        order: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            order["sessionId"] = session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        end = time.monotonic() + SECONDS
        while True:
            told = self._receive(end)
            if told.get("id") == self._number:
                if "error" in told:
                    raise BrowserError(f"{method}: {told['error']}")
                found: dict[str, Any] = told["result"]
                return found
            self._note(told)

    def _receive(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, end - time.monotonic()))
            octets = os.read(self._answers, 1 << 20) if ready else b""
            if not octets:
                raise BrowserError(f"the browser does not answer (exit code {self._process.poll()})")
            self._rest += octets
        text, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        return found

    def _note(self, told: dict[str, Any]) -> None:
        page = self._pages.get(told.get("sessionId", ""))
        if page is None:
            return
        if told["method"] == "Runtime.exceptionThrown":
            page.faults.append(json.dumps(told["params"]["exceptionDetails"]))
        if told["method"] == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
            page.faults.append(told["params"]["entry"]["text"])


@contextmanager
def running() -> Iterator[Browser]:
    """A browser with an empty profile, ended afterwards."""
    assert CHROMIUM is not None
    theirs_in, orders = os.pipe()
    answers, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [sys.executable, "-c", _LAUNCH, str(theirs_in), str(theirs_out), CHROMIUM, *_OPTIONS,
                   f"--user-data-dir={profile}"]  # fmt: skip
        process = subprocess.Popen(
            command,
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(process, orders, answers)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(orders)
            os.close(answers)
