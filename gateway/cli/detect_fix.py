"""``govgate detect --fix``: plaintext Secrets become SealedSecrets in the files where they were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.ci.sealing import fix
from gateway.cli.output import say
from gateway.cli.seal_run import certified
from gateway.core.finding import Finding
from gateway_secrets.detect.findings import rule_of
from gateway_secrets.detect.kinds import KUBERNETES_SECRET
from gateway_secrets.sealed.certificate import refuse_expired
from gateway_secrets.sealed.files import read_file, replace
from gateway_secrets.sealed.objects import Secret
from gateway_secrets.sealed.scope import scope_of
from gateway_secrets.sealed.sealing import Sealing, seal_secret


def fix_files(findings: Sequence[Finding], certificate: str) -> bool:
    """Seal what was found and is not accepted; whether anything was. Each file is replaced whole, or stays as it is.

    Raises:
        UsageError: no certificate is named.
        SealError: it cannot be read, is expired, or a file cannot be written.
    """
    paths = sorted(
        {
            finding.location.path
            for finding in findings
            if finding.rule == rule_of(KUBERNETES_SECRET) and finding.exception is None and finding.location
        }
    )
    if not paths:
        return False
    (cluster,) = certified((certificate,) if certificate else (), None, ())
    now = datetime.now(UTC)
    refuse_expired(cluster.certificate, source=cluster.source, now=now)
    how = Sealing(cluster.certificate, now)

    def sealed(secret: Secret) -> Mapping[str, Any]:
        return seal_secret(secret, scope_of(secret.annotations), how).document

    changed = False
    for path in paths:
        if path == "standard input":
            say("standard input can not be fixed: name files")
            continue
        former = read_file(Path(path))
        fixed = fix(path, former.data, sealed)
        for text in fixed.left:
            say(f"not sealed: {text}")
        if fixed.sealed:
            replace(former, fixed.data)
            changed = True
            say(f"{path}: sealed {', '.join(fixed.sealed)}; change what was in plain text: Git and others may keep it")
    return changed
