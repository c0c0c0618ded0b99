"""Beside Bitnami's own controller, of the pinned release: on keys that govgate made, over objects that govgate sealed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.api import Api
from support.bitnami import Bitnami, apart
from support.cluster import Cluster
from support.sealing import PLAINTEXT, encoded

from gateway.cli.app import run
from gateway.controllers.sealed.templates import templates_by
from gateway.native.templates import Renderer
from gateway_secrets.sealed.keyring import KeyRing, new_key, ring_of
from gateway_secrets.sealed.objects import Secret
from gateway_secrets.sealed.reconcile import MARK, Action, decide
from gateway_secrets.sealed.records import DIGESTS
from gateway_secrets.sealed.scope import Scope
from gateway_secrets.sealed.sealing import Sealing, seal_secret

SEALED = ("bitnami.com/v1alpha1", "SealedSecret")
VALUES = {"a": b"x", "bin": bytes(range(256)), "empty": b""}


@pytest.fixture
def ring(api: Api, namespace: str) -> KeyRing:
    """A key that govgate made, as the API server keeps it."""
    api.create(new_key(namespace, datetime.now(UTC), bits=2048))
    return ring_of(api.list("v1", "Secret", namespace)).ring


@pytest.fixture
def bitnami(cluster: Cluster, ring: KeyRing, namespace: str, tmp_path: Path) -> Iterator[Bitnami]:
    """Their controller, running on that key."""
    if not apart():
        pytest.skip("no user namespaces here: the controller cannot be given its token")
    controller = Bitnami(cluster, namespace, tmp_path)
    controller.server.start()
    yield controller
    controller.server.kill()


def synced(api: Api, namespace: str) -> bool:
    """Whether their controller has said something about each object."""
    return all(item.get("status", {}).get("conditions") for item in api.list(*SEALED, namespace))


def test_either_controller_takes_over_from_the_other(api: Api, bitnami: Bitnami, ring: KeyRing, namespace: str) -> None:
    """Theirs opens what govgate sealed, in every scope, with the key that govgate made, and makes no other. Of the Secrets
    that it writes, all is as govgate would write it, but for the mark; and the other way round nothing has to change.
    """
    for scope in Scope:
        secret = Secret(
            f"s-{scope}", namespace, VALUES, {"labels": {"l": "1"}, "annotations": {"n": "v"}}, "example.com/t"
        )
        sealing = Sealing(ring.newest.certificate, datetime.now(UTC))
        api.create(seal_secret(secret, scope, sealing).document)
    bitnami.server.wait_until(lambda: synced(api, namespace))
    assert len(ring_of(api.list("v1", "Secret", namespace)).ring.pairs) == 1
    for scope in Scope:
        sealed = api.get(*SEALED, namespace, f"s-{scope}")
        theirs = api.get("v1", "Secret", namespace, f"s-{scope}")
        assert theirs["data"] == {key: encoded(value) for key, value in VALUES.items()}
        assert sealed["status"]["conditions"][0]["status"] == "True"
        decision = decide(sealed, ring, theirs)
        assert decision.action is Action.UPDATE
        assert decision.secret is not None
        ours = api.replace(decision.secret)
        assert decide(sealed, ring, ours).action is Action.NONE
        assert without_mark(ours) == without_mark(theirs)


FILLED = {
    "words": {"url": "postgres://{{ .user }}:{{ .password }}@db"},
    "sprig": {"auth": "{{ printf `%s:%s` .user .password | b64enc }}", "up": "{{ .user | upper | nindent 2 }}"},
    "plain": {"host": "db", "url": "{{ .host }}/{{ .user }}"},
    "texts": {"b": "{{ .user }}", "a": "[{{ .b }}]"},
    "sealed-wins": {"password": "{{ .user }}"},
    "omitted": {"user": None, "all": "{{ range $k, $v := . }}{{ $k }}={{ len $v }} {{ end }}"},
    "missing": {"x": "[{{ .nothing }}]", "y": "{{ index . `nothing` }}"},
    "bytes": {"copy": "{{ .bin }}", "sum": "{{ .bin | sha256sum }}"},
    "parts": {"x": "{{ define `p` }}<{{ . }}>{{ end }}{{ template `p` .user }}{{- /* none */ -}} "},
    "conversions": {"x": '{{ (`{"a": [1, 2.5]}` | fromJson).a }} {{ dict `a` (list 1 `x`) | toJson }}'},
    "time": {"x": "{{ dateInZone `2006-01-02T15:04` (toDate `2006-01-02` `2026-07-01`) `Europe/Berlin` }}"},
}
NOT_FILLED = {
    "open": {"x": "{{ .user "},
    "environment": {"x": "{{ env `HOME` }}"},
    "network": {"x": "{{ getHostByName `localhost` }}"},
    "external": {"x": "{{ dict | toYaml }}"},
    "purpose": {"x": "{{ fail .password }}"},
    "field": {"x": "{{ .user.name }}"},
    "unused": {"password": "{{ nosuch }}"},
}


def test_templates_are_filled_in_as_by_their_controller(
    api: Api, bitnami: Bitnami, ring: KeyRing, namespace: str
) -> None:
    """The same bytes under the same keys; what theirs refuses is refused, without a value in what is said."""
    values = {"user": b"admin", "password": PLAINTEXT.encode(), "bin": bytes(range(256))}
    for name, data in (FILLED | NOT_FILLED).items():
        sealing = Sealing(ring.newest.certificate, datetime.now(UTC), notes=False)
        made = seal_secret(Secret(name, namespace, values), Scope.STRICT, sealing).document
        made["spec"]["template"]["data"] = data
        api.create(made)
    bitnami.server.wait_until(lambda: synced(api, namespace))
    with closing(Renderer()) as renderer:
        for item in api.list(*SEALED, namespace):
            sealed = item | {"apiVersion": SEALED[0], "kind": SEALED[1]}
            name = sealed["metadata"]["name"]
            decision = decide(sealed, ring, None, templates_by(renderer))
            theirs = sealed["status"]["conditions"][0]["status"]
            assert (name, theirs, decision.action) in {(name, "True", "create"), (name, "False", "refuse")}
            assert (theirs == "True") == (name in FILLED)
            if decision.secret is not None:
                assert decision.secret["data"] == api.get("v1", "Secret", namespace, name)["data"]
            assert PLAINTEXT not in decision.problem


def without_mark(secret: Any) -> Any:
    """What is said of a Secret, but for the mark and the server's own fields."""
    metadata = {key: secret["metadata"][key] for key in ("annotations", "labels", "ownerReferences")}
    metadata["annotations"].pop(MARK, None)
    return {"metadata": metadata, "data": secret["data"], "type": secret["type"]}


def test_govgate_asks_their_controller(
    bitnami: Bitnami, ring: KeyRing, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its certificate, whether it opens an object, and to seal it anew: comments and template stay, the certificate is
    noted. Digests go: nobody here saw the plaintext.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    bitnami.server.wait_until(lambda: run(["seal", "fetch-cert", bitnami.url]) == 0)
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": namespace}}
    Path("secret.json").write_text(json.dumps(document | {"stringData": {"a": "x"}}))
    assert run(["seal", "secret.json", "--cert", f"{bitnami.url}/v1/cert.pem", "-w", "s.yaml"]) == 0
    before = "# mine\n" + Path("s.yaml").read_text() + "    data:\n      url: '{{ .a }}'\n"
    Path("s.yaml").write_text(before)
    assert run(["seal", "validate", "s.yaml", "--controller", bitnami.url]) == 0
    assert run(["seal", "reencrypt", "s.yaml", "--controller", bitnami.url, "--in-place"]) == 0
    after = Path("s.yaml").read_text()
    words = [[line.split(":")[0] for line in text.splitlines()] for text in (before, after)]
    assert words[1] == [word for word in words[0] if word.strip() != DIGESTS]
    assert run(["seal", "validate", "s.yaml", "--controller", bitnami.url, "--fail-on", "warn"]) == 0
    assert ring.newest.certificate.fingerprint in after
