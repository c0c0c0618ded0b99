"""Kyverno's policies tried at load: the program is there, of the right version, and takes every one of them."""

from __future__ import annotations

import logging
import re

from gateway.config.policy import KyvernoCommand
from gateway.core.errors import ConfigError
from policies.engine import Diagnostic, RulesError
from policies.kyverno.command import Bounds, CallError, Done, check_version, find, run
from policies.kyverno.judging import APPLY, Kyverno
from policies.kyverno.policy import KyvernoPolicies, KyvernoPolicy
from policies.kyverno.report import ReportError, read_results
from policies.kyverno.workspace import workspace, write_context, write_exceptions, write_objects, write_policies

_log = logging.getLogger(__name__)
_UID = "00000000-0000-4000-8000-000000000001"
_OBJECT = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "govgate-trial", "namespace": "govgate-trial", "uid": _UID},
}
_NOT_LOADED = re.compile(r"(?:skipping invalid YAML file|Non-fatal parsing error for single document)\s+(.*)")
_FILE = re.compile(r"\b(?:policy-(\d+)|exceptions)\.yaml\b")
_ERROR = re.compile(r'error="((?:[^"\\]|\\.)*)"')
_LISTED = re.compile(r"^\d+\. ([^\s:]+): (.*)")
_COMPILED = re.compile(r"failed to compile policy ([^\s(]+)")
_MEBIBYTE = 1024 * 1024


async def load_kyverno(policies: KyvernoPolicies, config: KyvernoCommand) -> Kyverno:
    """The policies, ready to judge. What will not be judged of them is named in the log, once.

    Raises:
        ConfigError: the program is not there, or not of a supported version; says how to get it.
        RulesError: Kyverno does not take a policy or an exception; names its file and line.
    """
    bounds = Bounds(seconds=config.timeout_seconds, memory_bytes=config.memory_mebibytes * _MEBIBYTE)
    program = find(config.command)
    with workspace() as folder:
        version = await check_version(program, folder)
    await _try(policies, program, bounds)
    for note in policies.notes:
        _log.warning("%s", note)
    return Kyverno(policies, program, version, bounds)


async def _try(policies: KyvernoPolicies, program: str, bounds: Bounds) -> None:
    shown = [policy for policy in policies.policies if not policy.withheld]
    with workspace() as folder:
        arguments = [*APPLY, "-v", "3", *write_policies(folder, [policy.document for policy in shown])]
        arguments += write_objects(folder, [_OBJECT]) + write_exceptions(folder, policies.exceptions)
        arguments += write_context(folder, [], None)
        try:
            done = await run(program, arguments, folder, bounds)
        except CallError as error:
            raise ConfigError(f"Kyverno's policies cannot be tried: {error}") from None
    problems = _problems(done, shown)
    if problems:
        raise RulesError(problems)
    try:
        read_results(done.output, {_UID: 0})
    except ReportError as error:
        said = f"{error} (it ended with status {done.status}: {done.problem})"
        raise ConfigError(f"Kyverno's policies cannot be tried: {said}") from None


def _problems(done: Done, shown: list[KyvernoPolicy]) -> list[Diagnostic]:
    """What it did not take: files that it passes over in its log, and policies that it lists, or fails at."""
    found: list[Diagnostic] = []
    for told in _NOT_LOADED.findall(done.errors):
        file, error = _FILE.search(told), _ERROR.search(told)
        text = error[1].replace('\\"', '"') if error else told
        policy = shown[int(file[1])] if file and file[1] and int(file[1]) < len(shown) else None
        found.append(_diagnostic(policy, _FILE.sub("it", text)))
    by_name = {policy.document["metadata"]["name"]: policy for policy in shown}
    for line in done.output.decode(errors="replace").splitlines():
        listed = _LISTED.match(line)
        if listed:
            found.append(_diagnostic(by_name.get(listed[1]), listed[2]))
    error_text = done.problem if done.status else ""
    compiled = _COMPILED.search(error_text)
    if compiled or "failed to load exceptions" in error_text:
        found.append(_diagnostic(by_name.get(compiled[1]) if compiled else None, error_text))
    return found


def _diagnostic(policy: KyvernoPolicy | None, text: str) -> Diagnostic:
    text = " ".join(text.split())[:500]
    if policy is None:
        return Diagnostic("", 0, 0, "kyverno", f"Kyverno does not take a policy or an exception: {text}")
    path, _, line = policy.source.rpartition(":")
    return Diagnostic(path, int(line), 1, "kyverno", f"Kyverno does not take {policy.key}: {text}")
