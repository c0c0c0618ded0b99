"""``govgate detect --fix``: plaintext Secrets become SealedSecrets, files that a rule of SOPS is about are encrypted."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.ci.sealing import fix
from gateway.ci.sops_files import find_configuration, read_rules
from gateway.cli.output import say
from gateway.cli.seal_run import CERTIFICATE_VARIABLE, certified
from gateway.core.finding import Action, Finding
from gateway_secrets.detect.findings import rule_of
from gateway_secrets.detect.kinds import KUBERNETES_SECRET
from gateway_secrets.sealed.certificate import refuse_expired
from gateway_secrets.sealed.files import read_file, replace
from gateway_secrets.sealed.objects import Secret
from gateway_secrets.sealed.scope import scope_of
from gateway_secrets.sealed.sealing import Sealing, seal_secret
from gateway_secrets.sops import program
from gateway_secrets.sops.errors import SopsError
from gateway_secrets.sops.rules import NAME, Rule, rule_for

Seal = Callable[[Secret], Mapping[str, Any]]
_CHANGE = "change what was in plain text: Git and others may keep it"


def fix_files(findings: Sequence[Finding], certificate: str) -> bool:
    """Put right what was found and is not accepted; whether anything was. Each file is replaced whole, or stays.

    With a certificate Secrets are sealed. A file that a rule with a ``path_regex`` in ``.sops.yaml``, of the working
    folder or above, is about is encrypted by sops.

    Raises:
        UsageError: there is neither.
        SealError: a certificate cannot be read, is expired, or a file cannot be written.
        SopsError: ``.sops.yaml`` cannot be read.
    """
    secrets: dict[str, bool] = {}
    for finding in findings:
        if finding.exception is None and finding.action is Action.DENY and finding.location is not None:
            path = finding.location.path
            secrets[path] = secrets.get(path, False) or finding.rule == rule_of(KUBERNETES_SECRET)
    secrets.pop("standard input", None)
    if not secrets:
        return False
    configuration = find_configuration()
    named = bool(certificate or os.environ.get(CERTIFICATE_VARIABLE))
    seal = _sealing(certificate) if named or configuration is None else None
    rules = read_rules(configuration) if configuration is not None else []
    changed = False
    for path, is_secret in sorted(secrets.items()):
        if is_secret and seal is not None:
            changed |= _seal(path, seal)
        elif configuration is not None:
            changed |= _encrypt(path, configuration, rules, is_secret=is_secret)
    return changed


def _sealing(certificate: str) -> Seal:
    (cluster,) = certified((certificate,) if certificate else (), None, ())
    now = datetime.now(UTC)
    refuse_expired(cluster.certificate, source=cluster.source, now=now)
    how = Sealing(cluster.certificate, now)
    return lambda secret: seal_secret(secret, scope_of(secret.annotations), how).document


def _seal(path: str, seal: Seal) -> bool:
    former = read_file(Path(path))
    fixed = fix(path, former.data, seal)
    for text in fixed.left:
        say(f"not sealed: {text}")
    if fixed.sealed:
        replace(former, fixed.data)
        say(f"{path}: sealed {', '.join(fixed.sealed)}; {_CHANGE}")
    return bool(fixed.sealed)


def _encrypt(path: str, configuration: Path, rules: Sequence[Rule], *, is_secret: bool) -> bool:
    try:
        rule = rule_for(rules, os.path.relpath(os.path.realpath(path), os.path.realpath(configuration.parent)))
        if rule is None or not rule.path_regex:
            if is_secret:
                say(f"not sealed: {path}: no rule of {NAME} is about it, and no certificate is named (--cert)")
            return False
        former = read_file(Path(path))
        replace(former, program.run(["--config", str(configuration), "encrypt", "--", path]))
    except SopsError as error:
        say(f"not encrypted: {path}: {error}")
        return False
    say(f"{path}: encrypted by creation_rules[{rule.index}] of {NAME}; {_CHANGE}")
    return True
