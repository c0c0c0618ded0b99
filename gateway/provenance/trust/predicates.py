"""The Rego of a policy, asked about predicates: OPA itself, in process.

A module has a rule ``allow`` in whatever package it chooses. Its input is ``predicateType``, ``predicate``, ``digest`` (of
the artifact), ``authority`` and ``signer``. Only ``true`` accepts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from gateway.core.errors import ConfigError
from gateway.native.inspect import inspect_modules
from gateway.native.library import NativeError
from gateway.native.rego import Module, RegoError, RuleSet, Undefined, Value, compile_rules
from gateway.native.trial import try_rules
from gateway.provenance.evidence import Evidence, Signer
from gateway.provenance.trust.evaluate import Question, Said
from gateway.provenance.trust.reading import Trust

_SECONDS = 2.0

Answers = dict[tuple[int, str, str, Signer], Said]
"""By the number of the attestation, the digest of the statement, whose word it is and by what: all that a rule is told."""


class Predicates:
    """The compiled Rego of one policy, by the number of the attestation it belongs to."""

    def __init__(self, rules: Mapping[int, RuleSet]) -> None:
        self._rules = dict(rules)

    async def ask(
        self, evidence: Evidence, asked: Sequence[Question], before: Answers | None = None
    ) -> dict[Question, Said]:
        """What the rules say; a rule that fails or takes too long leaves its question undecided. What they said ``before``
        about a statement of the same artifact is not asked again, and what they say now is added.
        """
        found: dict[Question, Said] = {}
        answers = before if before is not None else {}
        for question in asked:
            one = evidence.signed[question.signed]
            key = (question.attestation, one.statement, one.authority, one.signer)
            if key in answers:
                found[question] = answers[key]
                continue
            document = msgspec.json.encode(
                {
                    "predicateType": one.predicate_type,
                    "predicate": one.predicate,
                    "digest": evidence.artifact.digest,
                    "authority": one.authority,
                    "signer": one.signer,
                }
            )
            found[question] = answers[key] = await self._said(question.attestation, document)
        return found

    async def _said(self, number: int, document: bytes) -> Said:
        try:
            (answer,) = await self._rules[number].ask(document, timeout_seconds=_SECONDS)
        except (NativeError, KeyError):
            return "undecided"
        if isinstance(answer, Value):
            return "yes" if bytes(answer.value) == b"true" else "no"
        return "no" if isinstance(answer, Undefined) else "undecided"

    def close(self) -> None:
        """Let go of the rules."""
        for rules in self._rules.values():
            rules.close()


async def compile_predicates(trust: Trust, *, trial: bool) -> Predicates:
    """Compile a policy's Rego. ``trial``: in a memory-limited child first, for a process that must not die of it.

    Raises:
        ConfigError: a module does not compile, or has no rule ``allow``.
        NativeMissingError: there is no engine.
    """
    compiled: dict[int, RuleSet] = {}
    for number, attestation in enumerate(trust.policy.attestations):
        if attestation.rego:
            where = f"{trust.source}: TrustPolicy {trust.name}: attestations[{number}].rego"
            compiled[number] = await asyncio.to_thread(_compile, attestation.rego, where, trial)
    return Predicates(compiled)


def _compile(text: str, where: str, trial: bool) -> RuleSet:
    inspection = inspect_modules([("rego", text)])
    if inspection.problems:
        problem = inspection.problems[0]
        raise ConfigError(f"{where}: line {problem.line}: {problem.message}")
    module = inspection.modules[0]
    if "allow" not in module.rules:
        raise ConfigError(f"{where}: there is no rule allow")
    modules, queries = [Module("rego", text)], [f"data.{module.package.removeprefix('data.')}.allow"]
    try:
        if trial:
            try_rules(modules, queries)
        return compile_rules(modules, queries)
    except RegoError as error:
        first = error.diagnostics[0]
        raise ConfigError(f"{where}: line {first.line}: {first.message}") from None
    except NativeError as error:
        raise ConfigError(f"{where}: {error}") from None
