"""Objects with anything anywhere: an error with a path, never a crash, never a value."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sealing import CANARY, NOW, key_secret, private_key, sealing, secret, secret_document

from gateway_secrets.sealed.checks import Facts, check_sealed
from gateway_secrets.sealed.errors import SealError
from gateway_secrets.sealed.keyring import ring_of
from gateway_secrets.sealed.objects import check_secret, sealed_of, secret_of
from gateway_secrets.sealed.reconcile import decide, status_of
from gateway_secrets.sealed.render import render
from gateway_secrets.sealed.scope import Scope
from gateway_secrets.sealed.sealing import merge_secret, recovered, reencrypt, seal_secret, unseal_values

RING = ring_of([key_secret()]).ring
GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(("true", "AA==", "{{ .a }}")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
)
WHOLE = seal_secret(secret(a=CANARY), Scope.NAMESPACE_WIDE, sealing()).document
WHOLE["metadata"] |= {"labels": {"l": "1"}, "uid": "u", "generation": 1}
WHOLE["spec"]["template"] |= {"type": "Opaque", "immutable": False, "data": {"t": "x"}}
PLAIN = secret_document(a=CANARY) | {"data": {"b": "AA=="}, "type": "Opaque", "immutable": True}
PLAIN["metadata"] |= {"annotations": {"x": "y"}, "labels": {"l": "1"}}


def paths(value: Any, *above: str) -> list[tuple[str, ...]]:
    below = (
        [path for key, item in value.items() for path in paths(item, *above, key)] if isinstance(value, dict) else []
    )
    return ([above] if above else []) + below


def with_garbage(document: Any, path: tuple[str, ...], garbage: Any) -> Any:
    changed = copy.deepcopy(document)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = garbage
    return changed


def said(act: Callable[[], str]) -> str:
    """What comes of it: a text, or an error of sealing's own."""
    try:
        return act()
    except SealError as error:
        return str(error)


@given(st.sampled_from(paths(WHOLE)), GARBAGE)
def test_a_sealed_secret_with_anything_in_it(path: tuple[str, ...], garbage: Any) -> None:
    """Is refused, checked, opened, merged into, sealed again, decided about."""
    document = with_garbage(WHOLE, path, garbage)
    decision = decide(document, RING, None)
    status_of(WHOLE, decision, NOW)
    assert CANARY not in repr(decision)
    assert CANARY not in said(lambda: str(check_sealed(sealed_of(document, where="x"), Facts(NOW))))
    for act in (
        lambda one: recovered(one, unseal_values(one, [private_key()]))[0] and {},
        lambda one: reencrypt(one, [private_key()], sealing()).document,
        lambda one: merge_secret(secret(b="1"), one, sealing()).document,
        lambda one: seal_secret(secret(b="1"), Scope.STRICT, sealing(), one).document,
    ):
        assert CANARY not in said(lambda act=act: render(act(sealed_of(document, where="x")), "yaml"))


@given(st.sampled_from(paths(PLAIN)), GARBAGE)
def test_a_secret_with_anything_in_it(path: tuple[str, ...], garbage: Any) -> None:
    """Is refused, or sealed."""
    document = with_garbage(PLAIN, path, garbage)

    def sealed() -> str:
        found = secret_of(document, where="x")
        check_secret(found, where="x")
        return render(seal_secret(found, Scope.CLUSTER_WIDE, sealing()).document, "yaml")

    assert CANARY not in said(sealed)


@pytest.mark.parametrize("existing", [{}, {"metadata": None}, {"data": None}, {"metadata": {"annotations": None}}])
def test_a_secret_with_nothing_in_it(existing: Any) -> None:
    """Is somebody else's."""
    assert decide(WHOLE, RING, existing).action == "refuse"
