"""A headless Chromium that is asked what it shows, by the DevTools protocol over its own pipe."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
"""The browser; None if this machine has none."""
PATIENCE = 60.0
"""Seconds that an answer may take."""

# The browser reads its descriptor 3 and writes its 4. The second pipe is never at 3.
_START = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""


class Page:
    """A page of a browser, of a width that a window of a desktop cannot have.

    Args:
        asks: file descriptor by which the browser is asked.
        answers: the one by which it answers; a message ends with a zero byte.
        size: width and height in CSS pixels.
    """

    def __init__(self, asks: int, answers: int, size: tuple[int, int]) -> None:
        self._asks, self._answers = asks, answers
        self._session: str | None = None
        self._number = 0
        self._read = b""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """What the browser answers to a method of the protocol.

        Raises:
            RuntimeError: it answers with an error.
            TimeoutError: it does not answer.
        """
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._asks, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next(method)
            if said.get("id") == self._number:
                break
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error']['message']}")
        result: dict[str, Any] = said["result"]
        return result

    def _next(self, method: str) -> dict[str, Any]:
        while b"\0" not in self._read:
            if not select.select([self._answers], [], [], PATIENCE)[0]:
                raise TimeoutError(f"{method}: no answer in {PATIENCE:.0f} s")
            if not (part := os.read(self._answers, 1 << 20)):
                raise RuntimeError(f"{method}: the browser has ended")
            self._read += part
        whole, _, self._read = self._read.partition(b"\0")
        said: dict[str, Any] = json.loads(whole)
        return said

    def go(self, address: str) -> None:
        """Open an address, from a blank page: another `#` alone would not load it anew."""
        for each in ("about:blank", address):
            self.call("Page.navigate", url=each)

    def ask(self, expression: str) -> Any:
        """What an expression of JavaScript is there, as JSON; a promise is waited for.

        Raises:
            RuntimeError: it throws.
        """
        said = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in said:
            raise RuntimeError(str(said["exceptionDetails"].get("exception", said)))
        return said["result"].get("value")

    def until(self, expression: str, seconds: float = PATIENCE) -> Any:
        """What an expression is as soon as it counts as true.

        Raises:
            TimeoutError: it never does; the page's text is told.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := self.ask(expression):
                    return found
            except RuntimeError:  # the page is not far enough for it, or is being left
                pass
            time.sleep(0.1)
        text = self.ask("document.body.innerText")
        raise TimeoutError(f"not in {seconds:.0f} s: {expression}\nThe page says: {text[:3000]}")

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        return b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def opened(width: int, height: int) -> Iterator[Page]:
    """A page of a browser of its own, which ends with it.

    Args:
        width: in CSS pixels.
        height: likewise.

    Raises:
        FileNotFoundError: there is no Chromium.
    """
    if CHROMIUM is None:
        raise FileNotFoundError("neither chromium nor google-chrome is on the PATH")
    theirs_in, asks = os.pipe()
    answers, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                *(sys.executable, "-ISc", _START, str(theirs_in), str(theirs_out), CHROMIUM),
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={Path(profile)}", "--remote-debugging-pipe"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs_in, theirs_out),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Page(asks, answers, (width, height))
        finally:
            os.close(asks)  # which ends it
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(answers)
