"""SOPS files in trees: which there are, whether they open and are whole, and whether ``.sops.yaml`` is kept to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway import __version__
from gateway.ci.inputs import Content, Problem, all_files, read_content
from gateway.ci.run import Doubt, Run
from gateway.config.yaml import read_yaml
from gateway.core.canonical import sha256_digest
from gateway.core.errors import ConfigError
from gateway.core.finding import Action, Finding, Location, Resource, Severity, finding_id
from gateway.core.guard import OnError
from gateway.native.manifests import lines_of
from gateway_secrets.sops.documents import SopsFile, format_of, read
from gateway_secrets.sops.errors import (
    MalformedError,
    NoKeyError,
    NotSopsError,
    ProgramError,
    SopsError,
    TamperedError,
    UnsupportedError,
)
from gateway_secrets.sops.identities import Identity
from gateway_secrets.sops.opened import open_file
from gateway_secrets.sops.rules import NAME, Rule, rule_for, rules_of
from policies.rule import RuleInfo

GUARD = "secrets"
MARK = b"ENC[AES256_GCM,"
_MAX_CONFIGURATION = 1024 * 1024

INFOS = {
    info.id: info
    for info in (
        RuleInfo("sops/integrity", "SOPS files are as they were encrypted", Severity.CRITICAL, Action.DENY),
        RuleInfo("sops/not-encrypted", "Files that a rule is about are encrypted", Severity.CRITICAL, Action.DENY),
        RuleInfo("sops/recipients", "Files are encrypted for those that the rule names", Severity.HIGH, Action.DENY),
        RuleInfo("sops/unused-rule", "Every rule is about a file", Severity.LOW, Action.WARN),
    )
}

Fallback = Callable[[Content], None]
"""Opens what only the sops program can; raises SopsError."""


def verify(paths: Sequence[str], identities: Sequence[Identity], fallback: Fallback) -> Run:
    """Open every SOPS file that the paths name, in process where that can be done, and check its MAC."""
    run = _begin()
    for content in _contents(run, paths):
        if MARK not in content.data:
            run.summary.skipped += 1
            continue
        run.summary.judged += 1
        try:
            _open(content, identities, fallback)
        except NotSopsError:
            run.summary.judged -= 1
            run.summary.skipped += 1
        except (TamperedError, MalformedError) as error:
            _add(run, "sops/integrity", content.path, "", str(error), "restore it from Git, or encrypt it anew")
        except SopsError as error:
            run.doubts.append(Doubt("sops/integrity", str(error), f"File {content.path}", Location(content.path)))
            run.summary.indeterminate += 1
    return run


class Stale(msgspec.Struct, frozen=True):
    """A file that is not encrypted for the keys of its rule. ``alone``: a configuration of its rule alone."""

    path: str
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    alone: Mapping[str, Any]


def stale(configuration: Path, paths: Sequence[str]) -> tuple[list[Stale], list[str]]:
    """The SOPS files below paths whose recipients have to be brought up to date, and why others cannot be told.

    Raises:
        ConfigError: the configuration cannot be read.
        MalformedError: it is none.
    """
    _, rules = _rules(configuration)
    run = _begin()
    found, doubts = [], []
    for content in _contents(run, paths):
        if MARK not in content.data:
            continue
        try:
            rule = rule_for(rules, os.path.relpath(content.path, configuration.parent))
            file = read(content.data, format_of(content.path))
            whole(file, rule)
        except NotSopsError:
            continue
        except SopsError as error:
            doubts.append(f"{content.path}: {error}")
            continue
        present = file.metadata.keys
        if rule is None:
            doubts.append(f"{content.path}: no rule is about it")
        elif present != rule.keys:
            missing, extra = sorted(rule.keys - present), sorted(present - rule.keys)
            found.append(Stale(content.path, tuple(missing), tuple(extra), rule.alone))
    return found, doubts + [str(problem) for problem in run.problems]


def lint(configuration: Path) -> Run:
    """Hold the files below the folder of ``.sops.yaml`` against its rules. No key is needed.

    Raises:
        ConfigError: the configuration cannot be read.
        MalformedError: it is none.
    """
    text, rules = _rules(configuration)
    run = _begin()
    used: set[int] = set()
    folder = str(configuration.parent)
    for content in _contents(run, [folder]):
        path = os.path.relpath(content.path, folder)
        if path == NAME:
            continue
        try:
            rule = rule_for(rules, path)
        except UnsupportedError as error:
            run.doubts.append(Doubt("sops/not-encrypted", str(error), f"File {path}", Location(content.path)))
            run.summary.indeterminate += 1
            continue
        if rule is not None:
            run.summary.judged += 1
            used.add(rule.index)
            _lint_file(run, content, rule)
    unused = [rule for rule in rules if rule.index not in used]
    fields = [f"creation_rules[{rule.index}]" for rule in unused]
    for field, line in zip(fields, lines_of(text, fields) if fields else (), strict=True):
        _add(
            run,
            "sops/unused-rule",
            str(configuration),
            field,
            "is about no file",
            "take it out, or mend its path_regex",
            line,
        )
    _count(run)
    return run


def find_configuration() -> Path | None:
    """The ``.sops.yaml`` of the working folder or the nearest above it, as sops looks for it; a relative path."""
    here = Path.cwd()
    found = (folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file())
    return next((Path(os.path.relpath(one)) for one in found), None)


def read_rules(configuration: Path) -> list[Rule]:
    """The creation rules of a configuration.

    Raises:
        ConfigError: it cannot be read.
        MalformedError: it is none.
    """
    return _rules(configuration)[1]


def _rules(configuration: Path) -> tuple[bytes, list[Rule]]:
    try:
        text = configuration.read_bytes()[:_MAX_CONFIGURATION]
    except OSError as error:
        raise ConfigError(f"{configuration}: cannot be read: {error.strerror}") from None
    document = read_yaml(text.decode(errors="replace"), source=str(configuration))
    return text, rules_of(document, source=str(configuration))


def _lint_file(run: Run, content: Content, rule: Rule) -> None:
    try:
        file = read(content.data, format_of(content.path))
        whole(file, rule)
    except (UnsupportedError, MalformedError) as error:
        run.doubts.append(Doubt("sops/recipients", str(error), f"File {content.path}", Location(content.path)))
        run.summary.indeterminate += 1
        return
    except NotSopsError:
        if rule.path_regex:  # one without is about every file there is
            remedy = f"govgate sops encrypt --in-place {content.path}, then change what was in plain text"
            _add(run, "sops/not-encrypted", content.path, "", f"creation_rules[{rule.index}] is about it", remedy)
        return
    for message in recipients(file, rule):
        _add(run, "sops/recipients", content.path, "sops.age", message, f"govgate sops updatekeys {content.path}")


def recipients(file: SopsFile, rule: Rule) -> list[str]:
    """What is wrong with whom a file is encrypted for, by the rule about it.

    Raises:
        UnsupportedError: its data key is split, or should be.
    """
    whole(file, rule)
    wrong = []
    found = file.metadata.keys
    if found - rule.keys:
        wrong.append(f"can be opened by who should not: {', '.join(sorted(found - rule.keys))}")
    if rule.keys - found:
        wrong.append(f"can not be opened by who should: {', '.join(sorted(rule.keys - found))}")
    return wrong


def whole(file: SopsFile, rule: Rule | None) -> None:
    """Only sops judges which of several key groups are needed.

    Raises:
        UnsupportedError: the data key is split over such, or the rule says that it should be.
    """
    if file.metadata.split or (rule is not None and rule.split):
        raise UnsupportedError("its data key is split over key groups: left to sops")


def _open(content: Content, identities: Sequence[Identity], fallback: Fallback) -> None:
    try:
        open_file(read(content.data, format_of(content.path)), identities)
    except UnsupportedError:
        fallback(content)
    except NoKeyError:
        others = _others(content)
        if identities and not others:
            raise
        try:
            fallback(content)
        except ProgramError as error:
            if others or "data key" not in str(error):
                raise
            raise NoKeyError("no age identity at hand opens it (SOPS_AGE_KEY, SOPS_AGE_KEY_FILE)") from None


def _others(content: Content) -> tuple[str, ...]:
    return read(content.data, format_of(content.path)).metadata.others


def _begin() -> Run:
    return Run(sha256_digest(__version__.encode()), dict(INFOS), OnError.DENY, skipping="other files")


def _contents(run: Run, paths: Sequence[str]) -> Iterator[Content]:
    for name in all_files(paths):
        one = name if isinstance(name, Problem) else read_content(name, named=name in paths)
        if isinstance(one, Problem):
            run.problems.append(one)
            run.summary.problems += 1
        else:
            yield one


def _add(run: Run, rule: str, path: str, field: str, message: str, remedy: str, line: int = 1) -> None:  # noqa: PLR0917
    about = Resource("", "File", "", os.path.normpath(path))
    info = INFOS[rule]
    key = finding_id(rule, about, f"{field} {message.partition(':')[0]}" if rule == "sops/recipients" else field)
    run.findings.append(
        Finding(key, rule, info.severity, info.action, GUARD, about, field, message, remedy, Location(path, line))
    )
    _count(run)


def _count(run: Run) -> None:
    run.summary.denied = len({f.resource.name for f in run.findings if f.action is Action.DENY})
    run.summary.warned = len({f.resource.name for f in run.findings if f.action is Action.WARN})
