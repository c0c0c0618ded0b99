"""One run of ``check``: rules loaded, files read and judged batch by batch, with what is known around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.ci.combined import Combined
from gateway.ci.context import Captured, Snapshot, feed
from gateway.ci.detected import INFOS
from gateway.ci.flux_applied import INFOS as FLUX_INFOS
from gateway.ci.flux_applied import Decryption
from gateway.ci.inputs import Content, Problem, contents
from gateway.ci.render import Renderer
from gateway.ci.run import Run, begin, judge_batch, judge_combined
from gateway.ci.secret_objects import SecretsInFiles
from gateway.config.model import Config
from gateway.core.finding import Action
from gateway.core.subject import UserInfo
from policies.engines import engine_of
from policies.loading import load_rules
from policies.rule import USER
from policies.surroundings import Alone, Surroundings
from policies.waivers import Waivers
from webhooks.secret_objects import INFOS as SECRET_INFOS

if TYPE_CHECKING:
    from webhooks.artifacts import Artifacts


class Job(msgspec.Struct, frozen=True):
    """What is to be judged, and how.

    ``namespace``: of objects that name none. ``only``: of the files found, those with these absolute paths. ``user``: who
    would ask; else whoever the snapshot says. ``suppressions``: whether comments in the manifests hold. ``kept``: standard
    input and pipes, for a job that runs twice. ``parser``: of all files, whatever they are called. ``combine``: rules that
    take any document see all of them at once.
    """

    paths: Sequence[str]
    config: Config
    namespace: str = ""
    only: frozenset[str] | None = None
    waivers: Waivers | None = None
    snapshot: Snapshot | None = None
    user: UserInfo | None = None
    suppressions: bool = True
    renderer: Renderer | None = None
    kept: dict[str, Content | Problem] | None = None
    parser: str = ""
    combine: bool = False


async def run_job(job: Job, progress: Callable[[Run], None]) -> Run:
    """Judge all that the paths name. ``progress`` is told after each batch.

    Raises:
        ConfigError: a source of rules cannot be read.
        RulesError: a rule is wrong.
        UndecidedError: the engine that evaluates rules is not there.
    """
    config, snapshot = job.config, job.snapshot
    held = snapshot.gatekeeper if snapshot is not None else None
    rules = await load_rules(config.policy, engine_of(config.policy), held=held, provenance=config.provenance)
    run = begin(rules, config.policy.on_error)
    run.infos |= INFOS | FLUX_INFOS | SECRET_INFOS
    run.waivers = job.waivers
    user = job.user or (snapshot.user if snapshot is not None else None)
    around = _around(snapshot, user)
    artifacts = await _artifacts(config)
    exempt = (*config.policy.exempt_namespaces, config.cluster.own_namespace)
    secrets = SecretsInFiles(config, around, snapshot)
    combined = Combined() if job.combine else None
    decryption = None if config.secrets.sops == "off" else Decryption(Action(config.secrets.sops))
    try:
        if snapshot is not None:
            await feed(rules, snapshot)
        for batch in contents(
            job.paths,
            structured=rules.about_files,
            parser=job.parser,
            only=job.only,
            renderer=job.renderer,
            kept=job.kept,
        ):
            await judge_batch(
                run,
                rules,
                batch,
                namespace=job.namespace,
                user=user,
                around=around,
                exempt=exempt,
                settings=config.check if job.suppressions else None,
                combined=combined,
                plain=None if config.secrets.detect == "off" else Action(config.secrets.detect),
                artifacts=artifacts,
                secrets=secrets,
                watch=decryption.add if decryption is not None else len,
            )
            progress(run)
        if combined is not None and rules.about_files:
            await judge_combined(run, rules, combined, around)
        if decryption is not None and decryption.applied:
            from gateway.ci.flux_sops import judge  # noqa: PLC0415 - heavy, and needed only with Flux Kustomizations

            judge(run, decryption)
    finally:
        await rules.close()
        if artifacts is not None:
            await artifacts.close()
    return run


async def _artifacts(config: Config) -> Artifacts | None:
    """What judges artifacts; None where nobody says what is trusted."""
    if not config.provenance.policies and config.provenance.unmatched == "ignore":
        return None
    from webhooks.artifacts import artifacts_in_files  # noqa: PLC0415 - heavy, and needed only with trust policies

    return await artifacts_in_files(config)


def _around(snapshot: Snapshot | None, user: UserInfo | None) -> Surroundings:
    if snapshot is not None:
        return Captured(msgspec.structs.replace(snapshot, user=user))
    return Alone(*((USER,) if user is not None else ()))
