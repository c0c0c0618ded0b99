"""The embedded store: one encrypted file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, StoreError, UnusableError
from gateway_secrets.stores.file import FileStore
from gateway_secrets.stores.filebox import KEPT_VERSIONS, Contents, new_key, parse_key, seal, unseal
from gateway_secrets.stores.model import Find

KEY = bytes(range(32))


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "a" / "secrets.enc", tmp_path / "b" / "secrets.key")


async def test_what_was_put_is_read(store):
    """The newest version without one named, older ones by number, whoever opens the files."""
    assert [store.put("team/db", b"one"), store.put("team/db", b"\xfftwo")] == [1, 2]
    again = FileStore(store._path, store._key_file)
    assert (await again.read("team/db", "", within=1)).whole == b"\xfftwo"
    assert (await again.read("team/db", "1", within=1)).whole == b"one"
    assert (await again.describe("team/db", within=1)).version == "2"


async def test_a_reader_sees_what_others_write(store):
    """A file that was replaced is read again."""
    store.put("k", b"one")
    other = FileStore(store._path, store._key_file)
    await other.read("k", "", within=1)
    store.put("k", b"two")
    assert (await other.read("k", "", within=1)).whole == b"two"


def test_files_are_their_owners_alone(store):
    """Neither the values, nor the key, nor the folders are for others."""
    store.put("k", b"v")
    assert {path.stat().st_mode & 0o777 for path in (store._path, store._key_file)} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in (store._path, store._key_file)} == {0o700}


def test_nothing_is_left_beside_the_files(store):
    """The file is replaced as a whole; what it was made from is gone."""
    store.put("k", b"v")
    assert sorted(path.name for path in store._path.parent.iterdir()) == [".secrets.enc.lock", "secrets.enc"]


async def test_what_is_not_there_is_not_found(store):
    """No file, no key, no version: each says so, and names it."""
    with pytest.raises(NotFoundError, match="no secrets file"):
        await store.read("k", "", within=1)
    store.put("k", b"v")
    with pytest.raises(NotFoundError, match="other: not in"):
        await store.read("other", "", within=1)
    with pytest.raises(NotFoundError, match="no version '2'"):
        await store.read("k", "2", within=1)


async def test_what_was_deleted_is_gone(store):
    """With all its versions; deleting it again says that it is not there."""
    store.put("k", b"v")
    store.delete("k")
    with pytest.raises(NotFoundError):
        await store.read("k", "", within=1)
    with pytest.raises(NotFoundError):
        store.delete("k")


@pytest.mark.native
async def test_secrets_are_found_by_path_name_and_tags(store):
    """All conditions hold at once; patterns are Go's."""
    store.put("a/one", b"1", tags={"team": "a", "tier": "x"})
    store.put("a/two", b"2", tags={"team": "a"})
    store.put("ab/one", b"3")
    for find, names in (
        (Find(), ["a/one", "a/two", "ab/one"]),
        (Find(path="a"), ["a/one", "a/two"]),
        (Find(name="/o.e$"), ["a/one", "ab/one"]),
        (Find(tags={"team": "a"}, name="one"), ["a/one"]),
        (Find(tags={"team": "b"}), []),
    ):
        assert list(await store.find(find, within=1)) == names
    with pytest.raises(MisconfiguredError, match=r"find\.name"):
        await store.find(Find(name="(?=x)"), within=1)


async def test_a_lost_key_is_not_replaced(store):
    """A new key for an old file would lose everything; it is said which file is missing."""
    store.put("k", b"v")
    store._key_file.unlink()
    with pytest.raises(MisconfiguredError, match="cannot read the key file"):
        store.put("k", b"w")
    assert not store._key_file.exists()


@pytest.mark.parametrize("key", ["", "x" * 2000, "a\nb", "\x00"])
def test_keys_are_printable(store, key):
    """A key is shown in messages and records: one line, not too long."""
    with pytest.raises(UnusableError):
        store.put(key, b"v")


def test_old_versions_are_forgotten():
    """So many are kept; their numbers go on."""
    contents = Contents()
    for number in range(KEPT_VERSIONS + 3):
        contents = contents.with_value("k", b"%d" % number, created="", tags=None)
    assert [kept.version for kept in contents.secrets["k"].versions] == list(range(4, KEPT_VERSIONS + 4))


SEALED = seal(Contents().with_value("name-of-it", b"value-of-it", created="", tags=None), KEY)


def test_the_file_shows_nothing_of_its_content():
    """Neither names nor values; two files of the same content differ."""
    assert b"name-of" not in SEALED
    assert b"value-of" not in SEALED
    assert seal(unseal(SEALED, KEY, source="f"), KEY) != SEALED


def test_another_key_is_said_to_be_another():
    """By the ids of both, so that the right one can be looked for."""
    with pytest.raises(MisconfiguredError, match=r"f: encrypted with key [0-9a-f]{16}; the key given is [0-9a-f]{16}"):
        unseal(SEALED, bytes(32), source="f")


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_noticed(place, change):
    """No file that was changed is read, and never as something else than it was."""
    changed = bytearray(SEALED)
    changed[place] ^= change
    with pytest.raises(StoreError, match="f: "):
        unseal(bytes(changed), KEY, source="f")


@given(st.integers(0, len(SEALED) - 1))
def test_a_file_that_was_cut_off_is_noticed(length):
    """As what it is, once its first line is there."""
    with pytest.raises(StoreError, match=r"cut off|not a secrets file"):
        unseal(SEALED[:length], KEY, source="f")


def test_a_file_with_something_behind_it_is_refused():
    """Nothing may follow."""
    with pytest.raises(UnusableError, match="damaged"):
        unseal(SEALED + b"x", KEY, source="f")


def test_a_key_file_is_checked():
    """Its own content is never shown."""
    assert len(parse_key(new_key(), source="f")) == 32
    with pytest.raises(MisconfiguredError) as caught:
        parse_key(b"0123456789", source="f")
    assert "01234" not in str(caught.value)
