"""Templates, requests, expansions: what is read of them, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.gatekeeper import HEAD, code, template

from gateway.core.errors import MalformedRequestError
from policies.gatekeeper.constraint import Constraint, Scoped, action_of
from policies.gatekeeper.expansion import ApplyTo, Expansion, ExpansionError, Expansions
from policies.gatekeeper.review import go_float, of_object, of_request
from policies.gatekeeper.template import TemplateError, UnsupportedTemplateError, read_template

_CEL = {"engine": "K8sNativeValidation", "source": {"validations": []}}


def test_a_template_with_cel_only_is_named() -> None:
    """A template without Rego is refused by name, with the engines that it has."""
    with pytest.raises(UnsupportedTemplateError, match=r"checked.*K8sNativeValidation"):
        read_template(template("", code=[_CEL]))


def test_rego_beside_cel_is_taken() -> None:
    """A template that has both is evaluated by its Rego."""
    assert read_template(template("", code=[_CEL, code("package a", "v1")])).version == 1


def test_rego_of_the_target_wins() -> None:
    """The field rego counts, in version 0, where there is code of the Rego engine too."""
    both = template("", code=[code("package code", "v1")])
    both["spec"]["targets"][0]["rego"] = "package field"
    read = read_template(both)
    assert (read.rego, read.version) == ("package field", 0)


def test_an_unknown_version_of_rego_is_0() -> None:
    """As in Gatekeeper only v1 is another version than 0."""
    assert read_template(template("", code=[code("package a", "v2")])).version == 0


@pytest.mark.parametrize(("version", "schema"), [("v1", None), ("v1beta1", True), ("v1alpha1", True)])
def test_legacy_schemas(version: str, schema: bool | None) -> None:
    """Without a schema v1 takes no parameters, the older versions take any."""
    read = read_template(template(HEAD, version=version, validation={}))
    assert read.schema == (None if schema is None else {"x-kubernetes-preserve-unknown-fields": True})


@pytest.mark.parametrize("document", [
    {"spec": {"targets": [{"target": 3}]}},
    {"metadata": {"name": 1}},
    {"spec": {"targets": "x"}},
])  # fmt: skip
def test_misshapen_templates(document: dict[str, Any]) -> None:
    """Fields of a wrong type are an error of the template."""
    with pytest.raises(TemplateError):
        read_template(template(HEAD) | document)


@pytest.mark.parametrize(("number", "text"), [
    (0, "0"), (-0.0, "-0"), (1, "1"), (999999, "999999"), (1000000, "1e+06"), (1234567, "1.234567e+06"), (0.5, "0.5"),
    (0.0001, "0.0001"), (0.00001, "1e-05"), (1e22, "1e+22"), (9007199254740993, "9.007199254740992e+15"),
    (-12.25, "-12.25"), (100000, "100000"), (1.5e-7, "1.5e-07"), (1e300, "1e+300"),
])  # fmt: skip
def test_numbers_are_written_as_go_does(number: float, text: str) -> None:
    """Rules that print a number of a review print what Go's strconv makes of a float64."""
    assert go_float(float(number)) == text


def test_delete_shows_the_old_object() -> None:
    """On DELETE rules find the object that goes as the object too."""
    old = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    reviewed = of_request({"operation": "DELETE", "oldObject": old})
    assert reviewed.request["object"] == old
    with pytest.raises(MalformedRequestError):
        of_request({"operation": "DELETE"})


def test_a_missing_namespace_object_is_empty() -> None:
    """Rules find an empty namespaceObject where there is none."""
    document = msgspec.json.decode(of_object({"apiVersion": "v1", "kind": "Pod", "metadata": {}}).document())
    assert document["review"]["namespaceObject"] == {}


def test_actions_at_a_point() -> None:
    """Scoped actions count at their points, others everywhere."""
    scoped = msgspec.convert([{"action": "warn", "enforcementPoints": [{"name": "*"}]}], tuple[Scoped, ...])
    assert Constraint("K", "n", None, {}, "scoped", scoped).actions("audit.gatekeeper.sh") == ("warn",)
    assert Constraint("K", "n", None, {}, "scoped").actions("audit.gatekeeper.sh") == ()
    assert Constraint("K", "n", None, {}, "dryrun", scoped).actions("any") == ("dryrun",)


def test_the_strictest_action_counts() -> None:
    """Of several actions deny wins; one that Gatekeeper does not know enforces nothing."""
    assert [action_of(a) for a in (("warn", "deny"), ("dryrun", "warn"), ("odd",))] == ["deny", "warn", ""]


def _expansion(name: str, of: str, to: str) -> Expansion:
    return Expansion(name, (ApplyTo(("g",), ("v1",), (of,)),), "spec", ("g", "v1", to), "")


def test_a_circle_is_refused() -> None:
    """ExpansionTemplates that lead back to where they began are an error at load, not at a request."""
    with pytest.raises(ExpansionError, match="circle"):
        Expansions([_expansion("a", "A", "B"), _expansion("b", "B", "A")])


def test_what_is_implied_keeps_to_its_parent() -> None:
    """An implied object has the parent's namespace, a name after it, and the parent as owner."""
    parent = {"apiVersion": "g/v1", "kind": "A", "metadata": {"name": "X", "namespace": "n"}, "spec": {"s": 1}}
    [generated] = Expansions([_expansion("a", "A", "B")]).expand(parent, None)
    owner = {"apiVersion": "g/v1", "kind": "A", "name": "X", "uid": ""}
    metadata = {"namespace": "n", "name": "x-b", "ownerReferences": [owner]}
    assert generated.document == {"apiVersion": "g/v1", "kind": "B", "metadata": metadata, "s": 1}
