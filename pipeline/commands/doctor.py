"""What a report of a fault should say of the machine: versions, cores, memory, disk, threads, BLAS, GPU, the Hub."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pipeline.common import hub
from pipeline.machine import cli, console
from pipeline.machine.store import STORE
from pipeline.machine.workers import default_jobs, processors

PACKAGES = (
    *("torch", "transformers", "tokenizers", "datasets", "accelerate", "peft", "evaluate", "scikit-learn", "numpy"),
    *("huggingface_hub", "safetensors", "pydantic", "typer", "emoji", "ftfy"),
)
SET = ("OMP_", "MKL_", "OPENBLAS_", "HF_", "CUDA_", "RETONE_", "TOKENIZERS_")
"""Beginnings of names in the environment that change speed or reach."""
SECRET = ("TOKEN", "KEY", "SECRET")


def doctor(store: cli.StoreOption = STORE) -> None:
    """Say what a report of a fault should tell of this machine: versions, cores, memory, threads, GPU, the Hub."""
    for word, told in findings(store, default_jobs()):
        print(console.clean(f"{word:<9} {told}"), flush=True)


def findings(store: Path, jobs: int) -> Iterator[tuple[str, str]]:
    """Pairs of a word and what was found, each as soon as it is known; takes seconds where nothing answers.

    Args:
        store: folder of results, of which the disk is asked.
        jobs: arms that would be made side by side.
    """
    yield "retone", f"{_version('retone')} in {Path(__file__).parents[1]}"
    yield "python", f"{platform.python_version()} at {sys.executable}, {platform.platform()}"
    yield "versions", ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    yield "cores", f"{processors()} of {os.cpu_count()} usable, {jobs} {'arm' if jobs == 1 else 'arms'} side by side"
    yield "memory", _memory()
    there = next(place for place in (store.absolute(), *store.absolute().parents) if place.exists())
    disk = shutil.disk_usage(there)
    yield "disk", f"{_gigabytes(disk.free)} free of {_gigabytes(disk.total)} at {there}"
    yield "threads", _threads()
    yield "BLAS", _blas()
    yield "GPU", _gpu()
    yield "base", _base()
    yield "Hub", hub.reach()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def _memory() -> str:
    import psutil

    found = psutil.virtual_memory()
    told = f"{_gigabytes(found.available)} free of {_gigabytes(found.total)}"
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            most = int(Path(limit).read_text())
        except (OSError, ValueError):  # no container, or one without a limit
            continue
        return f"{told}; a container's limit of {_gigabytes(most)}" if most < found.total else told
    return told


def _threads() -> str:
    import torch

    names = sorted(name for name in os.environ if name.startswith(SET) and not any(word in name for word in SECRET))
    told = ", ".join(f"{name}={os.environ[name]}" for name in names)
    return f"torch {torch.get_num_threads()}; {told or 'nothing set in the environment'}"


def _blas() -> str:
    import threadpoolctl
    import torch

    own = [name for name in ("mkl", "mkldnn", "openmp") if getattr(torch.backends, name).is_available()]
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    others = {f"{pool['internal_api']} {pool['version']} ({pool['num_threads']} threads)" for pool in pools}
    return f"torch: {', '.join(own) or 'none'}, {torch.backends.cpu.get_cpu_capability()}; numpy: " + (
        ", ".join(sorted(others)) or "not told"
    )


def _gpu() -> str:
    import torch

    built = f"torch built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch built for CPUs"
    if not torch.cuda.is_available():
        device = " though /dev/nvidiactl is there" if Path("/dev/nvidiactl").exists() else ""
        return f"none that torch sees{device}; {built}"
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    told = ", ".join(f"{one.name}, {_gigabytes(one.total_memory)}, {one.major}.{one.minor}" for one in found)
    return f"{told}; {built}, bfloat16 {'yes' if torch.cuda.is_bf16_supported() else 'no'}"


def _base() -> str:
    """Whether the default base is at hand, without asking anybody for it."""
    from pipeline.models import sources

    folder = sources.minilm_here()
    return f"minilm at hand in {folder}" if folder else "minilm is not at hand; a run fetches it from the Hub"
