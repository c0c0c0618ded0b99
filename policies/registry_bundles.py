"""Rule bundles from registries (``oci://…``): verified by the configuration's trust policies before a byte of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.config.provenance import Provenance
from gateway.core.errors import ConfigError, UndecidedError
from gateway.provenance.gate import Gate
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.credentials import default_docker_config, read_docker_config
from gateway.provenance.oci.errors import BadReferenceError, RegistryError
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.reference import SCHEME, Reference, parse_reference
from gateway.provenance.oci.registry import Registry
from gateway.provenance.oci.source import blob_bytes
from gateway.provenance.oci.unpack import is_archive
from gateway.provenance.trust.reading import read_policy
from gateway.provenance.verifier import ReadyTrust, make_ready

MAX_BUNDLE_BYTES = 64 * 1024 * 1024
_SECONDS = 60.0
_REQUESTS = 100


def is_remote(source: str) -> bool:
    """Whether a source of rules is in a registry."""
    return source.startswith(SCHEME)


async def fetch_bundles(sources: Sequence[str], settings: Provenance, *, signed_inside: bool) -> Mapping[str, bytes]:
    """The bundles of those sources that are in registries, by source. ``signed_inside``: each must be signed by a bundle
    key as well, which is checked when it is read: then no trust policy has to be about it.

    Every trust policy that is about a bundle must be satisfied, whatever its mode: rules decide about everything else.

    Raises:
        ConfigError: nobody says who is trusted to sign it, or it is not signed so.
        UndecidedError: that cannot be found out.
    """
    remote = [source for source in dict.fromkeys(sources) if is_remote(source)]
    if not remote:
        return {}
    ready = [await make_ready(read_policy(policy, source="configuration"), trial=False) for policy in settings.policies]
    gate, registry = Gate(settings), Registry(Hosts(settings.registries))
    try:
        means = _Means(settings, ready, gate, registry, signed_inside)
        return {source: await _fetch(source, means) for source in remote}
    finally:
        await gate.close()
        await registry.close()
        for one in ready:
            one.close()


def check_pinned(sources: Sequence[str]) -> None:
    """For a server, whose workers must all have the same rules, now and after a restart.

    Raises:
        ConfigError: a source in a registry has no digest.
    """
    for source in sources:
        if is_remote(source) and not _reference(source).digest:
            raise ConfigError(
                f"policy.sources: {source}: name its digest (@sha256:…): a tag may be another bundle tomorrow"
            )


class _Means(NamedTuple):
    settings: Provenance
    ready: Sequence[ReadyTrust]
    gate: Gate
    registry: Registry
    signed_inside: bool


async def _fetch(source: str, means: _Means) -> bytes:
    settings, reference = means.settings, _reference(source)
    policies = [one for one in means.ready if one.trust.concerns(reference.name)]
    if not policies and not means.signed_inside:
        raise ConfigError(
            f"{source}: no trust policy of the configuration is about {reference.name}: say in provenance.policies who"
            " must have signed it"
        )
    keychain = read_docker_config(settings.docker_config) if settings.docker_config else default_docker_config()
    budget = Budget(seconds=_SECONDS, requests=_REQUESTS)
    repository = means.registry.repository(reference, budget, keychain)
    try:
        # Resolved once: what is verified is what is read, by its digest.
        found = await repository.manifest(reference.digest or reference.tag)
        _, results = await means.gate.judge(reference.at(found.digest), policies, keychain=keychain)
        for result in results:
            if result.assessment.problems:
                problem = result.assessment.problems[0]
                raise ConfigError(f"{source}: {problem.message} (TrustPolicy {result.trust.name}): {problem.remedy}")
            if result.assessment.undecided:
                raise UndecidedError(f"{source}: {result.assessment.undecided}")
        layers = [layer for layer in found.manifest.layers or () if is_archive(layer.media_type)]
        if len(layers) != 1:
            raise ConfigError(f"{source}: holds {len(layers)} archives: a bundle is one (opa build, oras push)")
        return await blob_bytes(repository, layers[0], limit=MAX_BUNDLE_BYTES, what=f"bundle {source}")
    except RegistryError as error:
        raise UndecidedError(f"{source}: {error.kind}: {error}") from None


def _reference(source: str) -> Reference:
    try:
        return parse_reference(source)
    except BadReferenceError as error:
        raise ConfigError(f"{source}: {error}") from None
