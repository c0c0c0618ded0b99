"""What must not be kept is not kept, and everything else is."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.redact import SECRET_ANNOTATIONS, redact
from gateway.core.subject import GroupVersionKind

KEY = b"k" * 32
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
SECRET = GroupVersionKind("", "v1", "Secret")
CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
DIGEST = re.compile(r"hmac-sha256:[0-9a-f]{32}\Z")
PLAIN = "pl41n-t3xt-pa55word"


def _redact(
    document: Any, kind: GroupVersionKind = DEPLOYMENT, cleartext: tuple[str, ...] = (), key: bytes = KEY
) -> Any:
    return json.loads(redact(json.dumps(document, separators=(",", ":")).encode(), kind, key, cleartext))


def _pod(container: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}


def test_data_and_string_data_of_one_value_agree() -> None:
    """A Secret's digest is of the decoded value, so both ways to write it are seen to be equal."""
    encoded = _redact({"kind": "Secret", "data": {"a": base64.b64encode(PLAIN.encode()).decode()}}, SECRET)
    plain = _redact({"kind": "Secret", "stringData": {"a": PLAIN}}, SECRET)
    assert encoded["data"]["a"] == plain["stringData"]["a"]
    assert DIGEST.match(encoded["data"]["a"])


def test_another_key_gives_other_digests() -> None:
    """Digests of two logs cannot be compared."""
    document = {"kind": "Secret", "stringData": {"a": PLAIN}}
    assert _redact(document, SECRET) != _redact(document, SECRET, key=b"z" * 32)


@pytest.mark.parametrize("cleartext", [(), ("env", "args", "configMaps")])
@pytest.mark.parametrize(
    "document",
    [
        {"kind": "Secret", "data": {"a": PLAIN}},
        {"kind": "Secret", "data": {"a": base64.b64encode(PLAIN.encode()).decode()}},
        {"kind": "Secret", "data": [PLAIN]},
        {"kind": "Secret", "data": {"a": {"b": [PLAIN]}}},
        {"data": {"a": PLAIN}},
        {"kind": "SecretList", "items": [{"data": {"a": PLAIN}}]},
        {"kind": "List", "items": [{"kind": "Secret", "stringData": {"a": PLAIN}}]},
        {"kind": "Secret", "other": PLAIN, "more": {"x": PLAIN}},
        {"kind": "Secret", "metadata": {"annotations": {"note": PLAIN}}},
        {"kind": "Secret", "metadata": {"annotations": PLAIN}},
        {"kind": "Secret", "metadata": {"annotations": {LAST_APPLIED: PLAIN}}},
        {"kind": "Secret", "metadata": {"annotations": {LAST_APPLIED: json.dumps({"stringData": {"a": PLAIN}})}}},
        {"spec": {"templates": [{"kind": "Secret", "data": {"a": PLAIN}}]}, "kind": "Custom"},
    ],
)
def test_a_secret_is_never_in_clear(document: dict[str, Any], cleartext: tuple[str, ...]) -> None:
    """No value of a Secret survives, wherever it stands and whatever is configured."""
    kind = SECRET if document.get("kind") in ("Secret", None) else GroupVersionKind("", "v1", document["kind"])
    kept = json.dumps(_redact(document, kind, cleartext))
    assert PLAIN not in kept
    assert base64.b64encode(PLAIN.encode()).decode() not in kept


def test_the_request_kind_counts_when_the_object_has_none() -> None:
    """An object that leaves out its kind, or claims another, is a Secret if the request says so."""
    for document in ({"data": {"a": PLAIN}}, {"kind": "Deployment", "data": {"a": PLAIN}}):
        assert PLAIN not in json.dumps(_redact(document, SECRET))


def test_marks_of_reconcilers_stay_on_secrets() -> None:
    """Replaying a drift decision about a Secret needs its tracking annotations."""
    annotations = dict.fromkeys(SECRET_ANNOTATIONS, "app:/Secret:web/x")
    assert (
        _redact({"kind": "Secret", "metadata": {"annotations": dict(annotations)}}, SECRET)["metadata"]["annotations"]
        == annotations
    )


@pytest.mark.parametrize("section", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize("where", [["spec"], ["spec", "jobTemplate", "spec", "template", "spec"], ["a", "b", "c"]])
def test_containers_lose_env_args_and_command_at_any_depth(section: str, where: list[str]) -> None:
    """Environment values, arguments and commands are replaced in whatever holds containers."""
    container = {
        "name": "c",
        "image": "i",
        "env": [{"name": "A", "value": PLAIN}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "args": [PLAIN, "--x"],
        "command": ["sh", PLAIN],
        "livenessProbe": {"exec": {"command": ["check", PLAIN]}},
    }
    document: dict[str, Any] = {section: [container]}
    for name in reversed(where):
        document = {name: document}
    kept = _redact({"kind": "Thing", **document}, GroupVersionKind("x.example", "v1", "Thing"))
    assert PLAIN not in json.dumps(kept)
    for name in where:
        kept = kept[name]
    (found,) = kept[section]
    assert found["name"] == "c"
    assert found["image"] == "i"
    assert found["env"][1] == container["env"][1]
    assert all(DIGEST.match(item) for item in found["args"] + found["command"])


def test_cleartext_is_per_kind_of_value() -> None:
    """What is named stays readable, the rest does not."""
    container = {"env": [{"name": "A", "value": "e"}], "args": ["a"]}
    kept = _redact(_pod(container), cleartext=("env",))["spec"]["template"]["spec"]["containers"][0]
    assert kept["env"] == [{"name": "A", "value": "e"}]
    assert DIGEST.match(kept["args"][0])
    kept = _redact(_pod(container), cleartext=("args",))["spec"]["template"]["spec"]["containers"][0]
    assert kept["args"] == ["a"]
    assert DIGEST.match(kept["env"][0]["value"])


def test_config_maps_are_redacted_unless_configured() -> None:
    """data and binaryData of ConfigMaps go, and stay with cleartext: configMaps."""
    document = {
        "kind": "ConfigMap",
        "data": {"a": PLAIN},
        "binaryData": {"b": base64.b64encode(PLAIN.encode()).decode()},
    }
    kept = _redact(document, CONFIG_MAP)
    assert kept["data"]["a"] == kept["binaryData"]["b"]
    assert DIGEST.match(kept["data"]["a"])
    assert _redact(document, CONFIG_MAP, ("configMaps",)) == document


@pytest.mark.parametrize("name", [LAST_APPLIED, "kapp.k14s.io/original"])
def test_last_applied_follows_its_own_kind(name: str) -> None:
    """The copy of the object in an annotation is redacted as the object itself is, at the top and in a template."""
    applied = json.dumps(_pod({"name": "c", "args": [PLAIN]}))
    for document in (
        {"kind": "Deployment", "metadata": {"annotations": {name: applied, "other": "stays"}}},
        {"kind": "Deployment", "spec": {"template": {"metadata": {"annotations": {name: applied}}}}},
    ):
        kept = _redact(document)
        assert PLAIN not in json.dumps(kept)
        metadata = kept.get("metadata") or kept["spec"]["template"]["metadata"]
        again = json.loads(metadata["annotations"][name])
        assert again["spec"]["template"]["spec"]["containers"][0]["name"] == "c"


def test_last_applied_that_cannot_be_read_goes_whole() -> None:
    """An annotation that is not JSON is replaced by its digest."""
    kept = _redact({"kind": "Deployment", "metadata": {"annotations": {LAST_APPLIED: "{" + PLAIN}}})
    assert DIGEST.match(kept["metadata"]["annotations"][LAST_APPLIED])


def test_bearer_tokens_go() -> None:
    """The token of a TokenReview is not kept."""
    kind = GroupVersionKind("authentication.k8s.io", "v1", "TokenReview")
    assert PLAIN not in json.dumps(_redact({"kind": "TokenReview", "spec": {"token": PLAIN}}, kind))


def test_escaped_names_do_not_hide() -> None:
    """A name spelled with escapes is the same name."""
    raw = b'{"kind":"Deployment","spec":{"containers":[{"\\u0065nv":[{"name":"A","value":"%b"}]}]}}' % PLAIN.encode()
    assert PLAIN.encode() not in redact(raw, DEPLOYMENT, KEY)
    raw = b'{"k\\u0069nd":"S\\u0065cret","data":{"a":"%b"}}' % PLAIN.encode()
    assert PLAIN.encode() not in redact(raw, DEPLOYMENT, KEY)


def test_a_value_that_looks_like_a_digest_is_digested() -> None:
    """Nobody can have a plaintext kept by making it look redacted."""
    fake = "hmac-sha256:" + "a" * 32
    assert _redact({"kind": "Secret", "stringData": {"a": fake}}, SECRET)["stringData"]["a"] != fake


def test_nothing_to_replace_means_nothing_changes() -> None:
    """An object without anything secret is kept byte by byte, spaces and number forms included."""
    raw = b'{"kind": "Service",  "metadata": {"name":"x"}, "spec": {"n": 1.50, "big": 123456789012345678901234567890}}'
    assert redact(raw, GroupVersionKind("", "v1", "Service"), KEY) is raw


def test_managed_fields_and_order_stay() -> None:
    """Replay of a drift decision needs managedFields and the order of keys."""
    managed = [{"manager": "m", "fieldsV1": {"f:spec": {"f:env": {}, 'k:{"name":"x"}': {".": {}}}}}]
    document = {
        "kind": "Deployment",
        "z": 1,
        "metadata": {"managedFields": managed, "name": "a"},
        "spec": {"b": 1, "args": ["x"], "a": 2},
    }
    raw = redact(json.dumps(document).encode(), DEPLOYMENT, KEY)
    kept = json.loads(raw)
    assert kept["metadata"] == document["metadata"]
    assert list(kept) == list(document)
    assert list(kept["spec"]) == ["b", "args", "a"]


_names = st.sampled_from(
    [
        "kind",
        "metadata",
        "annotations",
        "data",
        "stringData",
        "env",
        "args",
        "command",
        "items",
        "spec",
        LAST_APPLIED,
        "value",
        "name",
        "token",
    ]
)
_leaves = (
    st.sampled_from(["Secret", "List", "SecretList", "ConfigMap", "{", "x"])
    | st.none()
    | st.integers()
    | st.booleans()
    | st.floats(allow_nan=False)
)
_documents = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4), max_leaves=25
)


@given(_documents, st.sampled_from([SECRET, DEPLOYMENT, CONFIG_MAP]))
def test_total_and_safe_to_repeat(document: Any, kind: GroupVersionKind) -> None:
    """Any JSON gives one line of JSON, the same each time, and what was redacted can be redacted again."""
    raw = json.dumps(document, indent=1).encode()
    kept = redact(raw, kind, KEY)
    assert kept == redact(raw, kind, KEY)
    assert b"\n" not in kept
    json.loads(redact(kept, kind, KEY))


@given(_documents)
def test_a_value_below_data_of_a_secret_never_survives(document: Any) -> None:
    """Whatever shape a Secret's data has, no string of it is kept."""
    marked = json.loads(json.dumps(document).replace('"x"', f'"{PLAIN}"').replace('"{"', f'"{PLAIN}"'))
    raw = json.dumps({"metadata": {"name": "s"}, "data": marked, "stringData": marked}).encode()
    assert PLAIN.encode() not in redact(raw, SECRET, KEY)


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(raw: bytes) -> None:
    """What is not JSON is replaced whole."""
    kept = redact(raw, SECRET, KEY)
    if not _is_object(raw):
        assert DIGEST.match(json.loads(kept)["redacted"])


def test_absurd_depth_is_replaced_whole() -> None:
    """Nesting beyond what can be walked ends in a digest, not in an error."""
    raw = b'{"kind":"Deployment","args":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert list(json.loads(redact(raw, DEPLOYMENT, KEY))) == ["redacted"]
    deep = b'{"kind":"Deployment","spec":' + b'{"a":' * 400 + b'{"args":["p"]}' + b"}" * 400 + b"}"
    assert b'"p"' not in redact(deep, DEPLOYMENT, KEY)


def _is_object(raw: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(raw), dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
