"""What was changed under a grant and is not in Git: told from the object as it is."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.grants import NOW, grant_object

from gateway.core.subject import GroupVersionKind, Json
from webhooks.breakglass.afterwards import not_in_git, outstanding
from webhooks.breakglass.grant import Changed, Target, Use, read_grant
from webhooks.breakglass.opened import Open, Opened
from webhooks.drift.named import resolve, value_digest, whole
from webhooks.drift.paths import LAST_APPLIED, path_text

KIND = GroupVersionKind("apps", "v1", "Deployment")
FLUX = frozenset({"kustomize-controller"})
IMAGE = "spec.template.spec.containers[name=api].image"
IMAGE_FIELDS = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"api"}': {"f:image": {}}}}}}}


def live(image: str = "api:2", *, by: str = "kubectl", stated: str = "", env: str = "x") -> Json:
    container = {"name": "api", "image": image, "env": [{"name": "TOKEN", "value": env}]}
    spec = {"replicas": 2, "template": {"spec": {"containers": [container]}}}
    metadata: Json = {
        "name": "web",
        "managedFields": [
            {"manager": by, "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": IMAGE_FIELDS},
            {
                "manager": "kustomize-controller",
                "operation": "Apply",
                "apiVersion": "apps/v1",
                "fieldsV1": {"f:spec": {}},
            },
        ],
    }
    if stated:
        declared = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": stated}]}}}}
        metadata["annotations"] = {LAST_APPLIED: json.dumps(declared)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def changed(field: str = IMAGE, operation: Any = "UPDATE", *, before: str = "api:1") -> Open:
    digest = value_digest(KIND, field, live(before)) if field else ""
    target = Target("Deployment", "web", "apps/v1", "shop")
    use = Use("u", NOW, "alice@example.com", operation, target, (Changed(field, digest),))
    return Open(read_grant(grant_object()), use, use.fields[0])


def is_open(one: Open, found: Json | None) -> bool:
    return outstanding([one], found, FLUX) == [one]


def test_a_field_is_open_until_the_reconciler_has_it() -> None:
    """Whichever value it applied: it is Git's then."""
    assert is_open(changed(), live())
    assert not is_open(changed(), live(by="kustomize-controller"))
    assert not is_open(changed(), live("api:3", by="kustomize-controller"))


def test_what_was_put_back_by_hand_is_not_open() -> None:
    """The value is the one from before."""
    assert not is_open(changed(), live("api:1"))


def used(*steps: tuple[str, str], operation: Any = "UPDATE", grants: int = 1) -> Open:
    """Uses one after the other of the same field, from an image to another, spread over grants."""
    target = Target("Deployment", "web", "apps/v1", "shop")
    held = [read_grant(grant_object(f"g-{number}")) for number in range(grants)]
    for index, (before, after) in enumerate(steps):
        digests = [value_digest(KIND, IMAGE, live(image)) for image in (before, after)]
        use = Use(f"u-{index}", NOW + timedelta(minutes=index), "a", operation, target, (Changed(IMAGE, *digests),))
        grant = held[index % grants]
        status = msgspec.structs.replace(grant.status, uses=(*grant.status.uses, use))
        held[index % grants] = msgspec.structs.replace(grant, status=status)
    ((_, (one,)),) = Opened(reversed(held)).objects()
    return one


@pytest.mark.parametrize("grants", [1, 2])
def test_a_use_whose_write_failed_wipes_nothing(grants: int) -> None:
    """The first use changed the value, the second changed nothing: the value is not the one from before the first."""
    failed = used(("api:1", "api:2"), ("api:2", "api:3"), grants=grants)
    assert is_open(failed, live("api:2"))
    assert is_open(failed, live("api:3"))
    assert not is_open(failed, live("api:1"))
    assert failed.grants == {f"g-{number}" for number in range(grants)}
    back = used(("api:1", "api:2"), ("api:2", "api:3"), ("api:3", "api:2"), grants=grants)
    assert is_open(back, live("api:2"))


def test_what_came_from_git_in_between_is_the_one_from_before() -> None:
    """A use that meets a value that no earlier one knows: Git agreed, and went on."""
    one = used(("api:1", "api:2"), ("api:4", "api:5"))
    assert not is_open(one, live("api:4"))
    assert is_open(one, live("api:2"))


def test_a_deletion_is_not_wiped_by_a_creation_that_failed() -> None:
    """Nor what was made by a deletion that failed."""
    deleted, made = changed("", "DELETE"), changed("", "CREATE")
    assert is_open(msgspec.structs.replace(made, earlier=(deleted,)), None)
    bare: Json = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    assert is_open(msgspec.structs.replace(deleted, earlier=(made,)), bare)
    assert not is_open(deleted, bare)


def test_what_is_applied_client_side() -> None:
    """The last-applied configuration says what Git says, whoever owns the field."""
    assert is_open(changed(), live("api:2", stated="api:1.5"))
    assert not is_open(changed(), live("api:2", stated="api:2"))


def test_a_secret_value_has_no_digest() -> None:
    """What may not be shown is told by its owner alone."""
    field = "spec.template.spec.containers[name=api].env[name=TOKEN].value"
    one = changed(field)
    assert one.changed.before == ""
    assert is_open(one, live())


def test_what_was_deleted_is_open_until_it_is_there() -> None:
    """And what was changed is not, once it is gone."""
    gone = changed("", "DELETE")
    assert is_open(gone, None)
    assert not is_open(gone, live())
    assert not is_open(changed(), None)


def test_an_element_that_was_taken_out() -> None:
    """Open until the reconciler's own declaration does without it."""
    one = changed("spec.template.spec.containers[name=sidecar].image")
    assert is_open(one, live())
    assert not is_open(one, live(stated="api:2"))


def test_the_finding_names_who_and_why() -> None:
    """Object, field, person, grant and ticket; no value."""
    (found,) = not_in_git([changed()])
    assert (found.rule, found.field, found.resource.name) == ("break-glass/not-in-git", IMAGE, "web")
    assert found.message.endswith(
        "was changed by alice@example.com at 2026-11-26 12:00Z under breakglass/web (INC-7), and is not in Git yet"
    )


NAMES = st.sampled_from(["spec", "replicas", "a.b/c", 'quo"ted', "x y", "[z]", "über"])
VALUES = st.one_of(st.sampled_from(["api", "a]b", "a,b=c", 'q"', "80"]), st.integers(0, 99), st.booleans())


@st.composite
def objects(draw: st.DrawFn, depth: int = 3) -> Any:
    """An object with a path in it."""
    if depth == 0:
        return (), draw(VALUES)
    path, node = draw(objects(depth=depth - 1))
    if depth < 3 and draw(st.booleans()):
        keys = {"name": draw(VALUES)} | ({"port": draw(VALUES)} if draw(st.booleans()) else {})
        element = ({**node, **keys} if isinstance(node, dict) else {"f": node, **keys}, keys)
        below = path if isinstance(node, dict) else ("f:f", *path)
        others = [{"name": "another one"}, 3]
        return (f"k:{msgspec.json.encode(keys).decode()}", *below), [*others, element[0]]
    name = draw(NAMES)
    return (f"f:{name}", *path), {name: node, "other": 1}


@given(objects())
def test_a_field_is_found_again_by_its_text(made: tuple[tuple[str, ...], Json]) -> None:
    """What a finding names is found in the object that it was found in."""
    path, obj = made
    assert resolve(path_text(path), obj) == path


@pytest.mark.parametrize(
    "text", ["spec.a[name=x].y", "spec[=…]", "spec.a…", "[", "a[[", '["x', "spec.list[9].a", "a[name]"]
)
def test_a_text_that_names_nothing_there(text: str) -> None:
    """It is followed as far as it goes, and known not to be whole."""
    obj = {"spec": {"list": [1], "a": [{"name": "y"}]}, "a": [{"name": 1}]}
    assert not whole(text, resolve(text, obj))
    assert value_digest(KIND, text, obj) == ""
