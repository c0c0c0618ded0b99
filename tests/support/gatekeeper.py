"""Templates, constraints and objects for tests, and the pinned gator to compare with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from policies.gatekeeper.client import Gatekeeper
from policies.gatekeeper.compile import read_policies
from policies.gatekeeper.constraint import GATOR, is_constraint
from policies.gatekeeper.expansion import Expansions, is_expansion, read_expansion
from policies.gatekeeper.review import of_object

Doc = dict[str, Any]

HEAD = "package k8s\n"


def template(rego: str, *, kind: str = "Checked", libs: tuple[str, ...] = (), schema: Any = None, **more: Any) -> Doc:
    """A ConstraintTemplate; ``code`` gives its code, ``version`` that of the API, ``validation`` all of its schema."""
    target: Doc = {"target": "admission.k8s.gatekeeper.sh"}
    target |= {"code": more["code"]} if "code" in more else {"rego": rego, **({"libs": list(libs)} if libs else {})}
    names: Doc = {"names": {"kind": kind}}
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names["validation"] = more.get("validation", {"openAPIV3Schema": anything if schema is None else schema})
    return {
        "apiVersion": f"templates.gatekeeper.sh/{more.get('version', 'v1')}",
        "kind": "ConstraintTemplate",
        "metadata": {"name": kind.lower()},
        "spec": {"crd": {"spec": names}, "targets": [target]},
    }


def code(rego: str, version: str | None = "v1", libs: tuple[str, ...] = (), engine: str = "Rego") -> Doc:
    """One entry of a template's code."""
    source: Doc = {"rego": rego, **({"version": version} if version else {}), **({"libs": list(libs)} if libs else {})}
    return {"engine": engine, "source": source}


def constraint(name: str = "one", *, kind: str = "Checked", **spec: Any) -> Doc:
    """A Constraint; pods only unless ``match`` is given."""
    spec = {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}} | spec
    return {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


def thing(kind: str = "Pod", name: str = "it", namespace: str | None = "web", version: str = "v1", **more: Any) -> Doc:
    """An object; ``labels`` and ``generate`` go into its metadata."""
    metadata: Doc = {"name": name}
    metadata |= {"namespace": namespace} if namespace else {}
    metadata |= {"labels": more.pop("labels")} if "labels" in more else {}
    if "generate" in more:
        metadata = {**metadata, "generateName": more.pop("generate")}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def verdicts_of_gator(gator: str, documents: list[Doc], folder: Path) -> list[tuple[Any, ...]] | str:
    """What ``gator test`` says of all the documents; the text of its error, if it ends with one."""
    file = folder / "all.yaml"
    file.write_text("\n---\n".join(json.dumps(one) for one in documents))
    command = [gator, "test", "-f", str(file), "-o", "json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if run.returncode not in (0, 1) or not run.stdout.strip():
        return run.stderr
    try:
        results = json.loads(run.stdout)
    except ValueError:
        return run.stdout + run.stderr
    return sorted(
        (
            one["constraint"]["kind"],
            one["constraint"]["metadata"]["name"],
            one["violatingObject"]["kind"] + "/" + one["violatingObject"]["metadata"]["name"],
            one["msg"],
            one["enforcementAction"],
            tuple(sorted(one.get("scopedActions") or ())),
            json.dumps((one.get("metadata") or {}).get("details"), sort_keys=True),
        )
        for one in results or ()
    )


def verdicts_of_ours(documents: list[Doc]) -> list[tuple[Any, ...]]:
    """The same by ourselves, with the namespaces that ``gator test`` finds: all are given, ``default`` is known.

    For an object without a namespace it takes an empty Namespace instead of none.
    """
    policies = read_policies(documents, filter(is_constraint, documents))
    expansions = Expansions([read_expansion(one) for one in documents if is_expansion(one)])
    namespaces = {one["metadata"]["name"]: one for one in documents if one["kind"] == "Namespace"}
    namespaces.setdefault("default", {"metadata": {"name": "default"}})
    rules = Gatekeeper(policies, expansions=expansions, inventory=documents)
    found = []
    try:
        for one in documents:
            own = one["metadata"].get("namespace")
            reviewed = of_object(one, namespace=namespaces.get(own) if own else {})
            for violation in rules.review(reviewed, GATOR, timeout_seconds=10):
                details = json.dumps(violation.details, sort_keys=True)
                about = one["kind"] + "/" + one["metadata"]["name"]
                name = (violation.constraint.kind, violation.constraint.name)
                found.append((*name, about, violation.message, violation.action, violation.scoped, details))
    finally:
        rules.close()
    return sorted(found)
