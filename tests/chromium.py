"""A page driven in Chromium through its own debugging protocol: no driver is needed, only the browser."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
BROWSER = os.environ.get("RETONE_BROWSER") or next((path for name in NAMES if (path := shutil.which(name))), None)
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--window-size=1300,900")  # fmt: skip
AGAIN = 5.0
"""Seconds."""


def answers(address: str, steps: list[tuple[str, str]], profile: Path, seconds: float = 120) -> list[Any]:
    """Open a page and take steps, each a script that acts, and one whose answer is waited for until it is truthy.

    A page hears nothing before its own scripts have come, so what acts is run again where no answer comes.
    """
    command = [str(BROWSER), *QUIET, "--remote-debugging-port=0", f"--user-data-dir={profile}", address]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return asyncio.run(_steps(profile / "DevToolsActivePort", address, steps, time.monotonic() + seconds))
    finally:
        browser.terminate()
        browser.wait(timeout=20)


async def _steps(port_file: Path, address: str, steps: list[tuple[str, str]], until: float) -> list[Any]:
    while not (port_file.is_file() and port_file.read_text()):
        assert time.monotonic() < until, "the browser does not start"
        await asyncio.sleep(0.1)
    port = port_file.read_text().splitlines()[0]
    found = []
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json") as told:
            tab = next(each for each in await told.json() if each["url"].startswith(address))
        async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            for act, wanted in steps:
                acted = -AGAIN
                while not (value := await _evaluate(socket, wanted)):
                    assert time.monotonic() < until, f"never came: {wanted}"
                    if time.monotonic() - acted > AGAIN:
                        acted = time.monotonic()
                        await _evaluate(socket, act)
                    await asyncio.sleep(0.2)
                found.append(value)
    return found


async def _evaluate(socket: aiohttp.ClientWebSocketResponse, script: str) -> Any:
    await socket.send_str(json.dumps({"id": 1, "method": "Runtime.evaluate",
                                      "params": {"expression": script, "returnByValue": True}}))  # fmt: skip
    while (told := json.loads((await socket.receive()).data)).get("id") != 1:
        pass
    return told["result"]["result"].get("value")
