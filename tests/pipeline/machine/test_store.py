import errno
import json
import os
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.machine.fingerprint import Identity
from pipeline.machine.store import Artifact, DamagedError, Store

IDENTITY = Identity("grow", 1, {"depth": 2, "usual": 1}, None, {}, {}, {"depth": 2})
PRINT = IDENTITY.fingerprint


def manifest(**more: object) -> dict[str, object]:
    return {**IDENTITY.manifest(1.0), **more}


def publish(store: Store, text: str = "weights") -> Artifact:
    scratch = store.scratch("grow", PRINT)
    (scratch / "model").mkdir(parents=True)
    (scratch / "model" / "w.bin").write_text(text)
    (scratch / "history.jsonl").write_text("{}\n")
    (scratch / "checkpoint").mkdir()
    return store.publish(manifest(), ("model", "history.jsonl"), ("adapter",))


def test_published_is_what_was_declared_with_digests(tmp_path: Path) -> None:
    store = Store(tmp_path)
    artifact = publish(store)
    assert artifact.folder == tmp_path / "grow" / PRINT[:16]
    assert sorted(path.name for path in artifact.folder.iterdir()) == ["history.jsonl", "manifest.json", "model"]
    assert not store.scratch("grow", PRINT).exists()
    written = json.loads((artifact.folder / "manifest.json").read_text())
    assert written["files"]["history.jsonl"] == {
        "sha256": "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",  # printf '{}\n' | sha256sum
        "bytes": 3,
    }
    assert written["fingerprint"] == PRINT
    assert written["python"]
    assert written["libraries"]["torch"]
    assert written["finished"]
    assert store.find("grow", PRINT, verify=True) == Artifact(artifact.folder, written)
    assert store.find("grow", "cd" * 32, verify=True) is None


def test_digest_is_of_content_alone(tmp_path: Path) -> None:
    one, two, other = (
        publish(Store(tmp_path / name), text).digest for name, text in (("a", "x"), ("b", "x"), ("c", "y"))
    )
    assert one == two != other


def test_a_missing_product_is_not_published(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.scratch("grow", PRINT).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="stage grow declares model and did not make it"):
        store.publish(manifest(), ("model",), ())
    assert store.find("grow", PRINT, verify=False) is None


def test_a_link_is_not_published(tmp_path: Path) -> None:
    store = Store(tmp_path)
    scratch = store.scratch("grow", PRINT)
    (scratch / "model").mkdir(parents=True)
    (scratch / "model" / "w.bin").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="is a link"):
        store.publish(manifest(), ("model",), ())


def damage_one_byte(folder: Path) -> str:
    path = folder / "model" / "w.bin"
    path.write_bytes(b"Weights")
    return "model/w.bin"


def damage_size(folder: Path) -> str:
    (folder / "history.jsonl").write_text("")
    return "history.jsonl"


def damage_gone(folder: Path) -> str:
    (folder / "history.jsonl").unlink()
    return "history.jsonl"


def damage_added(folder: Path) -> str:
    (folder / "model" / "adapter_config.json").write_text("{}")
    return "model/adapter_config.json"


def damage_manifest(folder: Path) -> str:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["files"]["model/w.bin"]["sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    return "manifest.json"


def damage_manifest_settings(folder: Path) -> str:
    return edited(folder, settings={"depth": 2, "usual": 7})


def damage_manifest_version(folder: Path) -> str:
    return edited(folder, version=2)


def damage_manifest_version_without_seal(folder: Path) -> str:
    return edited(folder, version=2, seal=None)


def damage_manifest_deep(folder: Path) -> str:
    (folder / "manifest.json").write_text("[" * 100_000)
    return "manifest.json"


def edited(folder: Path, **changes: object) -> str:
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None or name == "seed"}))
    return "manifest.json"


def damage_manifest_gone(folder: Path) -> str:
    (folder / "manifest.json").unlink()
    return "manifest.json"


@pytest.mark.parametrize(
    "damage",
    [
        *(damage_one_byte, damage_size, damage_gone, damage_added, damage_manifest, damage_manifest_gone),
        *(damage_manifest_settings, damage_manifest_version, damage_manifest_version_without_seal),
        damage_manifest_deep,
    ],
)
def test_any_change_is_noticed_and_the_file_named(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    name = damage(publish(Store(tmp_path)).folder)
    with pytest.raises(DamagedError) as caught:
        Store(tmp_path).find("grow", PRINT, verify=True)
    assert str(caught.value) == name


def test_without_verifying_sizes_are_looked_at_and_bytes_are_not(tmp_path: Path) -> None:
    folder = publish(Store(tmp_path)).folder
    damage_one_byte(folder)
    assert Store(tmp_path).find("grow", PRINT, verify=False)
    damage_size(folder)
    with pytest.raises(DamagedError):
        Store(tmp_path).find("grow", PRINT, verify=False)


def test_set_aside_keeps_the_damaged_one_to_be_looked_at(tmp_path: Path) -> None:
    store = Store(tmp_path)
    damage_one_byte(publish(store).folder)
    aside = store.set_aside("grow", PRINT)
    assert (aside / "model" / "w.bin").read_bytes() == b"Weights"
    assert store.find("grow", PRINT, verify=True) is None


def test_a_forced_artifact_replaces_the_old_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, "old")
    artifact = publish(store, "new")
    assert (artifact.folder / "model" / "w.bin").read_text() == "new"
    assert [path.name for path in (tmp_path / "grow").iterdir()] == [PRINT[:16]]


def test_runs_remember_what_they_used_and_survive_a_broken_note(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.remember("toy", "full#0", "grow", PRINT)
    store.remember("toy", "full#0", "judge", "x")
    assert store.runs("toy") == {"full#0": {"grow": PRINT, "judge": "x"}}
    (tmp_path / "runs" / "toy.json").write_text("[broken")
    assert store.runs("toy") == {}


def test_two_runs_of_a_recipe_lose_nothing_of_what_the_other_notes(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: Store(tmp_path).remember("toy", f"arm{n % 4}#0", f"stage{n}", PRINT), range(40)))
    noted = Store(tmp_path).runs("toy")
    assert sorted(stage for used in noted.values() for stage in used) == sorted(f"stage{n}" for n in range(40))


def test_latest_leads_to_the_artifact_and_moves(tmp_path: Path) -> None:
    store = Store(tmp_path)
    artifact = publish(store)
    for _ in range(2):
        store.point_latest(artifact)
        assert (tmp_path / "latest" / "model" / "w.bin").read_text() == "weights"
    assert (tmp_path / "latest").readlink() == Path("grow") / PRINT[:16]


def test_a_folder_called_latest_stays_and_the_run_is_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path)
    artifact = publish(store)
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "mine").write_text("kept")
    store.point_latest(artifact)
    assert (tmp_path / "latest" / "mine").read_text() == "kept"
    assert f"what was made is {artifact.folder}" in caplog.text


def test_a_store_that_can_only_be_read_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    store = Store(tmp_path)
    artifact = publish(store)
    store.point_latest(artifact)
    store.remember("toy", "full#0", "grow", "x")
    for writes in ("symlink_to", "replace", "mkdir"):
        monkeypatch.setattr(Path, writes, refuse)
    store.point_latest(artifact)
    store.remember("toy", "full#0", "grow", "x")
    assert not caplog.records
    (tmp_path / "latest").unlink()
    store.point_latest(artifact)
    store.remember("toy", "full#0", "grow", "y")
    store.remember("other", "full#0", "grow", "x")
    assert [record.getMessage() for record in caplog.records] == [
        f"store {tmp_path}: cannot be written (Permission denied): latest does not lead to this run",
        *2 * [f"store {tmp_path}: cannot be written (Permission denied): what this run uses is not noted"],
    ]
    assert store.runs("toy") == {"full#0": {"grow": "x"}}


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o022])
def test_files_are_as_open_as_the_umask_says(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        folder = publish(Store(tmp_path)).folder
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o666 & ~mask}


@pytest.mark.parametrize("runs", ["[" * 100_000, '{"full#0": []}', '{"full#0": {"grow": {}}}', "3"])
def test_a_foreign_note_of_runs_ends_nothing(tmp_path: Path, runs: str) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "toy.json").write_text(runs)
    Store(tmp_path).remember("toy", "full#0", "judge", "x")
    assert Store(tmp_path).runs("toy")["full#0"]["judge"] == "x"


def test_a_nearly_full_disk_is_said_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**12, 10**12, 12_000_000))
    with pytest.raises(InputError, match="disk is nearly full, 12 MB free and at least 300 MB needed"):
        Store(tmp_path).check_room()
