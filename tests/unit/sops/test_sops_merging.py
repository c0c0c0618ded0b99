"""SOPS files merged key by key: as their plain texts would be, without a value in plain text anywhere."""

from __future__ import annotations

import copy
import json
from typing import Any

import pyrage
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.sops.documents import read
from gateway_secrets.sops.errors import MalformedError, NoKeyError, SopsError, TamperedError, UnsupportedError
from gateway_secrets.sops.merging import finish, finish_file, merge_files
from gateway_secrets.sops.opened import open_file
from gateway_secrets.sops.sides import Keys
from gateway_secrets.sops.threeway import MISSING, Take, decide, merge, names
from gateway_secrets.sops.values import Plain, aad, decrypt, encrypt

NOW = "2026-11-26T00:00:00Z"
IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())
KEYS = (b"1" * 32, b"2" * 32)
KEYRING = Keys([IDENTITY])
ARMORED = {key: pyrage.encrypt(key, [IDENTITY.to_public()], armored=True).decode() for key in KEYS}


def sealed(tree: dict[str, Any], key: bytes, recipients: tuple[str, ...] = (RECIPIENT,)) -> bytes:
    """A file as sops writes it."""
    metadata = {
        "age": [{"recipient": one, "enc": ARMORED[key] if one == RECIPIENT else "x"} for one in recipients],
        "lastmodified": NOW,
        "mac": "ENC[AES256_GCM,data:AA==,iv:AAAAAAAAAAA=,tag:AAAAAAAAAAAAAAAAAAAAAA==,type:str]",
        "unencrypted_suffix": "_plain",
    }
    text = yaml.safe_dump(_sealed(tree, key, ()), sort_keys=False, width=10**6, indent=4) if tree else ""
    return finish((text + yaml.safe_dump({"sops": metadata}, width=10**6, indent=4)).encode(), key, NOW)


def _sealed(value: Any, key: bytes, path: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {name: _sealed(item, key, (*path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_sealed(item, key, path) for item in value]
    if value is None or any(name.endswith("_plain") for name in path):
        return value
    kind = {bool: "bool", int: "int", str: "str"}[type(value)]
    return encrypt(Plain(str(value).encode(), kind), key, aad(path))


LEAVES = st.one_of(
    st.text(max_size=3), st.integers(0, 9), st.booleans(), st.none(), st.lists(st.integers(0, 3), max_size=2)
)
NAMES = st.sampled_from(["a", "b", "c_plain", "on", "1", "k ey"])
TREES = st.dictionaries(NAMES, st.one_of(LEAVES, st.dictionaries(NAMES, LEAVES, max_size=3)), max_size=4)


@given(base=TREES, ours=TREES, theirs=TREES, same=st.booleans())
def test_merge_of_files_is_merge_of_plain_texts(base: Any, ours: Any, theirs: Any, same: bool) -> None:
    """Whatever the three hold: the merged file opens to the merged plain texts, or names the same conflicts."""
    base, ours, theirs = ({"a": "x", "first_plain": "y"} | tree for tree in (base, ours, theirs))
    wanted, conflicts = merge(*(_typed(tree) for tree in (base, ours, theirs)))
    key = KEYS[not same]
    merged = merge_files(sealed(base, KEYS[0]), sealed(ours, KEYS[0]), sealed(theirs, key), KEYRING, NOW)
    assert sorted(merged.conflicts) == sorted(".".join(path) for path in conflicts)
    if not conflicts:
        (opened,) = open_file(read(merged.data, "yaml"), [IDENTITY])
        assert _typed(opened) == wanted


def _typed(value: Any) -> Any:
    """1 and True are not the same, and 1 is not "1"."""
    if isinstance(value, dict):
        return {name: _typed(item) for name, item in value.items()}
    return [_typed(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)


@given(base=TREES, ours=TREES, theirs=TREES)
def test_merge_is_the_same_from_either_side(base: Any, ours: Any, theirs: Any) -> None:
    """Sides that change nothing take nothing away; what the sides are called decides nothing but the order."""
    assert merge(base, base, theirs)[0] == theirs
    assert merge(base, ours, base) == (ours, [])
    one, other = merge(base, ours, theirs), merge(base, theirs, ours)
    assert one[0] == other[0]
    assert sorted(one[1]) == sorted(other[1])


def test_decisions() -> None:
    """A change wins over none, a removal is a change, two different changes are a conflict."""
    assert decide("a", "a", "b") is Take.THEIRS
    assert decide("a", MISSING, "a") is Take.OURS
    assert decide("a", MISSING, "b") is Take.NEITHER
    assert decide(MISSING, {"a": 1}, {"b": 1}) is Take.BELOW
    assert decide({"a": 1}, {}, {"a": 2}) is Take.NEITHER
    assert names(["a", "z"], ["n", "a", "m"]) == ["n", "a", "m", "z"]


BASE = {"a": "hunter1", "b": {"c": "hunter2", "d": "x"}}


def changed(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(BASE) | changes


def test_unchanged_values_keep_their_ciphertext() -> None:
    """What our side has stays byte for byte; a change under another data key is encrypted anew."""
    ours = sealed(changed(e="new"), KEYS[0])
    theirs = sealed(changed(a="other"), KEYS[0])
    merged = merge_files(sealed(BASE, KEYS[0]), ours, theirs, KEYRING, NOW).data
    before, after = (read(data, "yaml").documents[0] for data in (ours, merged))
    assert {name for name in after if after[name] != before[name]} == {"a"}


def test_conflicts_are_encrypted_and_settled() -> None:
    """Both values stand between markers, neither in plain text; with a side chosen the file gets its MAC, not before."""
    merged = merge_files(
        sealed(BASE, KEYS[0]), sealed(changed(a="hunter3"), KEYS[0]), sealed(changed(a="hunter4", f="x"), KEYS[0]), KEYRING, NOW
    )  # fmt: skip
    assert merged.conflicts == ["a"]
    text = merged.data.decode()
    assert "hunter" not in text
    with pytest.raises(SopsError):
        finish_file(merged.data, KEYRING, NOW)
    before, _, rest = text.partition("<<<<<<< ours\n")
    _, _, rest = rest.partition("=======\n")
    chosen = (before + rest.replace(">>>>>>> theirs\n", "")).encode()
    with pytest.raises(TamperedError):
        open_file(read(chosen, "yaml"), [IDENTITY])
    settled = finish_file(chosen, KEYRING, NOW)
    assert open_file(read(settled, "yaml"), [IDENTITY]) == [changed(a="hunter4", f="x")]


def test_recipients_and_data_keys() -> None:
    """The side that changed recipients or the data key keeps them; if both did, a person has to tell."""
    stranger = str(pyrage.x25519.Identity.generate().to_public())
    base, ours = sealed(BASE, KEYS[0]), sealed(changed(e="new"), KEYS[0])
    theirs = sealed(changed(a="other"), KEYS[1], (RECIPIENT, stranger))
    merged = read(merge_files(base, ours, theirs, KEYRING, NOW).data, "yaml")
    assert [who for who, _ in merged.metadata.age] == [RECIPIENT, stranger]
    assert open_file(merged, [IDENTITY]) == [changed(a="other", e="new")]
    assert dict(merged.metadata.age)[RECIPIENT] == ARMORED[KEYS[1]]
    with pytest.raises(UnsupportedError, match="both sides changed the recipients"):
        merge_files(base, sealed(BASE, KEYS[0], (stranger, RECIPIENT)), theirs, KEYRING, NOW)


@pytest.mark.parametrize(
    ("ours", "error"),
    [(b"a: b\n", SopsError), (b"a: [\n", MalformedError), (b"\xff", SopsError), (sealed(BASE, KEYS[0]).replace(b"a:", b"z:", 1), SopsError)],
)  # fmt: skip
def test_what_is_refused_says_which_side(ours: bytes, error: type[SopsError]) -> None:
    """No SOPS file, a broken one, a changed one: an error that names the side and no value."""
    with pytest.raises(error, match=r"^ours: "):
        merge_files(b"", ours, sealed(BASE, KEYS[0]), KEYRING, NOW)
    with pytest.raises(NoKeyError):
        merge_files(b"", sealed(BASE, KEYS[0]), sealed(BASE, KEYS[0]), Keys([]), NOW)


def test_comments_and_indentation_are_kept() -> None:
    """What is written between keys stays with the key below it, whichever side wrote it, in one indentation."""
    base = sealed(BASE, KEYS[0])
    ours = base.replace(b"a: ENC", b"# about a\na: ENC").replace(b"    d:", b"    # about d\n    d:")
    theirs = sealed(changed(b={"c": "hunter2", "d": "x", "e": {"f": "y"}}), KEYS[1]).replace(b"\n    ", b"\n      ")
    theirs = theirs.replace(b"      c:", b"      # about c\n      c:")
    merged = merge_files(base, ours, theirs, KEYRING, NOW).data
    for text in (b"# about a\na: ", b"\n    # about d\n    d: ", b"\n    # about c\n    c: ", b"\n    e:\n"):
        assert text in merged.replace(b"\n      ", b"\n    ")
    assert json.dumps(open_file(read(merged, "yaml"), [IDENTITY])[0]["b"]["e"]) == '{"f": "y"}'


def test_values_and_comments_from_another_key() -> None:
    """Of a list that changed, items that were the same keep our ciphertext; encrypted comments are encrypted anew."""
    base, ours = sealed({"l": ["x", "y"]}, KEYS[1]), sealed({"l": ["x", "y"]}, KEYS[0])
    theirs = sealed({"l": ["x", "z"]}, KEYS[1])
    comment = encrypt(Plain(b" hunter5", "comment"), KEYS[1], ":")
    theirs = theirs.replace(b"l:", f"#{comment}\nl:".encode(), 1)
    merged = merge_files(base, ours, theirs, KEYRING, NOW).data
    (before,), (after,) = (read(data, "yaml").documents for data in (ours, merged))
    assert after["l"][0] == before["l"][0]
    first = merged.decode().splitlines()[0]
    assert decrypt(first[1:], KEYS[0], ":").data == b" hunter5"
    assert open_file(read(merged, "yaml"), [IDENTITY]) == [{"l": ["x", "z"]}]


def test_what_lines_cannot_say_is_refused() -> None:
    """An alias of ours to a value that theirs changed would change with it: not what the plain texts say."""
    base = sealed({"a_plain": "one"}, KEYS[0])
    ours = base.replace(b"a_plain: one\n", b"a_plain: &x one\nb_plain: *x\n")
    ours = finish(ours, KEYS[0], NOW)
    with pytest.raises(UnsupportedError, match="not written as sops writes"):
        merge_files(base, ours, sealed({"a_plain": "two"}, KEYS[0]).replace(b": two", b": &x two"), KEYRING, NOW)
