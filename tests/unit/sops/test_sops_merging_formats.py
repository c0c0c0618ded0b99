"""SOPS files in JSON, dotenv and INI merged key by key: as their plain texts would be, in each format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.sops.documents import Format, read
from gateway_secrets.sops.errors import MalformedError, NoKeyError, UnsupportedError
from gateway_secrets.sops.merging import Merged, finish, finish_file, merge_files
from gateway_secrets.sops.opened import open_with
from gateway_secrets.sops.sides import Keys
from gateway_secrets.sops.threeway import merge
from gateway_secrets.sops.values import Plain, aad, decrypt, encrypt

NOW = "2026-11-26T00:00:00Z"
IDENTITY = pyrage.x25519.Identity.generate()
KEYRING = Keys([IDENTITY])
KEYS = (b"1" * 32, b"2" * 32)
ARMORED = {key: pyrage.encrypt(key, [IDENTITY.to_public()], armored=True).decode() for key in KEYS}
MAC = "ENC[AES256_GCM,data:AA==,iv:AAAAAAAAAAA=,tag:AAAAAAAAAAAAAAAAAAAAAA==,type:str]"


def stated(key: bytes) -> dict[str, Any]:
    age = {"recipient": str(IDENTITY.to_public()), "enc": ARMORED[key]}
    return {"age": [age], "lastmodified": NOW, "mac": MAC, "unencrypted_suffix": "_plain", "version": "3.11.0"}


def flat(key: bytes) -> dict[str, str]:
    metadata = stated(key)
    (age,) = metadata.pop("age")
    found = {f"age__list_0__map_{name}": value for name, value in age.items()} | metadata
    return {name: value.replace("\n", "\\n") for name, value in found.items()}


def enciphered(value: Any, key: bytes, path: tuple[str, ...] = ()) -> Any:
    if isinstance(value, dict):
        return {name: enciphered(item, key, (*path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [enciphered(item, key, path) for item in value]
    if value is None or any(name.endswith("_plain") for name in path):
        return value
    kind = {bool: "bool", int: "float", str: "str"}[type(value)]
    return encrypt(Plain(str(value).encode(), kind), key, aad(path))


def as_json(tree: Any, key: bytes) -> str:
    return json.dumps(enciphered(tree, key) | {"sops": stated(key)}, indent="\t", ensure_ascii=False) + "\n"


def as_dotenv(tree: Any, key: bytes) -> str:
    lines = [*enciphered(tree, key).items(), *((f"sops_{name}", value) for name, value in flat(key).items())]
    return "".join(f"{name}={value}\n" for name, value in lines)


def as_ini(tree: Any, key: bytes) -> str:
    sections = {**enciphered(tree, key), "sops": flat(key)}
    parts = []
    for name, section in sections.items():
        header = "" if name == "DEFAULT" else f"[{name}]\n"
        parts.append(header + "".join(f"{one} = {value}\n" for one, value in section.items()))
    return "\n".join(parts)


WRITERS = {"json": as_json, "binary": as_json, "dotenv": as_dotenv, "ini": as_ini}


def sealed(form: Format, tree: Mapping[str, Any], key: bytes = KEYS[0]) -> bytes:
    """A file as sops writes it."""
    return finish(WRITERS[form](tree, key).encode(), key, NOW, form)


def merged(form: Format, base: Any, ours: Any, theirs: Any, key: bytes = KEYS[0]) -> Merged:
    return merge_files(sealed(form, base), sealed(form, ours), sealed(form, theirs, key), KEYRING, NOW, form)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\\\"'`=[", categories=("L", "N", "P")), max_size=4)
NAMES = st.sampled_from(["a", "b", "c_plain", "d.e", "F"])
SECRETS = st.dictionaries(NAMES, WORDS, max_size=4)
LEAVES = st.one_of(WORDS, st.integers(0, 9), st.booleans(), st.none(), st.lists(st.integers(0, 3), max_size=2))
TREES: dict[Format, st.SearchStrategy[Any]] = {
    "json": st.dictionaries(NAMES, st.one_of(LEAVES, st.dictionaries(NAMES, LEAVES, max_size=3)), max_size=4),
    "dotenv": SECRETS,
    "ini": st.dictionaries(
        st.sampled_from(["DEFAULT", "s", "t.u"]), st.dictionaries(NAMES, WORDS, min_size=1, max_size=3), max_size=3
    ).map(lambda tree: dict(sorted(tree.items(), key=lambda item: item[0] != "DEFAULT"))),
}


@pytest.mark.parametrize("form", TREES)
@given(data=st.data())
def test_merge_of_files_is_merge_of_plain_texts(form: Format, data: st.DataObject) -> None:
    """Whatever the three hold: the merged file opens to the merged plain texts, or names the same conflicts."""
    base, ours, theirs = (data.draw(TREES[form]) for _ in range(3))
    key = KEYS[data.draw(st.booleans())]
    empty = {"DEFAULT": {}} if form == "ini" else {}
    wanted, conflicts = merge(*(typed(empty | tree) for tree in (base, ours, theirs)))
    found = merged(form, base, ours, theirs, key)
    assert sorted(found.conflicts) == sorted(".".join(path) for path in conflicts)
    if not conflicts:
        (opened,) = open_with(
            read(found.data, form), KEYS[KEYS.index(key)] if takes_theirs(found.data, form) else KEYS[0]
        )
        assert filled(typed(opened)) == filled(wanted)


def takes_theirs(data: bytes, form: Format) -> bool:
    """Whether the other side's data key was kept, as when ours did not change it."""
    return read(data, form).metadata.age[0][1] == ARMORED[KEYS[1]]


def typed(value: Any) -> Any:
    """1 and True are not the same; all numbers of JSON are."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return ("number", float(value)) if type(value) in {int, float} else (type(value).__name__, value)


def filled(tree: Any) -> Any:
    """Without empty sections, which are the same to INI as none."""
    return {name: item for name, item in tree.items() if item != {}}


@pytest.mark.parametrize("form", ["json", "dotenv", "ini"])
def test_what_stays_keeps_its_ciphertext(form: Format) -> None:
    """Lines of ours that nothing changed stay byte for byte; theirs come in where they stand there."""
    base = {"s": {"a": "hunter1", "b": "hunter2"}} if form != "dotenv" else {"a": "hunter1", "b": "hunter2"}
    inner = base.get("s", base)
    theirs = {**inner, "a": "hunter3", "n": "hunter4"}
    ours = sealed(form, base)
    out = merge_files(ours, ours, sealed(form, {"s": theirs} if "s" in base else theirs, KEYS[0]), KEYRING, NOW, form)
    before, after = ours.decode().splitlines(), out.data.decode().splitlines()
    kept = [line for line in before if '"b"' in line or line.startswith("b")]
    assert kept
    assert {line.rstrip(",") for line in kept} <= {line.rstrip(",") for line in after}
    assert "hunter" not in out.data.decode()


@pytest.mark.parametrize("form", ["json", "dotenv", "ini"])
def test_conflicts_are_encrypted_and_settled(form: Format) -> None:
    """Both values stand between markers, encrypted; with a side chosen the file gets its MAC, not before."""
    trees = [{"a": value, "z": "x"} for value in ("hunter1", "hunter2", "hunter3")]
    found = merged(form, *([{"s": tree} for tree in trees] if form == "ini" else trees), key=KEYS[0])
    assert found.conflicts == ["s.a" if form == "ini" else "a"]
    text = found.data.decode()
    assert "hunter" not in text
    with pytest.raises(MalformedError):
        finish_file(found.data, KEYRING, NOW, form)
    before, _, rest = text.partition("<<<<<<< ours\n")
    _, _, rest = rest.partition("=======\n")
    settled = finish_file((before + rest.replace(">>>>>>> theirs\n", "")).encode(), KEYRING, NOW, form)
    (opened,) = open_with(read(settled, form), KEYS[0])
    assert opened.get("s", opened) == trees[2]


def test_comments_are_kept_and_encrypted_anew() -> None:
    """Comments of dotenv and INI stay above their key, whichever side they come from; encrypted ones for our data key."""
    for form, mark, path in (("dotenv", "#", ()), ("ini", "; ", ("s",))):
        base = {"a": "x", "b": "y"} if form == "dotenv" else {"s": {"a": "x", "b": "y"}}
        changed = {"a": "x", "b": "z"} if form == "dotenv" else {"s": {"a": "x", "b": "z"}}
        ours, theirs = sealed(form, base, KEYS[0]).decode(), sealed(form, changed, KEYS[1]).decode()
        comment = encrypt(Plain(b"hunter5", "comment"), KEYS[1], aad(path))
        theirs = theirs.replace("\nb", f"\n{mark}{comment}\nb", 1)
        ours = ours.replace("\nb", f"\n{mark}plain words\nb", 1)
        base_text = sealed(form, base, KEYS[1])
        text = merge_files(base_text, ours.encode(), theirs.encode(), KEYRING, NOW, form).data.decode()
        lines = text.splitlines()
        at = next(at for at, line in enumerate(lines) if line.startswith("b"))
        assert lines[at - 2] == f"{mark}plain words"
        assert decrypt(lines[at - 1].removeprefix(mark), KEYS[0], aad(path)).data == b"hunter5"


def test_a_file_that_is_encrypted_as_a_whole() -> None:
    """What one side changed is taken; where both did, a person has to choose a side, and is told how."""
    one, two = {"data": "hunter1"}, {"data": "hunter2"}
    out = merged("binary", one, one, two)
    assert open_with(read(out.data, "binary"), KEYS[0]) == [two]
    with pytest.raises(UnsupportedError, match="git checkout --ours"):
        merged("binary", one, {"data": "hunter3"}, two)


def other_kind(address: str) -> bytes:
    """A file whose data key is for a Vault, not for age."""
    entry = {"vault_address": address, "engine_path": "transit", "key_name": "k", "enc": "vault:v1:AAAA"}
    tree = enciphered({"a": "x"}, KEYS[0]) | {"sops": stated(KEYS[0]) | {"age": [], "hc_vault": [entry]}}
    return finish(json.dumps(tree, indent="\t").encode(), KEYS[0], NOW, "json")


def test_keys_of_other_kinds_are_opened_by_the_program() -> None:
    """Never for theirs by a key that neither ours nor the base names: its address may be anybody's, and gets a token."""
    asked = []

    def program(metadata: Mapping[str, Any]) -> bytes:
        asked.append(metadata["hc_vault"][0]["vault_address"])
        return KEYS[0]

    ours, theirs = other_kind("http://ours"), other_kind("http://theirs")
    assert not merge_files(ours, ours, ours, Keys([], program), NOW, "json").conflicts
    assert set(asked) == {"http://ours"}
    with pytest.raises(
        UnsupportedError, match=r"^theirs: names a key that ours does not: http://theirs/v1/transit/keys/k"
    ):
        merge_files(ours, ours, theirs, Keys([], program), NOW, "json")
    assert set(asked) == {"http://ours"}
    with pytest.raises(NoKeyError, match="encrypted for hc_vault, not for age"):
        merge_files(ours, ours, ours, Keys([]), NOW, "json")
