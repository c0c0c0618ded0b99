"""Objects that one call can judge together: each exactly once, and no two that a call mistakes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.kyverno import asked, pod

from policies.kyverno.batches import MAX_OBJECTS, batches

names = st.sampled_from(["a", "b", ""])
spaces = st.sampled_from(["", "default", "web"])
users = st.sampled_from(["", "ann", "bob"])
labels = st.sampled_from([None, {"env": "prod"}, {"env": "lab"}])
requests = st.builds(
    lambda name, namespace, user, around: asked(pod(name, namespace), user=user, labels=around if namespace else None),
    names, spaces, users, labels,
)  # fmt: skip


@given(st.lists(requests, max_size=30), st.booleans())
def test_every_object_is_in_one_batch_with_what_is_known_around_it(many: list, by_user: bool) -> None:
    """No two of one identity, one user, one Namespace of a name."""
    seen = []
    for batch in batches(list(enumerate(many)), users=by_user):
        seen += batch.positions
        members = [many[position] for position in batch.positions]
        identities = [(one.subject.object_namespace or "default", one.subject.name) for one in members]
        assert len(set(identities)) == len(identities)
        for one in members:
            assert batch.namespaces.get(one.subject.object_namespace or "default") == one.namespace
            if by_user:
                assert batch.user == (one.subject.user if one.subject.user.username else None)
    assert sorted(seen) == list(range(len(many)))


def test_a_batch_is_bounded_in_number() -> None:
    """More than a call takes go into the next one, in order."""
    many = [(index, asked(pod(f"p{index}"))) for index in range(MAX_OBJECTS + 5)]
    first, second = batches(many, users=False)
    assert (len(first.objects), second.positions) == (MAX_OBJECTS, list(range(MAX_OBJECTS, MAX_OBJECTS + 5)))


def test_a_batch_is_smaller_the_more_there_is_to_compile() -> None:
    """Each ValidatingPolicy costs time for each object; one object there is always room for."""
    many = [(index, asked(pod(f"p{index}"))) for index in range(60)]
    assert [len(batch.objects) for batch in batches(many, users=False, compiled=40)] == [25, 25, 10]
    assert len(list(batches(many, users=False, compiled=5000))) == 60


def test_a_batch_is_bounded_in_bytes() -> None:
    """A large object goes alone, and is not left out."""
    large = pod("large", labels={"a": "x" * 9_000_000})
    many = [(0, asked(pod("a"))), (1, asked(large)), (2, asked(pod("b")))]
    assert sorted(batch.positions for batch in batches(many, users=False)) == [[0], [1], [2]] or [
        batch.positions for batch in batches(many, users=False)
    ] == [[0, 2], [1]]


def test_uids_are_new_in_every_call() -> None:
    """Nobody can write one into an object beforehand."""
    (batch,) = batches([(0, asked(pod()))], users=False)
    objects, first = batch.named()
    assert objects[0]["metadata"]["uid"] in first
    assert not set(first) & set(batch.named()[1])
