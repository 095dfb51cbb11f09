"""Memory is given back on the steps it should be, and a user's own setting of oneDNN stays."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from pipeline.models import memory


def test_a_users_own_setting_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    memory.bound_kernel_cache()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    memory.bound_kernel_cache()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == memory.PRIMITIVES


def test_it_is_given_back_every_ten_steps_and_nowhere_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    callback = memory.GiveBack()
    callback.trim = given.append
    for step in range(1, 31):
        callback.on_step_end(None, SimpleNamespace(global_step=step), None)
    assert given == [0, 0, 0]
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: SimpleNamespace())
    memory.GiveBack().on_step_end(None, SimpleNamespace(global_step=10), None)
