"""The generators of a cluster: read when they are needed, which is seldom."""

from __future__ import annotations

from gateway.core.errors import ClusterError
from gateway.kube import ApiError, KubeClient, ResourceType
from gateway_secrets.external import generators
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.spec import GeneratorRef


class Generators:
    """Runs those of a namespace, and those of the cluster."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def generate(self, ref: GeneratorRef, namespace: str) -> dict[str, bytes]:
        """New values.

        Raises:
            SpecError: there is no such generator, or it says what cannot be done.
            ClusterError: the API server could not be asked.
        """
        resource = ResourceType(generators.GROUP, ("v1alpha1",), generators.resource_of(ref))
        own = "" if ref.kind == generators.CLUSTER else namespace
        try:
            document = await self._client.find(resource.path("v1alpha1", own, ref.name))
        except ApiError as error:
            raise error.about(f"{ref.kind} {ref.name}") from None
        if document is None:
            raise SpecError(f"there is no {ref.kind} {ref.name}")
        if not isinstance(document.get("spec") or {}, dict):
            raise ClusterError(f"{ref.kind} {ref.name}: is none that can be read")
        return generators.made_by(document | {"kind": ref.kind})
