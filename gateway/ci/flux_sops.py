"""Flux Kustomizations and SOPS: what they apply has to be encrypted, for whom the repository declares, and decrypted.

The private keys are in the cluster, and not readable; the recipients that they belong to are those that the nearest
``.sops.yaml`` declares for a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from gateway.ci.flux_applied import DECRYPTION, INFOS, PLAIN, RECIPIENTS, Applied, Decryption
from gateway.ci.flux_reach import Reached
from gateway.ci.inputs import Content, read_content
from gateway.ci.manifests import read_manifests
from gateway.ci.run import Doubt, Run
from gateway.ci.sops_files import GUARD, MARK, read_rules, recipients
from gateway.core.errors import GovgateError
from gateway.core.finding import Action, Finding, Location, Resource, finding_id
from gateway_secrets.detect import in_object
from gateway_secrets.detect.findings import CHANGE
from gateway_secrets.detect.kinds import KUBERNETES_SECRET
from gateway_secrets.sops.documents import SopsFile, format_of, read
from gateway_secrets.sops.errors import NotSopsError
from gateway_secrets.sops.rules import NAME, rule_for

_ORDER = (Action.DENY, Action.WARN, Action.AUDIT)


def judge(run: Run, decryption: Decryption) -> None:
    """Judge what they apply, and add it to the run."""
    reaching: dict[tuple[str, str], list[Applied]] = {}
    for one in decryption.applied:
        for path in Reached(one.root).files(one.path):
            reaching.setdefault((one.root, path), []).append(one)
    found: list[Finding] = []
    for (root, path), by in reaching.items():
        content = read_content(path, named=False)
        if isinstance(content, Content) and (MARK in content.data or b"Secret" in content.data):
            found += _file(run, root, content, by)
    most = [max(one.action, decryption.most, key=_ORDER.index) for one in found]
    found = [msgspec.structs.replace(one, action=action) for one, action in zip(found, most, strict=True)]
    found = run.waivers.apply(found) if run.waivers is not None else found
    run.findings += found
    live = [one for one in found if one.exception is None]
    run.summary.denied += len({one.resource for one in live if one.action is Action.DENY})
    run.summary.warned += len({one.resource for one in live if one.action is Action.WARN})
    run.summary.excepted += len({one.resource for one in found if one.exception is not None})


def _file(run: Run, root: str, content: Content, by: Sequence[Applied]) -> Iterator[Finding]:
    name, shown = os.path.relpath(content.path, root), _shown(content.path)
    blind = ", ".join(one.name for one in by if not one.decrypts)
    seeing = ", ".join(one.name for one in by if one.decrypts)
    line = _plain_secret(content) if seeing and format_of(content.path) in {"yaml", "json"} else 0
    if line:
        message = f"holds a Secret in plain text, and {seeing} expects SOPS files"
        yield _finding(PLAIN, name, message, f"govgate sops encrypt -i {shown}, {CHANGE}", (shown, line))
    try:
        file = read(content.data, format_of(content.path)) if MARK in content.data else None
        if file is not None and blind:
            remedy = "set spec.decryption.provider to sops, and its secretRef"
            message = f"is encrypted by SOPS, and {blind} does not decrypt"
            yield _finding(DECRYPTION, name, message, remedy, (shown, 1))
        if file is not None and seeing:
            for message in _recipients(root, content.path, file):
                remedy = f"govgate sops updatekeys {shown}"
                yield _finding(RECIPIENTS, name, message, remedy, (shown, 1))
    except NotSopsError:
        return
    except GovgateError as error:
        run.doubts.append(Doubt(RECIPIENTS, str(error), f"File {name}", Location(shown)))
        run.summary.indeterminate += 1


def _finding(rule: str, name: str, message: str, remedy: str, place: tuple[str, int]) -> Finding:
    field = "sops.age" if rule == RECIPIENTS else ""
    info, about = INFOS[rule], Resource("", "File", "", name)
    key = finding_id(rule, about, field)
    return Finding(key, rule, info.severity, info.action, GUARD, about, field, message, remedy, Location(*place))


def _plain_secret(content: Content) -> int:
    """The line of the first Secret with values in plain text, 0 if there is none."""
    for manifest in read_manifests([content]).manifests:
        hits = in_object(manifest.subject.object) if manifest.subject.kind.kind == "Secret" else ()
        if any(hit.kind == KUBERNETES_SECRET for hit in hits):
            return manifest.line
    return 0


def _recipients(root: str, path: str, file: SopsFile) -> list[str]:
    """What is wrong with whom a file is for, as one message or none."""
    folder = Path(path).parent
    for above in (folder, *folder.parents):
        if (above / NAME).is_file():
            rule = rule_for(read_rules(above / NAME), os.path.relpath(path, above))
            wrong = recipients(file, rule) if rule is not None and rule.keys else []
            return ["; ".join(wrong)] if wrong else []
        if str(above) == root:
            break
    return []


def _shown(path: str) -> str:
    found = os.path.relpath(path)
    return path if found.startswith("..") else found
