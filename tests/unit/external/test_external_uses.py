"""Who reads what, and whom a change is about."""

from __future__ import annotations

from gateway.controllers.external.uses import Change, Uses, key_of_path, store_of_path
from gateway.kube import Key

A, B = Key("web", "a"), Key("web", "b")


def path(
    key: str, *, store: str = "vault", sort: str = "key", version: str = "", policy: str = "None"
) -> tuple[str, ...]:
    tail = (version, policy) if sort == "key" else ("", "{}")
    return ("SecretStore", "web", store, "uid", "1", "", sort, key, *tail)


def test_users() -> None:
    """All that read a path; not any more when they read another, or are no more."""
    uses, one, two = Uses(), path("one"), path("two")
    uses.note(A, {one: "one", two: "two"}, {one: "1"})
    uses.note(B, {one: "one"}, {})
    assert (uses.users(one), uses.users(two), uses.version(one)) == ({A, B}, {A}, "1")
    uses.note(A, {two: "two"}, {})
    assert uses.users(one) == {B}
    uses.forget(B)
    assert (uses.users(one), uses.version(one), uses.changed(Change("one"))) == (frozenset(), None, [])
    uses.saw(one, "2")
    assert uses.version(one) is None


def test_a_change_by_either_name() -> None:
    """As an ExternalSecret names it, or below the store's mount; of one store, or of all."""
    uses, vault, other = Uses(), path("kv/data/team/db"), path("team/db", store="other")
    uses.note(A, {vault: "team/db", other: "team/db"}, {})
    assert uses.changed(Change("kv/data/team/db")) == [vault]
    assert uses.changed(Change("/team/db")) == [vault, other]
    assert uses.changed(Change("team/db", store="other")) == [other]
    assert uses.changed(Change("team/db", namespace="api")) == uses.changed(Change("team")) == []


def test_a_search_may_find_what_is_new() -> None:
    """Whatever is below the folder that it searches."""
    uses, search = Uses(), path("team/", sort="find")
    uses.note(A, {search: "team/"}, {})
    assert uses.changed(Change("team/new")) == [search]
    assert uses.changed(Change("other/new")) == []


def test_newest_versions_are_polled() -> None:
    """Not those that are fixed, not metadata, not searches."""
    uses, newest = Uses(), path("a")
    paths = [newest, path("a", version="2"), path("a", policy="Fetch"), path("a", sort="find")]
    uses.note(A, dict.fromkeys(paths, "a"), {})
    assert uses.polled() == [newest]
    assert (key_of_path(newest), store_of_path(newest)) == ("a", ("SecretStore", "web", "vault", ""))
