"""What a bug report is told of the machine; the Hub is a stub that hangs, or none."""

import socket
import time
from pathlib import Path

import pytest

from pipeline.commands.doctor import findings
from pipeline.common import hub


def test_everything_is_said_in_order_and_no_secret_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    found = dict(findings(tmp_path / "not" / "there", 1))
    words = ["retone", "python", "versions", "cores", "memory", "disk", "threads", "BLAS", "GPU", "base", "Hub"]
    assert list(found) == words
    assert "MKL_NUM_THREADS=7" in found["threads"]
    assert "hf_secret" not in str(found)
    assert found["disk"].endswith(f"at {tmp_path}")
    assert found["Hub"] == "not asked: HF_HUB_OFFLINE is set"
    assert "not installed" not in found["versions"]


def test_a_hub_that_never_answers_is_left_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(hub, "SECONDS", 0.3)
        began = time.monotonic()
        told = hub.reach()
    assert "no answer in 0 s" in told or "out of reach" in told
    assert time.monotonic() - began < 5
