"""The configuration is taken whole or not at all, and every error names the file and the path in it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.config.drift import Drift
from gateway.config.load import ENVIRONMENT, MAX_FILE_BYTES, load_config, parse_config
from gateway.config.model import Config, config_digest_input
from gateway.core.errors import ConfigError
from gateway.core.guard import OnError


def parse(text: str) -> Config:
    return parse_config(text.encode(), source="f.yaml")


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n", "apiVersion: govgate.dev/v1alpha1\nkind: Configuration\n"])
def test_no_configuration_is_the_defaults(text: str) -> None:
    """Everything has a default."""
    assert parse(text) == Config()


def test_the_defaults_enforce() -> None:
    """Drift enforces for Flux and Argo CD with the upstream accounts; what cannot be decided is refused."""
    config = Config()
    drift = config.drift
    assert (config.mode, drift.mode, drift.on_error, drift.adoption) == (
        "enforce",
        "enforce",
        OnError.DENY,
        "same-namespace",
    )
    assert drift.flux_kustomization.actors.users == ("system:serviceaccount:flux-system:kustomize-controller",)
    assert drift.flux_helm_release.actors.users == ("system:serviceaccount:flux-system:helm-controller",)
    assert drift.argo_cd.actors.users == ("system:serviceaccount:argocd:argocd-application-controller",)
    assert (drift.orphans, drift.intent_annotations, drift.restart.people) == ("protect", "any", "allow")
    assert (config.opt_out.namespaces, drift.writers, drift.namespaces) == ((), (), ())


def test_names_in_the_file_are_camel_case() -> None:
    """Also ``argoCD``, which no rule would make of ``argo_cd``."""
    config = parse(
        """
        mode: audit
        optOut: {namespaces: [sandbox-*], reason: playground}
        drift:
          mode: shadow
          onError: warn
          fluxKustomization: {mode: enforce, defaultServiceAccount: flux}
          argoCD: {tracking: annotation+label, installationId: one, instanceLabel: x/y}
          namespaces: [{namespaces: [a], mode: disabled}]
          writers:
            - {name: w, actors: {groups: [g]}, fields: ["*"], operations: [CREATE, UPDATE, DELETE]}
          restart: {people: deny, actors: {users: [u]}}
          intentAnnotations: declared
        """
    )
    drift = config.drift
    assert (config.mode, config.opt_out.namespaces, drift.mode, drift.on_error) == (
        "audit",
        ("sandbox-*",),
        "shadow",
        OnError.WARN,
    )
    assert drift.flux_kustomization.default_service_account == "flux"
    assert (drift.argo_cd.tracking, drift.argo_cd.installation_id, drift.argo_cd.instance_label) == (
        "annotation+label",
        "one",
        "x/y",
    )
    assert drift.writers[0].operations == ("CREATE", "UPDATE", "DELETE")
    assert (drift.restart.people, drift.intent_annotations) == ("deny", "declared")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1", "f.yaml: object contains unknown field `a`"),
        ("drift: {argoCd: {}}", "f.yaml: drift: object contains unknown field `argoCd`"),
        ("drift: {argoCD: {mod: warn}}", "f.yaml: drift.argoCD: object contains unknown field `mod`"),
        ("drift: {mode: on}", "f.yaml: drift.mode: expected `str`, got `bool`"),
        ("drift: {mode: strict}", "f.yaml: drift.mode: invalid enum value 'strict'"),
        ("drift: {onError: ignore}", "f.yaml: drift.onError: invalid enum value 'ignore'"),
        ("drift: {maxDepth: 7}", "f.yaml: drift.maxDepth: expected `int` >= 8"),
        ("drift: {namespaces: [{namespaces: [a]}]}", "f.yaml: drift.namespaces[0]: object missing required field `mode`"),
        ("drift: {autoscalers: {users: hpa}}", "f.yaml: drift.autoscalers.users: expected `array`, got `str`"),
        ("drift: {autoscalers: {users: [yes]}}", "f.yaml: drift.autoscalers.users[0]: expected `str`, got `bool`"),
        ("drift: {writers: [{name: w, actors: {}, fields: [a]}]}",
         "f.yaml: drift.writers[0].actors: name at least one user or group"),
        ("drift: {writers: [{name: w, actors: {users: [u]}}]}",
         'f.yaml: drift.writers[0].fields: name at least one field, or "*"'),
        ("drift: {writers: [{name: w, actors: {users: [u]}, fields: [a], operations: [DELETE]}]}",
         "f.yaml: drift.writers[0].operations: CREATE and DELETE concern the whole object"),
        ("drift: {writers: [{name: w, actors: {users: [u]}, fields: [a], operations: [CONNECT]}]}",
         "f.yaml: drift.writers[0].operations[0]: invalid enum value 'CONNECT'"),
        ("optOut: {namespaces: [a]}", "f.yaml: optOut.reason: say why"),
        ("mode: warn", "f.yaml: mode: invalid enum value 'warn'"),
        ("apiVersion: govgate.dev/v9", "f.yaml: apiVersion: invalid enum value"),
        ("kind: Pod", "f.yaml: kind: invalid enum value"),
        ("server: {port: 70000}", "f.yaml: server.port: expected `int` <= 65535"),
        ("server: {port: 0o17777777}", "f.yaml: server.port: expected `int` <= 65535"),
        ("server: {port: 1:30}", "f.yaml: server.port: expected `int`, got `str`"),
        ("server: {tls: {certFile: a}}", "f.yaml: server.tls: certFile and keyFile belong together"),
        ("server: {tls: {keyFile: a}}", "f.yaml: server.tls: certFile and keyFile belong together"),
        ("server: {tls: {clientNames: [a]}}", "f.yaml: server.tls.clientNames: needs clientCaFile"),
        (
            "controller: {election: {renewSeconds: 15}}",
            "f.yaml: controller.election: retrySeconds < renewSeconds < leaseSeconds must hold",
        ),
        (
            "controller: {certificates: {renewDays: 90}}",
            "f.yaml: controller.certificates.renewDays: must be below validDays",
        ),
        ("controller: {external: {shard: 1}}", "f.yaml: controller.external.shard: is counted from 0, and below shards"),
        ("audit: {mode: sync}", "f.yaml: audit.mode: invalid enum value"),
        ("[]", "f.yaml: expected `object`, got `array`"),
        ("x", "f.yaml: expected `object`, got `str`"),
        ("a: 1\na: 2", "f.yaml:2: duplicate key 'a'"),
    ],
)  # fmt: skip
def test_every_error_names_the_file_and_the_path(text: str, problem: str) -> None:
    """One line that says where and what, of the first thing that is wrong."""
    with pytest.raises(ConfigError) as raised:
        parse(text)
    assert str(raised.value).startswith(problem)
    assert "\n" not in str(raised.value)


def test_bytes_that_are_no_text() -> None:
    """The position is named."""
    with pytest.raises(ConfigError, match=r"f\.yaml: not UTF-8 at byte 3"):
        parse_config(b"a: \xff", source="f.yaml")


def test_where_the_configuration_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument, else the environment, else the embedded defaults."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert load_config().source == "embedded defaults"
    named, other = tmp_path / "named.yaml", tmp_path / "other.yaml"
    named.write_text("mode: audit")
    other.write_text("mode: enforce")
    monkeypatch.setenv(ENVIRONMENT, str(named))
    assert (load_config().config.mode, load_config().source) == ("audit", str(named))
    assert load_config(other).config.mode == "enforce"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, or too large: named, in one line."""
    with pytest.raises(ConfigError, match=r"cannot read .*missing\.yaml: No such file"):
        load_config(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match=f"larger than {MAX_FILE_BYTES} bytes"):
        load_config(large)
    large.write_bytes(b"#" * MAX_FILE_BYTES)
    assert load_config(large).config == Config()


def test_the_configuration_is_its_own_json() -> None:
    """What is shown can be read again."""
    config = parse("drift: {mode: shadow, argoCD: {mode: warn}}")
    assert parse_config(msgspec.json.encode(config), source="x") == config


def test_the_deciding_part() -> None:
    """Mode, opt-outs and drift decide."""
    assert config_digest_input(Config()) != config_digest_input(Config(drift=Drift(orphans="release")))


@pytest.mark.parametrize(
    ("window", "problem"),
    [
        ({"schedule": "daily"}, r"drift\.windows\[0\] \(w\): cannot read the schedule 'daily'"),
        ({"schedule": "0 0 30 2 *"}, r"drift\.windows\[0\] \(w\): cannot read the schedule"),
        ({"timeZone": "Mars/Olympus"}, r"drift\.windows\[0\] \(w\): there is no time zone 'Mars/Olympus'"),
        ({"durationMinutes": 0}, r"drift\.windows\[0\]\.durationMinutes"),
        ({"durationMinutes": 50_000}, r"drift\.windows\[0\]\.durationMinutes"),
        ({"reconcilers": ["argo"]}, r"drift\.windows\[0\]\.reconcilers\[0\]"),
        ({"mode": "off"}, r"drift\.windows\[0\]\.mode"),
    ],
)
def test_a_window_that_would_never_open_is_refused(window: dict, problem: str) -> None:
    """At start and at reload, with its name, rather than at the first request."""
    whole = {"name": "w", "schedule": "0 0 * * *", "durationMinutes": 1, "mode": "warn", **window}
    text = msgspec.json.encode({"drift": {"windows": [whole]}}).decode()
    with pytest.raises(ConfigError, match=problem):
        parse(text)
