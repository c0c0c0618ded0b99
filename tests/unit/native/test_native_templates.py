"""Go templates: what is rendered, what is refused, and that nothing which is said holds a value."""

from __future__ import annotations

import asyncio
import hashlib
import json
import string
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.native.templates import Renderer, TemplateBounds, TemplateError, check_templates

pytestmark = pytest.mark.native

EXTERNAL, SEALED = "external-secrets", "sealed-secrets"
VALUES = {"user": b"admin", "password": b"tr0ub4dor", "raw": b"\xff\x00", "json": b'{"a": {"b": [1, 2]}}'}
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    made = Renderer()
    yield made
    made.close()


def rendered(renderer: Renderer, text: str, dialect: str = EXTERNAL) -> bytes:
    return renderer.render_here([text], VALUES, dialect=dialect)[0]


def refused(renderer: Renderer, *texts: str, dialect: str = EXTERNAL) -> TemplateError:
    with pytest.raises(TemplateError) as raised:
        renderer.render_here(texts, VALUES, dialect=dialect)
    return raised.value


KNOWN = {
    "{{ .user }}:{{ .password }}": b"admin:tr0ub4dor",
    "{{ .raw }}": b"\xff\x00",
    "no template": b"no template",
    "": b"",
    "{{ .password | b64enc }}": b"dHIwdWI0ZG9y",
    "{{ .user | upper | quote }}": b'"ADMIN"',
    "{{ (.json | fromJson).a.b | join `,` }}": b"1,2",
    "{{ index . `user` }}": b"admin",
    "{{ index . `missing` | default `none` }}": b"none",
    "{{ range $key, $_ := . }}{{ $key }} {{ end }}": b"json password raw user ",
    "{{ with .user }}{{ . }}{{ end }}": b"admin",
    "{{- ` x ` | trim -}}": b"x",
    "{{ printf `%s-%d` .user 7 }}": b"admin-7",
    "{{ define `x` }}<{{ . }}>{{ end }}{{ template `x` .user }}": b"<admin>",
    "{{ .password | sha256sum | trunc 8 }}": hashlib.sha256(VALUES["password"]).hexdigest()[:8].encode(),
    "{{ dateInZone `2006-01-02 15:04` (toDate `2006-01-02` `2026-07-01`) `America/New_York` }}": b"2026-06-30 20:00",
    "{{ splitList `0` .password | len }}": b"2",
}


@pytest.mark.parametrize("dialect", [EXTERNAL, SEALED])
@pytest.mark.parametrize("text", KNOWN)
def test_both_dialects_are_text_template_with_sprig(renderer: Renderer, text: str, dialect: str) -> None:
    """Values are strings of bytes; nothing is escaped; zones are known wherever this runs."""
    assert rendered(renderer, text, dialect) == KNOWN[text]


def test_a_missing_key_is_an_error_for_external_secrets_alone(renderer: Renderer) -> None:
    """Sealed Secrets leaves text/template's default as it is."""
    error = refused(renderer, "{{ .user }}", "\n{{ .pasword }}")
    assert (error.index, error.kind) == (1, "template")
    assert error.message == 'line 2, column 4: there is no key "pasword"'
    assert rendered(renderer, "{{ .pasword }}", SEALED) == b"<no value>"


@pytest.mark.parametrize("dialect", [EXTERNAL, SEALED])
@pytest.mark.parametrize("function", ["env `HOME`", "expandenv `$HOME`", "getHostByName `localhost`"])
def test_nothing_reaches_beyond_the_template(renderer: Renderer, function: str, dialect: str) -> None:
    """Neither when it is rendered nor when it is checked, and it is said why."""
    with pytest.raises(TemplateError, match="is not offered: it reaches the "):
        check_templates([f"{{{{ {function} }}}}"], dialect=dialect)
    assert "is not offered" in refused(renderer, f"{{{{ {function} }}}}", dialect=dialect).message


def test_external_secrets_own_functions_are_not_in_sealed_secrets(renderer: Renderer) -> None:
    """Each dialect is its controller's."""
    assert rendered(renderer, "{{ dict `a` 1 | toYaml }}") == b"a: 1"
    assert refused(renderer, "{{ dict `a` 1 | toYaml }}", dialect=SEALED).message.endswith('no function "toYaml"')


async def test_checking_parses_and_runs_nothing(renderer: Renderer) -> None:
    """A key that is missing is no error there; a function is."""
    await renderer.check(["{{ .whatever }}", "{{ fail `x` }}"], dialect=EXTERNAL)
    with pytest.raises(TemplateError) as raised:
        await renderer.check(["fine", "{{ nosuch .user }}"], dialect=EXTERNAL)
    assert (raised.value.index, raised.value.message) == (1, 'line 1: there is no function "nosuch"')


@pytest.mark.parametrize("opening", ["{{ if . }}", "{{ ((((((((", "{{ range . }}{{ with . }}"])
def test_checking_is_bounded(opening: str) -> None:
    """It is done in this process: what is nested without end is an error there."""
    with pytest.raises(TemplateError):
        check_templates([(opening * 100_000)[: MEBIBYTE - 1]], dialect=EXTERNAL)
    with pytest.raises(TemplateError, match="larger than"):
        check_templates([" " * (MEBIBYTE + 1)], dialect=EXTERNAL)


LARGE = {
    "{{ .body | replace `@` .value | len }}": b"399999",
    "{{ regexReplaceAll `@` .body .value | len }}": b"399999",
    "{{ .body | wrapWith 100000 .value | len }}": b"500000",
    "{{ .body | b64enc | b64dec | len }}": b"300000",
    "{{ .body | indent 4 | len }}": b"300004",
    "{{ range until 99999 }}x{{ end }}": b"x" * 99_999,
    "{{ join `,` (until 5) | repeat 1000 | len }}": b"9000",
}


@pytest.mark.parametrize("text", LARGE)
def test_what_is_large_but_small_enough_is_made(renderer: Renderer, text: str) -> None:
    """Bounds are on what is made, not on what it could be for other values."""
    values = {"body": b"x" * 299_999 + b"@", "value": b"y" * 100_000}
    assert renderer.render_here([text], values, dialect=EXTERNAL) == [LARGE[text]]


BOMBS = {
    '{{ repeat 1000000000 "x" }}': "limit",
    "{{ range until 1000000000 }}{{ end }}": "limit",
    "{{ seq 1000000000 }}": "limit",
    "{{ randBytes 1000000000 }}": "limit",
    '{{ indent 1000000000 "x" }}': "limit",
    "{{ repeat 9000000 .user | repeat 9000000 }}": "limit",
    "{{ $x := repeat 9000 .user }}{{ replace `` $x $x }}": "limit",
    "{{ $x := repeat 9000 .user }}{{ wrapWith 1 $x $x }}": "limit",
    '{{ $x := "xxxxxxxx" }}{{ range until 99 }}{{ $x = print $x $x }}{{ end }}': "limit",
    '{{ $x := list "x" }}{{ range until 99 }}{{ $x = concat $x $x }}{{ end }}': "limit",
    '{{ range until 99 }}{{ repeat 100000 "x" }}{{ end }}': "limit",
    '{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}': "template",
    '{{ $x := dict }}{{ $_ := set $x "x" $x }}{{ print $x }}': "engine",
    '{{ $x := repeat 16000000 "x" }}{{ regexReplaceAll "" $x $x }}': "engine",
}


@pytest.mark.parametrize("text", BOMBS)
def test_what_would_take_all_is_an_error(renderer: Renderer, text: str) -> None:
    """And the next template is rendered."""
    error = refused(renderer, "fine", text)
    assert (error.index, error.kind) == (1, BOMBS[text])
    assert rendered(renderer, "{{ .user }}") == b"admin"


def test_all_texts_together_are_bounded(renderer: Renderer) -> None:
    """Each is small enough, a Secret of all of them would not be."""
    error = refused(renderer, *["{{ repeat 600000 `x` }}"] * 2)
    assert (error.index, error.kind) == (1, "limit")
    with pytest.raises(TemplateError, match="larger than"):
        renderer.render_here(["x"], {"large": bytes(9 * MEBIBYTE)}, dialect=EXTERNAL)


SECRETS = st.text(string.ascii_letters + string.digits, min_size=12, max_size=40).map("x-".__add__)
FAILING = [
    "{{ mustFromJson .x }}",
    "{{ .x.y }}",
    "{{ range .x }}{{ end }}",
    "{{ fail .x }}",
    "{{ fail (printf `bad: %s` .x) }}",
    "{{ template `t` }}{{ .x }}",
    "{{ mustToDate `2006` .x }}",
    "{{ .x | mustRegexMatch `(` }}",
    "{{ mustRegexMatch .x }}",
    "{{ semver .x }}",
    "{{ index .x 99 }}",
    "{{ index (dict .x 1) .x .x }}",
    "{{ call .x }}",
    "{{ (index . `x`).y }}",
    "{{ lt .x 1 }}",
    "{{ slice .x 99 }}",
    "{{ pkcs12keyPass .x .x }}",
    "{{ jwkPublicKeyPem .x }}",
    "{{ filterPEM `KEY` .x }}",
    "{{ rsaDecrypt .x .x .x .x }}",
    "{{ decryptAES .x .x }}",
    "{{ buildCustomCert .x .x }}",
    "{{ mustDateModify .x now }}",
    "{{ mustFirst .x }}",
    "{{ genSignedCert .x nil nil 1 .x }}",
    "{{ required .x }}",
    "{{ $y := .x }}{{ $y.z }}",
    "{{ len 1 .x }}",
    "{{ mustDeepCopy nil .x }}",
    "{{ urlParse .x | values | join 1 1 }}",
    "{{ dict .x 1 | dig 1 2 }}",
    "{{ (dict .x 1).missing.more }}",
    "{{ mustMerge .x .x }}",
    "{{ not }}{{ .x }}",
]


@pytest.mark.parametrize("text", FAILING)
@given(secret=SECRETS)
def test_no_error_holds_a_value(renderer: Renderer, text: str, secret: str) -> None:
    """Nor eight characters of it, whatever the functions say about what they were given."""
    with pytest.raises(TemplateError) as raised:
        renderer.render_here([text], {"x": secret.encode()}, dialect=EXTERNAL)
    message = raised.value.message
    assert "\n" not in message
    assert not any(secret[at : at + 8] in message for at in range(len(secret) - 7))


@given(before=st.text('{}.x|(`" $:=\n', max_size=30), secret=SECRETS)
def test_no_broken_template_shows_a_value(renderer: Renderer, before: str, secret: str) -> None:
    """Nor a string that stands in it: a template may itself lie in a Secret."""
    text = f"{before}{{{{ .x | nosuch {json.dumps(secret)} }}}}"
    with pytest.raises(TemplateError) as raised:
        renderer.render_here([text], {"x": secret.encode()}, dialect=EXTERNAL)
    assert secret not in raised.value.message


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=200), min_size=1))
def test_values_arrive_as_they_are(renderer: Renderer, values: dict[str, bytes]) -> None:
    """Any bytes, of any keys."""
    assume("end" not in values)
    texts = [f"{{{{ .{key} }}}}" for key in values]
    assert renderer.render_here(texts, values, dialect=EXTERNAL) == list(values.values())


async def test_many_at_once_are_answered_each_with_its_own(renderer: Renderer) -> None:
    """However few helpers there are."""
    each = (renderer.render(["{{ .n }}"], {"n": b"%d" % number}, dialect=SEALED) for number in range(200))
    assert await asyncio.gather(*each) == [[b"%d" % number] for number in range(200)]


async def test_memory_and_helpers_are_set_by_bounds() -> None:
    """One helper, replaced after each call."""
    renderer = Renderer(TemplateBounds(helpers=1, batches=1, output_bytes=10))
    try:
        pids = set()
        for _ in range(2):
            assert await renderer.render(["1234567890"], {}, dialect=SEALED) == [b"1234567890"]
            pids.add(renderer._helpers[0].pid)
        assert len(pids) == 2
        with pytest.raises(TemplateError) as raised:
            await renderer.render(["12345678901"], {}, dialect=SEALED)
        assert raised.value.kind == "limit"
    finally:
        renderer.close()
