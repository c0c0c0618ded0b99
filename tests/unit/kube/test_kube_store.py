"""The store of a watch cache: what it reports adds up to what it holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.kube.store import Entry, Key, Store

_keys = st.builds(Key, st.sampled_from(["", "a", "b"]), st.sampled_from(["x", "y", "z"]))
_entries = st.one_of(st.none(), st.builds(Entry, st.sampled_from("123"), st.integers(0, 5)))
_put = st.tuples(st.just("put"), _keys, _entries)
_remove = st.tuples(st.just("remove"), _keys)
_replace = st.tuples(st.just("replace"), st.dictionaries(_keys, _entries, max_size=6))
_steps = st.lists(st.one_of(_put, _remove, _replace), max_size=12)


@given(_steps)
def test_reports_add_up_to_the_state(steps):
    """Whoever follows the reports alone holds what the store holds: no deletion is lost in any order of events."""
    followed = {}

    def follow(key, old, new):
        assert followed.get(key) == old
        followed.pop(key, None)
        if new is not None:
            followed[key] = new

    store = Store(follow)
    for step, *arguments in steps:
        getattr(store, step)(*arguments)
        assert dict(store.items()) == followed
        assert not store.unreadable & {key for key, _ in store.items()}


def test_unreadable_objects_are_counted_until_they_are_gone():
    """An object that could not be read takes the place of its former self, and is forgotten when deleted."""
    store = Store()
    key = Key("a", "x")
    store.put(key, Entry("1", "good"))
    store.put(key, None)
    assert (store.entry(key), store.unreadable) == (None, {key})
    store.remove(key)
    assert store.unreadable == set()


def test_nothing_is_reported_for_what_did_not_change():
    """A list that brings the same entries again reports nothing."""
    reports = []
    store = Store(lambda *change: reports.append(change))
    entry = Entry("1", "same")
    store.replace({Key("", "x"): entry})
    reports.clear()
    store.replace({Key("", "x"): entry})
    assert reports == []
