"""Rule bundles fetched from registries: verified by the configuration's trust policies before a byte of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.config.provenance import Provenance
from gateway.core.errors import ConfigError, UndecidedError
from gateway.provenance.gate import Gate, Reach
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.credentials import default_docker_config, read_docker_config
from gateway.provenance.oci.errors import RegistryError
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.registry import Registry
from gateway.provenance.oci.source import blob_bytes
from gateway.provenance.oci.unpack import is_archive
from gateway.provenance.trust.reading import concerns, read_policy
from gateway.provenance.verifier import ReadyTrust, make_ready
from policies.registry_bundles import reference_of

MAX_BUNDLE_BYTES = 64 * 1024 * 1024
_SECONDS = 60.0
_REQUESTS = 100


async def fetch_verified(sources: Sequence[str], settings: Provenance, *, signed_inside: bool) -> Mapping[str, bytes]:
    """See :func:`policies.registry_bundles.fetch_bundles`; all sources are in registries."""
    names = [reference_of(source).name for source in sources]
    # Others may have keys from a cluster: what they say is of no interest here.
    about = [policy for policy in settings.policies if any(concerns(policy, name) for name in names)]
    ready = [await make_ready(read_policy(policy, source="configuration"), trial=False) for policy in about]
    gate, registry = Gate(settings, zone="anywhere"), Registry(Hosts(settings.registries))
    try:
        means = _Means(settings, ready, gate, registry, signed_inside)
        return {source: await _fetch(source, means) for source in sources}
    finally:
        await gate.close()
        await registry.close()
        for one in ready:
            one.close()


class _Means(NamedTuple):
    settings: Provenance
    ready: Sequence[ReadyTrust]
    gate: Gate
    registry: Registry
    signed_inside: bool


async def _fetch(source: str, means: _Means) -> bytes:
    settings, reference = means.settings, reference_of(source)
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
        (judged,) = await means.gate.judge(reference.at(found.digest), policies, Reach(keychain))
        for result in judged.results:
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
