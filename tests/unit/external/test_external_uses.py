"""Who reads what, in which state, and whom a change is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.external import external

from gateway.controllers.external.looks import noted
from gateway.controllers.external.names import Change, Names
from gateway.controllers.external.shared import Path
from gateway.controllers.external.uses import (
    Group,
    Reads,
    Stamp,
    Uses,
    asked_of_path,
    identity_of_path,
    key_of_path,
    ref_of_path,
)
from gateway.kube import Key
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.stores.model import Find, Reference

A, B, C = Key("web", "a"), Key("web", "b"), Key("api", "c")


def path(
    key: str,
    *,
    store: str = "vault",
    sort: str = "key",
    version: str = "",
    policy: str = "None",
    namespace: str = "web",
) -> Path:
    tail = (version, policy) if sort == "key" else ("", "{}")
    return ("SecretStore", namespace, store, "uid", "1", "", sort, key, *tail)


def reads(*paths: Path, interval: float = 60.0, whole: bool = True, **stamps: Stamp) -> Reads:
    """Each path with the name that it has; ``stamps`` by key."""
    has = {one: stamps[one[7]] for one in paths if one[7] in stamps}
    return Reads({one: one[7] for one in paths}, has, interval, whole)


def test_users() -> None:
    """All that read a path; not any more when they read another, or are no more."""
    uses, one, two = Uses(), path("one"), path("two")
    uses.note(A, reads(one, two))
    uses.note(B, reads(one))
    uses.outdate(one, 5.0)
    assert (uses.users(one), uses.users(two), uses.outdated_at(one)) == ({A, B}, {A}, 5.0)
    uses.note(A, reads(two))
    assert uses.users(one) == {B}
    uses.forget(B)
    assert (uses.users(one), uses.outdated_at(one), uses.changed(Change("one"))) == (frozenset(), float("-inf"), [])
    uses.outdate(one, 6.0)
    assert uses.outdated_at(one) == float("-inf")


def test_groups() -> None:
    """Of one path and one interval; whom the path leads, or who is not read again, follows nothing."""
    uses, one, two = Uses(), path("one"), path("two")
    new: list[Group] = []
    uses.appeared = new.append
    uses.note(A, reads(one, two))
    uses.note(B, reads(two, one))
    uses.note(C, reads(one, two, interval=0.0))
    assert (uses.followers((one, 60.0)), uses.followers((two, 60.0))) == ({B}, {A})
    assert new == [(two, 60.0), (one, 60.0)]
    uses.note(B, reads(one, two))
    assert (uses.followers((one, 60.0)), uses.followers((two, 60.0))) == (frozenset(), {A, B})
    uses.note(C, reads(one, two, interval=5.0))
    assert new[2:] == [(two, 5.0)]


def test_who_has_another_state() -> None:
    """By the version or, where both are known, by the content; each is told of once, who has none counts as having another."""
    uses, one = Uses(), path("one")
    uses.note(A, reads(one, one=Stamp("1", b"x")))
    uses.note(B, reads(one))
    assert uses.behind(one, Stamp("1"), [A, B, C]) == [B]
    assert uses.behind(one, Stamp("1"), [A, B, C]) == []
    assert uses.behind(one, Stamp("1", b"y"), [A, B]) == [A]
    assert uses.behind(one, Stamp("2"), [A, B]) == [A, B]


@pytest.mark.parametrize(
    ("has", "newer", "differs"),
    [
        (Stamp("1"), Stamp("1"), False),
        (Stamp("1"), Stamp("2"), True),
        (Stamp(""), Stamp(""), True),
        (Stamp("", b"x"), Stamp("", b"x"), False),
        (Stamp("", b"x"), Stamp("", b"y"), True),
        (Stamp("1", b"x"), Stamp("1", b"y"), True),
        (Stamp("1", b"x"), Stamp("1"), False),
    ],
)
def test_states(has: Stamp, newer: Stamp, differs: bool) -> None:
    """What cannot be told apart may be another."""
    assert has.differs(newer) is differs


def test_what_a_search_found_is_known_until_it_is_read_again() -> None:
    """Also by who only looked at the Secret; not any more where it is another spec, or another store."""
    uses, search, member = Uses(), path("team/", sort="find"), path("team/db")
    uses.note(A, reads(search, whole=False))
    assert not uses.whole(A)
    uses.note(A, reads(search, member, **{"team/db": Stamp("1", b"x")}))
    uses.note(A, reads(search, whole=False, **{"team/db": Stamp("0")}))
    assert uses.whole(A)
    assert uses.users(member) == {A}
    assert uses.polled() == [member]
    assert uses.behind(member, Stamp("1"), [A]) == []
    other = path("other/", sort="find")
    uses.note(A, reads(other, whole=False))
    assert (uses.whole(A), uses.users(member), uses.users(search)) == (False, frozenset(), frozenset())


def test_a_change_by_either_name() -> None:
    """As an ExternalSecret names it, or below the store's mount; of one store, or of all."""
    uses, vault, other = Uses(), path("kv/data/team/db"), path("team/db", store="other")
    uses.note(A, Reads({vault: "team/db", other: "team/db"}))
    assert uses.changed(Change("kv/data/team/db")) == [vault]
    assert uses.changed(Change("/team/db")) == [vault, other]
    assert uses.changed(Change("team/db", store="other")) == [other]
    assert uses.changed(Change("team/db", namespace="api")) == uses.changed(Change("team")) == []


def test_a_search_may_find_what_is_new() -> None:
    """Whatever is below the folder that it searches."""
    uses, search = Uses(), path("team/", sort="find")
    uses.note(A, reads(search))
    assert uses.changed(Change("team/new")) == [search]
    assert uses.changed(Change("other/new")) == []


KEYS = st.sampled_from(["", "a", "a/", "a/b", "/a/b", "kv/a/b", "a/b/c"])
SOME = st.tuples(
    st.sampled_from(["web", ""]), st.sampled_from(["vault", "other"]), st.sampled_from(["", "api"]),
    st.sampled_from(["key", "find"]), KEYS, KEYS,
)  # fmt: skip


@given(
    st.lists(SOME, max_size=8, unique_by=lambda one: one[:5]),
    st.sets(st.integers(0, 7)),
    KEYS,
    st.sampled_from(["", "vault"]),
    st.sampled_from(["", "web", "api"]),
)
def test_the_index_finds_what_a_look_at_all_finds(
    some: list[tuple[str, ...]], dropped: set[int], key: str, store: str, namespace: str
) -> None:
    """However many come and go."""
    index, left = Names(), []
    for place, name, whose, sort, what, alias in some:
        one = ("SecretStore", place, name, "u", "1", whose, sort, what, "", "None")
        index.put(one, alias)
        index.put(one, alias)
        left.append((one, alias))
    for number in sorted(dropped, reverse=True):
        if number < len(left):
            index.drop(*left.pop(number))

    def about(one: Path, alias: str) -> bool:
        if store not in ("", one[2]) or namespace not in ("", one[5] or one[1]):
            return False
        if one[6] == "find":
            return key.startswith(one[7])
        return bool({key, key.strip("/")} & {one[7], alias})

    assert set(index.about(Change(key, store, namespace))) == {one for one, alias in left if about(one, alias)}
    for one, alias in left:
        index.drop(one, alias)
    assert index.about(Change(key)) == []


def test_newest_versions_are_polled() -> None:
    """Not those that are fixed, not metadata, not searches."""
    uses, newest = Uses(), path("a")
    paths = [newest, path("a", version="2"), path("a", policy="Fetch"), path("a", sort="find")]
    uses.note(A, reads(*paths))
    assert uses.polled() == [newest]


def test_what_a_path_says() -> None:
    """Which store, and what is asked of it."""
    one = path("a", version="2", policy="Fetch")
    assert (key_of_path(one), ref_of_path(one), identity_of_path(one)) == ("a", StoreRef("vault"), one[:6])
    assert asked_of_path(one) == Reference("a", version="2", metadata_policy="Fetch")
    search = (*one[:6], "find", "p", "n", '{"t":"v"}')
    assert asked_of_path(search) == Find("p", "n", {"t": "v"})


def annotated(prefix: str, keys: str, versions: str) -> dict[str, Any]:
    name = f"{prefix}secrets.govgate.dev"
    return {"metadata": {"annotations": {f"{name}/key": keys, f"{name}/version": versions}}}


@pytest.mark.parametrize(
    ("policy", "secret", "known"),
    [
        ("Owner", annotated("", "a,b", "1,2"), {"a": "1", "b": "2"}),
        ("Merge", annotated("uid-of-db.", "a,b", "1,2"), {"a": "1", "b": "2"}),
        ("CreateOrMerge", annotated("uid-of-db.", "a", "1"), {"a": "1"}),
        ("Merge", annotated("", "a", "1"), {}),
        ("Owner", annotated("", "a,a,b", "1,2,3"), {"b": "3"}),
        ("Owner", annotated("", "a,b", "1"), {}),
        ("Owner", annotated("", "a,b", ",2"), {"b": "2"}),
        ("Owner", annotated("", ",".join(["a", *"cdefghij" * 6, "b"]), ",".join(["1"] * 50)), {}),
        ("Owner", None, {}),
    ],
)
def test_versions_that_a_secret_says(policy: str, secret: Any, known: Mapping[str, str]) -> None:
    """Where its annotations are that one's own, too; what cannot be told apart is not known. Of metadata they say nothing."""
    paths = [path("a"), path("b"), path("b", policy="Fetch"), path("a", sort="find")]
    found = noted(secret, external(target={"creationPolicy": policy}), paths)
    assert found == {path(key): Stamp(version) for key, version in known.items()}
