from pipeline.common.settings import completed
from pipeline.report import collect


def entry(fingerprint: str, seconds: float, **settings: object) -> dict[str, object]:
    return {"fingerprint": fingerprint, "seconds": seconds, "settings": settings, "libraries": {"torch": "2.13.0"}}


MANIFESTS = {
    "naive": {"prepare": {0: entry("p", 4.0), 1: entry("p", 4.0)},
              "finetune": {0: entry("n0", 10.0, rate=1e-3, epochs=3), 1: entry("n1", 12.0, rate=1e-3, epochs=3)}},
    "full": {"prepare": {0: entry("p", 4.0), 1: entry("p", 4.0)},
             "finetune": {0: entry("f0", 20.0, rate=2e-5, epochs=3), 1: entry("f1", 21.5, rate=2e-5, epochs=3)}},
}  # fmt: skip


def test_seconds_count_an_artifact_once() -> None:
    assert collect.seconds(MANIFESTS) == {
        "naive": {
            "prepare": {"seconds": 4.0, "new": 4.0, "shared_with": None},
            "finetune": {"seconds": 22.0, "new": 22.0, "shared_with": None},
        },
        "full": {
            "prepare": {"seconds": 4.0, "new": 0.0, "shared_with": "naive"},
            "finetune": {"seconds": 41.5, "new": 41.5, "shared_with": None},
        },
    }


def test_an_artifact_without_manifest_has_no_time() -> None:
    assert collect.seconds({"naive": {"prepare": {0: {}}}}) == {}


def test_changes_name_the_settings_that_differ_from_the_arm_above() -> None:
    rates = {arm: {"finetune": {"rate": rate, "epochs": 3}} for arm, rate in (("naive", 1e-3), ("full", 2e-5))}
    assert collect.changes(rates) == {
        "naive": [],
        "full": [{"setting": "finetune.rate", "from": 1e-3, "to": 2e-5}],
    }


def test_changes_name_settings_in_groups_by_their_path() -> None:
    arms = {
        arm: {"finetune": {"compute": {"precision": precision, "compile": False}}}
        for arm, precision in (("naive", "fp32"), ("full", "bf16"))
    }
    assert collect.changes(arms)["full"] == [
        {"setting": "finetune.compute.precision", "from": "fp32", "to": "bf16"},
    ]


def test_a_setting_that_is_newer_than_what_was_made_was_at_its_default() -> None:
    """An arm that was made before there was a contrast beside one that has it, and before a stage had any manifest."""
    usual = {"finetune": {"epochs": 3, "contrast": {"weight": 0.0, "temperature": 0.1}}}
    older = {"prepare": {}, "finetune": {"epochs": 4}}
    newer = {"prepare": {}, "finetune": {"epochs": 4, "contrast": {"weight": 0.1}}}
    found = collect.changes({"above": completed(older, usual), "contrast": completed(newer, usual)})
    assert found == {"above": [], "contrast": [{"setting": "finetune.contrast.weight", "from": 0.0, "to": 0.1}]}
    assert completed(older, usual)["prepare"] == {}
    assert list(completed(newer, usual)["finetune"]["contrast"]) == ["weight", "temperature"]


def test_versions_show_what_changed_on_the_way() -> None:
    later = {"libraries": {"torch": "2.14.0"}, "python": "3.11.7"}
    found = collect.versions({**MANIFESTS, "late": {"report": {0: later}}})
    assert found == {"torch": ["2.13.0", "2.14.0"], "python": ["3.11.7"]}


def test_fingerprints() -> None:
    assert collect.fingerprints(MANIFESTS)["full"] == {
        "prepare": {"0": "p", "1": "p"},
        "finetune": {"0": "f0", "1": "f1"},
    }
