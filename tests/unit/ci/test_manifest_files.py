"""Files as Kubernetes reads them: documents, lists, lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ci import manifests
from gateway.ci.inputs import Content
from gateway.ci.manifests import Read, locations, read_manifests
from gateway.core.finding import Location
from gateway.native.manifests import lines_of, read_files, steps_of

pytestmark = pytest.mark.native


def read(text: str | bytes, **options: str) -> Read:
    data = text.encode() if isinstance(text, str) else text
    return read_manifests([Content("f.yaml", data)], **options)


POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: web}\n"


def test_documents_of_a_stream() -> None:
    """Each with the line it begins in; comments, empty documents and other YAML are no objects."""
    found = read(f"# first\n---\n{POD}---\n# nothing\n--- # fine\na: 1\n---\n\n{POD}")
    assert [(m.line, m.subject.kind.kind, m.subject.name) for m in found.manifests] == [
        (3, "Pod", "p"),
        (12, "Pod", "p"),
    ]
    assert ([other.json for other in found.others], found.problems) == ([b'{"a":1}'], [])


def test_each_document_has_its_own_text() -> None:
    """A file of many documents is kept once, however many there are, and fields of each are found in it."""
    text = "---\n".join(POD + f"x: {number}\n" for number in range(50))
    found = read(text).manifests
    assert len(found) == 50
    assert sum(len(one.text) for one in found) == len(text)
    assert found[7].locations(["metadata.name", "x"]) == [Location("f.yaml", 7 * 5 + 3), Location("f.yaml", 7 * 5 + 4)]


def test_items_are_looked_up_together() -> None:
    """The fields of all items of a list are found in one look, each where it is found alone."""
    items = "".join(f"- {{apiVersion: v1, kind: Pod,\n   metadata: {{name: p{number}}}}}\n" for number in range(5))
    found = read(f"{POD}---\napiVersion: v1\nkind: List\nitems:\n{items}").manifests
    fields = [["metadata.name", "kind"], *([["metadata.name"], []] * 2), ["kind"]]
    assert len(found) == len(fields)
    assert locations(found, fields) == [one.locations(wanted) for one, wanted in zip(found, fields, strict=True)]
    assert locations(found, fields)[3] == [Location("f.yaml", 13)]


@pytest.mark.parametrize(
    "text", ["\r\n".join(POD.split("\n")), "\ufeff" + POD, json.dumps({"apiVersion": "v1", "kind": "Pod"})]
)
def test_other_writings(text: str) -> None:
    """Windows' line ends, a byte order mark, JSON."""
    assert [m.subject.kind.kind for m in read(text).manifests] == ["Pod"]


def test_the_request_that_would_create_it() -> None:
    """A rule sees an object as admission would show it."""
    (found,) = read(POD).manifests
    request = json.loads(found.subject.raw_request)
    assert request["operation"] == "CREATE"
    assert request["kind"] == {"group": "", "version": "v1", "kind": "Pod"}
    assert (request["name"], request["namespace"]) == ("p", "web")
    assert request["object"] == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "web"}}
    (other,) = read("apiVersion: apps/v1\nkind: Deployment\n", namespace="dev").manifests
    assert (other.subject.kind.group, other.subject.namespace) == ("apps", "dev")


def test_lists_are_taken_apart() -> None:
    """Whatever they are called, and lists in lists; a field of an item is found in the list's file."""
    found = read(
        "kind: List\napiVersion: v1\nitems:\n- kind: PodList\n  apiVersion: v1\n  items:\n  - apiVersion: v1\n    kind: Pod\n    spec: {a: 1}\n- apiVersion: v1\n  kind: Secret\n"
    )
    assert [(m.subject.kind.kind, m.prefix) for m in found.manifests] == [
        ("Pod", "items[0].items[0]"),
        ("Secret", "items[1]"),
    ]
    assert [location.line for location in found.manifests[0].locations(["spec.a", "kind", "gone"])] == [9, 8, 7]
    deep = '{"apiVersion":"v1","kind":"List","items":[' * 9 + "]}" * 9
    assert "nested too deeply" in str(read(deep).problems[0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3: not readable as YAML: key "a" already set in map'),
        ("x: 1\n---\n\na: [\n", "f.yaml:4: "),
        ("x: 1\n--- y\n", "f.yaml:2: nothing but a comment may follow"),
        (b"a: \xff\n", "f.yaml:1: not readable as YAML: invalid leading UTF-8 octet"),
        ('{"a": 1}\n{"b": 1, "b": 2}\n', 'f.yaml:2: duplicate field "b"'),
        ("apiVersion: v1\nkind: 7\n", "f.yaml:1: is no Kubernetes object"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 7}\n", "f.yaml:1: is no Kubernetes object"),
    ],
)
def test_what_cannot_be_read_is_named(text: str | bytes, problem: str) -> None:
    """With file and line; nothing is passed over as if it were no manifest."""
    found = read(text)
    assert str(found.problems[0]).startswith(problem)
    assert found.manifests == []


def test_a_bomb_is_refused_in_time() -> None:
    """Aliases that multiply, and an object that no API server would take."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    assert "excessive aliasing" in str(read(bomb).problems[0])
    big = POD + "data: " + "x" * manifests.MAX_OBJECT_BYTES
    assert "no API server takes it" in str(read(big).problems[0])


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("spec.containers[name=app].image", ["spec", "containers", {"name": "app"}, "image"]),
        ("spec.ports[containerPort=80,protocol=TCP]", ["spec", "ports", {"containerPort": "80", "protocol": "TCP"}]),
        ('metadata.labels["a.b/c"]', ["metadata", "labels", "a.b/c"]),
        ('a["q\\"[]"][12].b', ["a", 'q"[]', 12, "b"]),
        ("", []),
    ],
)
def test_field_paths(path: str, steps: list[object]) -> None:
    """As findings write them."""
    assert steps_of(path) == steps


def test_lines_of_fields() -> None:
    """A field that is not there is where its longest existing part is; list elements are found by their members."""
    text = b"a:\n  b:\n  - name: x\n    v: 1\n  - name: y\n    v: 2\n"
    assert lines_of(text, ["a.b[name=y].v", "a.b[1]", "a.b[name=z].v", "a.q", "", "z"]) == [6, 5, 2, 1, 1, 1]


@given(
    st.lists(
        st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()), max_size=5
    )
)
def test_json_is_read_as_it_is(objects: list[dict[str, object]]) -> None:
    """A stream of JSON objects holds just these."""
    (file,) = read_files(["\n".join(map(json.dumps, objects)).encode()])
    assert file.problem is None
    assert [json.loads(document.json) for document in file.documents] == objects
