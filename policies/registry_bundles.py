"""Rule bundles in registries (``oci://…``). What fetches and verifies them is loaded when there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.config.provenance import Provenance
from gateway.core.errors import ConfigError
from gateway.provenance.oci.errors import BadReferenceError
from gateway.provenance.oci.reference import SCHEME, Reference, parse_reference


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
    from policies.verified_bundles import fetch_verified  # noqa: PLC0415 - heavy, and seldom needed

    return await fetch_verified(remote, settings, signed_inside=signed_inside)


def check_pinned(sources: Sequence[str]) -> None:
    """For a server, whose workers must all have the same rules, now and after a restart.

    Raises:
        ConfigError: a source in a registry has no digest.
    """
    for source in sources:
        if is_remote(source) and not reference_of(source).digest:
            raise ConfigError(
                f"policy.sources: {source}: name its digest (@sha256:…): a tag may be another bundle tomorrow"
            )


def reference_of(source: str) -> Reference:
    """What such a source names.

    Raises:
        ConfigError: it is no reference.
    """
    try:
        return parse_reference(source)
    except BadReferenceError as error:
        raise ConfigError(f"{source}: {error}") from None
