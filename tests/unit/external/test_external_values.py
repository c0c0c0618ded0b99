"""From what was read to what the Secret holds: in ESO's order, all of it or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from support.external import Shelf, Words, external

from gateway_secrets.external.collect import Values, collect
from gateway_secrets.external.content import Content, content_of, templates_needed
from gateway_secrets.external.errors import ContentError
from gateway_secrets.external.rewrite import merged
from gateway_secrets.external.spec import MergeRewrite
from gateway_secrets.stores.errors import NotFoundError, StoreError, UnusableError

DB = '{"user": "bob", "password": "cGFzcw==", "port": 5432}'


def collected(shelf: Shelf, **spec: Any) -> Values:
    return asyncio.run(collect(external(**spec).spec, shelf, Words()))


def filled(values: dict[str, bytes], documents: Any = None, **template: Any) -> Content:
    one = external(target={"template": template})
    return asyncio.run(content_of(one, values, documents or {}, Words()))


def test_what_comes_later_wins() -> None:
    """First dataFrom in its order, then data; and it is told where each is from."""
    values = collected(
        Shelf(a=DB, b='{"user": "eve"}', c="plain"),
        dataFrom=[{"extract": {"key": "a"}}, {"extract": {"key": "b"}}],
        data=[
            {"secretKey": "port", "remoteRef": {"key": "c"}},
            {"secretKey": "plain", "remoteRef": {"key": "a", "property": "password", "decodingStrategy": "Base64"}},
        ],
    )
    assert values.data == {"user": b"eve", "password": b"cGFzcw==", "port": b"plain", "plain": b"pass"}
    assert [(one.store, one.key, one.version) for one in values.sources] == [
        ("SecretStore vault", "a", "7"),
        ("SecretStore vault", "b", "7"),
        ("SecretStore vault", "c", "7"),
    ]


def test_found_ones_are_whole_and_under_keys_that_a_secret_may_have() -> None:
    """As ESO names them."""
    values = collected(Shelf(team__a="1", team__b="2", other="3"), dataFrom=[{"find": {"path": "team/"}}])
    assert values.data == {"team_a": b"1", "team_b": b"2"}


def test_a_transform_is_a_template_of_each_key() -> None:
    """After it, keys are not converted any more."""
    rewrite = [{"transform": {"template": "db_{{ .value }}"}}]
    values = collected(Shelf(a='{"u": "1", "v": "2"}'), dataFrom=[{"extract": {"key": "a"}, "rewrite": rewrite}])
    assert values.data == {"db_u": b"1", "db_v": b"2"}
    with pytest.raises(ContentError, match=r"spec.dataFrom\[0\]: 'x/y' cannot be a key"):
        collected(
            Shelf(a='{"x/y": "1"}'),
            dataFrom=[{"extract": {"key": "a"}, "rewrite": [{"transform": {"template": "{{ .value }}"}}]}],
        )
    with pytest.raises(ContentError, match="two keys become 'one'"):
        collected(
            Shelf(a='{"x": "1", "y": "2"}'),
            dataFrom=[{"extract": {"key": "a"}, "rewrite": [{"transform": {"template": "one"}}]}],
        )


def test_keys_that_become_empty_are_left_out() -> None:
    """However many: so a rewrite filters."""
    rewrite = [{"transform": {"template": ""}}]
    values = collected(
        Shelf(a='{"x": "1", "y": "2"}'),
        data=[{"secretKey": "z", "remoteRef": {"key": "a", "property": "x"}}],
        dataFrom=[{"extract": {"key": "a"}, "rewrite": rewrite}],
    )
    assert values.data == {"z": b"1"}


@pytest.mark.native
def test_a_regular_expression_filters() -> None:
    """What it makes empty is gone, the rest is under its new keys."""
    rewrite = [{"regexp": {"source": "^drop_.*", "target": ""}}]
    values = collected(
        Shelf(a='{"drop_x": "1", "drop_y": "2", "keep": "3"}'),
        dataFrom=[{"extract": {"key": "a"}, "rewrite": rewrite}],
    )
    assert values.data == {"keep": b"3"}


@pytest.mark.native
def test_a_regular_expression_is_one_of_go() -> None:
    """With its groups."""
    rewrite = [
        {"regexp": {"source": "^db[-/](?P<n>.*)$", "target": "${n}_$1x"}},
        {"regexp": {"source": "x", "target": ""}},
    ]
    values = collected(Shelf(a='{"db/u": "1"}'), dataFrom=[{"extract": {"key": "a"}, "rewrite": rewrite}])
    assert values.data == {"u_": b"1"}


def test_merging() -> None:
    """All members of the values, those of priority last; into one value as JSON, if that is asked for."""
    values = {"b": b'{"x": "b", "n": 1.50}', "a": b'{"x": "a"}'}
    ignore = MergeRewrite(conflict_policy="Ignore", priority=("a",))
    assert merged(values, ignore, where="w") == {"x": b"a", "n": b"1.50"}
    joined = MergeRewrite(strategy="JSON", into="all", conflict_policy="Ignore")
    assert merged(values, joined, where="w")["all"] == b'{"n":1.50,"x":"b"}'
    for wrong in (MergeRewrite(), MergeRewrite(priority=("c",))):
        with pytest.raises(ContentError):
            merged(values, wrong, where="w")
    skipping = MergeRewrite(priority=("c",), priority_policy="IgnoreNotFound", conflict_policy="Ignore")
    assert merged(values, skipping, where="w")["x"] == b"b"
    with pytest.raises(ContentError, match="'c' is no JSON object"):
        merged({"c": b"text"}, MergeRewrite(), where="w")


def test_what_is_missing() -> None:
    """Is an error that names the field; with other deletion policies, it goes from the Secret too."""
    asked = [{"secretKey": key, "remoteRef": {"key": key}} for key in ("there", "gone")]
    with pytest.raises(NotFoundError, match=r"spec.data\[1\]: gone"):
        collected(Shelf(there="x"), data=asked)
    values = collected(Shelf(there="x"), data=asked, target={"deletionPolicy": "Merge"})
    assert (values.data, values.missing) == ({"there": b"x"}, ("spec.data[1]",))


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        ({"data": [{"secretKey": "a", "remoteRef": {"key": "a", "property": "none"}}]}, NotFoundError, "no property"),
        (
            {"data": [{"secretKey": "a", "remoteRef": {"key": "b", "decodingStrategy": "Base64"}}]},
            UnusableError,
            "not Base64",
        ),
        (
            {"data": [{"secretKey": "a", "remoteRef": {"key": "a", "property": "nul", "nullBytePolicy": "Fail"}}]},
            ContentError,
            "NUL",
        ),
        ({"dataFrom": [{"extract": {"key": "b"}}]}, UnusableError, "no JSON object"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_where(spec: Any, error: type[StoreError], text: str) -> None:
    """And shows no value."""
    with pytest.raises(error, match=text) as caught:
        collected(Shelf(a='{"nul": "x\\u0000canary"}', b="canary!"), **spec)
    assert str(caught.value).startswith("spec.data")
    assert "canary" not in str(caught.value)


def test_without_a_template_its_own_metadata_is_copied() -> None:
    """But not what says who applied it."""
    one = external()
    labels, annotations = {"a": "b", "kustomize.toolkit.fluxcd.io/name": "k"}, {"argocd.argoproj.io/x": "y", "c": "d"}
    one = msgspec.structs.replace(one, labels=labels, annotations=annotations)
    content = asyncio.run(content_of(one, {"k": b"v"}, {}, Words()))
    assert (content.data, content.labels, content.annotations) == ({"k": b"v"}, {"a": "b"}, {"c": "d"})


def test_templates() -> None:
    """From objects, literals and the object itself; what is said later wins, and the values are gone unless merged."""
    documents = {
        ("ConfigMap", "t"): {"url": b"jdbc:{{ .user }}", "both": b"x: '{{ .user }}'\nw: 1"},
        ("Secret", "s"): {"url": b"over"},
    }
    template = {
        "type": "example.com/db",
        "templateFrom": [
            {"configMap": {"name": "t", "items": [{"key": "url"}, {"key": "both", "templateAs": "KeysAndValues"}]}},
            {"literal": "owner: '{{ .user }}'", "target": "Annotations"},
        ],
        "data": {"dsn": "{{ .user }}@db"},
        "metadata": {"labels": {"for": "{{ .user }}"}},
    }
    content = filled({"user": b"bob"}, documents, **template)
    assert content.data == {"url": b"jdbc:bob", "x": b"bob", "w": b"1", "dsn": b"bob@db"}
    assert (content.labels, content.annotations, content.type) == ({"for": "bob"}, {"owner": "bob"}, "example.com/db")
    assert filled({"user": b"bob"}, documents, **template, mergePolicy="Merge").data["user"] == b"bob"
    from_both = template["templateFrom"] + [{"secret": {"name": "s", "items": [{"key": "url"}]}}]  # type: ignore[operator]
    assert filled({"user": b"bob"}, documents, templateFrom=from_both).data["url"] == b"over"
    assert templates_needed(external(target={"template": {"templateFrom": from_both}}).spec.target.template) == [
        ("ConfigMap", "t"),
        ("Secret", "s"),
    ]


def test_what_templates_make_is_decoded() -> None:
    """If that is asked for; what cannot be is an error."""
    documents = {("Secret", "s"): {"a": b"{{ .coded }}", "b": b"c: '{{ .coded }}'"}}
    items = [{"key": "a"}, {"key": "b", "templateAs": "KeysAndValues"}]
    source = {"secret": {"name": "s", "items": items}, "valuesDecodingStrategy": "Base64"}
    assert filled({"coded": b"Ym9i"}, documents, templateFrom=[source]).data == {"a": b"bob", "c": b"bob"}
    with pytest.raises(ContentError, match="is not Base64") as caught:
        filled({"coded": b"canary!"}, documents, templateFrom=[source])
    assert "canary" not in str(caught.value)


def test_a_template_of_metadata_alone_keeps_the_values() -> None:
    """As ESO has it."""
    assert filled({"user": b"bob"}, metadata={"labels": {"a": "b"}}).data == {"user": b"bob"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ({"data": {"a": "{{ .none }}"}}, "no value 'none'"),
        ({"templateFrom": [{"configMap": {"name": "no", "items": []}}]}, "there is no ConfigMap no"),
        ({"templateFrom": [{"literal": "- a"}]}, "no mapping"),
        ({"templateFrom": [{"literal": "a: [b]"}]}, "no mapping of texts"),
        ({"templateFrom": [{"literal": "a: [{{ .user }}"}]}, "not YAML"),
        ({"templateFrom": [{"literal": "a b: c"}]}, "cannot be a key"),
        ({"data": {"a": "{{ .big }}{{ .big }}"}}, "may hold"),
    ],
)
def test_a_template_that_fails_is_an_error_without_a_value(template: Any, text: str) -> None:
    """Never an empty value, nor a part of the Secret."""
    with pytest.raises(ContentError, match=text) as caught:
        filled({"user": b"canary-of-the-tests", "big": b"x" * 600_000}, **template)
    assert "canary" not in str(caught.value)
