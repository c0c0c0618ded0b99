"""A subject: names, namespaces and objects of a request, decoded when they are needed."""

from __future__ import annotations

import pytest
from support.reviews import managed_object, subject

from gateway.core.errors import MalformedRequestError
from gateway.core.subject import GroupVersionKind

NAMESPACE = GroupVersionKind("", "v1", "Namespace")
OBJECT = managed_object({})


@pytest.mark.parametrize(
    ("operation", "objects", "name"),
    [
        ("DELETE", {"old": OBJECT}, "api"),
        ("CREATE", {"new": OBJECT}, "api"),
        ("UPDATE", {"old": {}, "new": OBJECT}, "api"),
        ("CREATE", {"new": {"metadata": {"generateName": "a-"}}}, ""),
        ("CREATE", {"new": {"metadata": {"name": 7}}}, ""),
        ("CREATE", {"new": {"metadata": []}}, ""),
        ("DELETE", {}, ""),
    ],
)
def test_the_name_is_the_objects_where_the_request_has_none(operation: str, objects: dict, name: str) -> None:
    """A deletecollection and a generated name leave it empty."""
    assert subject(operation, **objects, name="").name == name
    assert subject(operation, **objects, name="asked").name == "asked"


def test_objects_are_decoded_once() -> None:
    """Guards share them."""
    asked = subject("UPDATE", old=OBJECT, new=OBJECT)
    assert asked.object is asked.object
    assert asked.old_object is asked.old_object
    assert asked.object == OBJECT


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"a":' * 100_000, b"\xff"])
def test_an_unreadable_object_is_malformed(raw: bytes) -> None:
    """Not a crash, and not an empty object."""
    for name in ("object", "old_object"):
        asked = subject("UPDATE")
        setattr(asked, f"raw_{name}", raw)
        with pytest.raises(MalformedRequestError, match="is not a readable JSON object"):
            getattr(asked, name)


def test_the_governing_namespace() -> None:
    """Its own for a Namespace, which itself is in none; that of the request for everything else."""
    asked = subject("CREATE", new=OBJECT, kind=NAMESPACE, namespace="", name="")
    assert (asked.governing_namespace, asked.object_namespace) == ("api", "")
    asked = subject("CREATE", new=OBJECT)
    assert (asked.governing_namespace, asked.object_namespace) == ("web", "web")
    asked = subject("CREATE", new=OBJECT, kind=GroupVersionKind("x.io", "v1", "Namespace"))
    assert (asked.governing_namespace, asked.object_namespace) == ("web", "web")


def test_about_another_kind_everything_else_is_the_same() -> None:
    """What a Scale scales, in the same request."""
    asked = subject("UPDATE", old=OBJECT, new=OBJECT, subresource="scale", dry_run=True)
    other = asked.about_kind(NAMESPACE)
    assert other.kind == NAMESPACE
    for name in (
        "uid",
        "operation",
        "resource",
        "user",
        "subresource",
        "namespace",
        "name",
        "dry_run",
        "raw_object",
        "raw_old_object",
    ):
        assert getattr(other, name) == getattr(asked, name)
    assert asked.about_kind(asked.kind) is asked


def test_api_versions() -> None:
    """The core group has none in front."""
    assert NAMESPACE.api_version == "v1"
    assert GroupVersionKind("apps", "v1", "Deployment").api_version == "apps/v1"
