"""What an ExternalSecret says of itself, and when it is read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from support.external import external, external_secret

from gateway.controllers.external.store_status import FAILED, VALID, store_status
from gateway_secrets.external.status import read_needed, ready_of, status_of, synced_version
from gateway_secrets.external.target import Action, Decision, Reason, refused

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
SYNCED = Decision(Action.CREATE, Reason.SYNCED, "the Secret is in sync")


def stated(decision: Decision, status: Any = None, *, read: bool = True, now: datetime = NOW) -> Any:
    document = external_secret() | ({"status": status} if status else {})
    return status_of(external(), document, decision, now, read=read)


def test_as_eso_says_it() -> None:
    """The same types, reasons and fields."""
    status = stated(SYNCED)
    assert status == {
        "refreshTime": "2026-11-26T05:00:00Z",
        "syncedResourceVersion": synced_version(external()),
        "binding": {"name": "db"},
        "conditions": [
            {
                "type": "Ready", "status": "True", "reason": "SecretSynced", "message": "the Secret is in sync",
                "lastTransitionTime": "2026-11-26T05:00:00Z",
            }
        ],
    }  # fmt: skip


def test_the_version_is_the_one_that_eso_writes() -> None:
    """As its Go code prints and digests the metadata: who takes over from it reads nothing anew because of that.

    The digest is of SHA3-224 over ``{annotations:map[a:1 b:2] labels:map[]}``.
    """
    one = msgspec.structs.replace(external(), annotations={"b": "2", "a": "1"}, generation=4)
    assert synced_version(one) == "4-df6c4f2abe9bcf1fcfa22e39c95bce04a5e787080c73a79b1de9e4a7"


def test_a_failure_keeps_what_was_known() -> None:
    """When it was read last, and what is bound; said once, however often it fails."""
    good = stated(SYNCED)
    later = NOW + timedelta(minutes=5)
    bad = stated(refused("forbidden"), good, read=False, now=later)
    assert (bad["refreshTime"], bad["binding"]) == (good["refreshTime"], good["binding"])
    assert ready_of(bad) == {
        "type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "forbidden",
        "lastTransitionTime": "2026-11-26T05:05:00Z",
    }  # fmt: skip
    assert stated(refused("forbidden"), bad, read=False, now=later + timedelta(minutes=5)) is None


def test_conditions_of_others_stay() -> None:
    """And the time of the last turn, if it is none."""
    odd = {"type": "Odd", "status": "True"}
    status = stated(SYNCED, {"conditions": [odd, {"type": "Ready", "status": "True", "lastTransitionTime": "then"}]})
    assert status["conditions"][0] == odd
    assert status["conditions"][1]["lastTransitionTime"] == "then"


def needed(status: Any, *, due: datetime | None = None, now: datetime = NOW, **spec: Any) -> str:
    return read_needed(external(**spec), status or {}, now, due).why


@pytest.mark.parametrize("policy", ["", "Periodic", "CreatedOnce", "OnChange"])
def test_what_was_never_read_is_read(policy: str) -> None:
    """Whatever the policy, and whatever nonsense is in its status."""
    assert needed({}, refreshPolicy=policy) == "first"
    assert needed({"syncedResourceVersion": "1-x", "refreshTime": "soon"}, refreshPolicy=policy) == "first"


def test_policies() -> None:
    """Periodic when it is due or changed, once, or when it changed."""
    fresh = stated(SYNCED)
    changed = fresh | {"syncedResourceVersion": "0-x"}
    soon, past = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)
    assert needed(fresh, due=soon) == "no"
    assert needed(fresh, due=past) == needed(fresh, due=None) == "due"
    assert needed(changed, due=soon) == "changed"
    assert needed(fresh, due=past, refreshInterval="0") == needed(changed, refreshInterval="0s") == "no"
    assert needed(changed, due=past, refreshPolicy="CreatedOnce") == "no"
    assert needed(fresh, due=past, refreshPolicy="OnChange") == "no"
    assert needed(changed, due=soon, refreshPolicy="OnChange") == "changed"


def test_a_clock_that_jumped_back() -> None:
    """What was read in times to come is read now."""
    fresh = stated(SYNCED)
    before = NOW - timedelta(days=1)
    assert needed(fresh, due=NOW, now=before) == "due"


def test_a_store_says_how_it_is() -> None:
    """Once for each turn, and others' conditions stay."""
    good = store_status({"conditions": [{"type": "Odd"}]}, VALID, "can be read", NOW)
    assert good is not None
    assert [one["type"] for one in good["conditions"]] == ["Odd", "Ready"]
    assert store_status(good, VALID, "can be read", NOW + timedelta(hours=1)) is None
    bad = store_status(good, FAILED, "sealed", NOW + timedelta(hours=1))
    assert bad is not None
    assert (ready_of(bad)["status"], ready_of(bad)["lastTransitionTime"]) == ("False", "2026-11-26T06:00:00Z")


def test_refreshes_are_not_closer_than_the_least() -> None:
    """And there are none where none are wanted."""
    assert external(refreshInterval="1ms").spec.refresh_seconds(10) == 10
    assert external(refreshInterval="1h").spec.refresh_seconds(10) == 3600
    assert external(refreshInterval="0").spec.refresh_seconds(10) == 0
    assert external(refreshInterval="-1s").spec.refresh_seconds(10) == 0
    assert external(refreshInterval="1ms", refreshPolicy="OnChange").spec.refresh_seconds(10) == 0
