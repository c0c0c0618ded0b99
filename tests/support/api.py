"""A small client of the Kubernetes API for tests: one user, plain JSON in and out, nothing hidden."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from support.users import User

Json = dict[str, Any]

APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_TIMEOUT_SECONDS = 30.0


class ApiError(Exception):
    """The API server refused: its status code, reason and message."""

    def __init__(self, code: int, status: Json) -> None:
        self.code = code
        self.reason = str(status.get("reason", ""))
        self.message = str(status.get("message", ""))
        super().__init__(f"{code} {self.reason}: {self.message}")


class Api:
    """What one user does. A method per verb; ``warnings`` holds those of the last response."""

    def __init__(self, url: str, ca_file: str, user: User) -> None:
        self.user = user
        self.warnings: list[str] = []
        self._host = urlsplit(url).netloc
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}

    def call(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Json:
        """One request, decoded.

        Raises:
            ApiError: for any status that is not a success.
        """
        connection = http.client.HTTPSConnection(self._host, timeout=_TIMEOUT_SECONDS, context=self._tls)
        headers = {"Authorization": f"Bearer {self.user.token}", "Content-Type": content_type}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            data = response.read()
            self.warnings = response.headers.get_all("Warning") or []
        finally:
            connection.close()
        try:
            document = json.loads(data) if data else {}
        except ValueError:
            document = {"message": data.decode(errors="replace")}
        if response.status >= 300:
            raise ApiError(response.status, document)
        return document

    def text(self, path: str) -> str:
        """What is at a path that is no JSON."""
        connection = http.client.HTTPSConnection(self._host, timeout=_TIMEOUT_SECONDS, context=self._tls)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.user.token}"})
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def path(self, api_version: str, kind: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of an object, or of its collection without a name."""
        plural, namespaced = self._plural(api_version, kind)
        parts = [self._root(api_version)]
        if namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(plural)
        parts += [quote(part, safe=":") for part in (name, subresource) if part]
        return "/".join(parts)

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Json:
        return self.call("GET", self.path(api_version, kind, namespace, name))

    def list(self, api_version: str, kind: str, namespace: str = "") -> list[Json]:
        items: list[Json] = self.call("GET", self.path(api_version, kind, namespace))["items"]
        return items

    def create(self, item: Json, *, manager: str = "tests") -> Json:
        return self.call("POST", f"{self._collection_of(item)}?{urlencode({'fieldManager': manager})}", item)

    def replace(self, item: Json, *, manager: str = "tests", subresource: str = "") -> Json:
        path = self._path_of(item, subresource)
        return self.call("PUT", f"{path}?{urlencode({'fieldManager': manager})}", item)

    def apply(self, item: Json, *, manager: str, subresource: str = "", dry_run: bool = False) -> Json:
        """Server-side apply, forced, as GitOps controllers do."""
        query = {"fieldManager": manager, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        path = self._path_of(item, subresource)
        return self.call("PATCH", f"{path}?{urlencode(query)}", item, content_type=APPLY)

    def patch(
        self, item: Json, patch: Any, *, content_type: str = MERGE, manager: str = "tests", subresource: str = ""
    ) -> Json:
        """Patch the object that ``item`` names."""
        path = self._path_of(item, subresource)
        return self.call("PATCH", f"{path}?{urlencode({'fieldManager': manager})}", patch, content_type=content_type)

    def delete(self, item: Json, *, propagation: str = "Background", missing_ok: bool = False) -> None:
        options = {"propagationPolicy": propagation, "gracePeriodSeconds": 0}
        try:
            self.call("DELETE", self._path_of(item), options)
        except ApiError as error:
            if error.code != 404 or not missing_ok:
                raise

    def delete_collection(self, api_version: str, kind: str, namespace: str, *, selector: str = "") -> Json:
        query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
        options = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        return self.call("DELETE", self.path(api_version, kind, namespace) + query, options)

    def scale(self, item: Json, replicas: int) -> Json:
        """Through the ``scale`` subresource, read and written whole, as autoscalers do."""
        path = self._path_of(item, "scale")
        scale = self.call("GET", path)
        return self.call("PUT", path, {**scale, "spec": {"replicas": replicas}})

    def _path_of(self, item: Json, subresource: str = "") -> str:
        metadata = item["metadata"]
        namespace = metadata.get("namespace", "")
        return self.path(item["apiVersion"], item["kind"], namespace, metadata["name"], subresource)

    def _collection_of(self, item: Json) -> str:
        return self.path(item["apiVersion"], item["kind"], item["metadata"].get("namespace", ""))

    def _plural(self, api_version: str, kind: str) -> tuple[str, bool]:
        known = self._resources.get(api_version, {})
        if kind not in known:
            resources = self.call("GET", self._root(api_version))["resources"]
            known = {r["kind"]: (r["name"], r["namespaced"]) for r in resources if "/" not in r["name"]}
            self._resources[api_version] = known
        return known[kind]

    def _root(self, api_version: str) -> str:
        return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
