"""A Ray cluster of three machines, as far as Ray can tell; can be imported where Ray is not installed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_agent_register_timeout_ms", "240000")  # a busy machine is slow to begin
os.environ.setdefault("RAY_worker_register_timeout_seconds", "240")


def machine(cpus: int = 1) -> dict[str, Any]:
    """With ports that are told, so that nobody waits for its helpers to tell theirs: on a busy one they are slow."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
    ports = {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}
    for each in sockets:
        each.close()
    return {"num_cpus": cpus, "object_store_memory": 80 << 20, "include_dashboard": False, **ports}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three machines, as far as Ray can tell: the run's own, where nothing is made, and two with a processor each."""
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args=machine(cpus=0))
    for _ in range(2):
        found.add_node(**machine())
    yield found
    found.shutdown()
