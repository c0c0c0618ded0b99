"""Templates, constraints and objects of our own that gator and we must judge alike, by name."""

from __future__ import annotations

from typing import Any

from support.gatekeeper import HEAD, Doc, code, constraint, template, thing

_POD = thing(labels={"app": "a"}, spec={"replicas": 3, "containers": [{"name": "c", "image": "i:1"}]})
_SAYS = (
    HEAD + 'violation[{"msg": msg}] { msg := sprintf("%v %v", [input.review.object.metadata.name, input.parameters]) }'
)
_V1 = """package k8s
violation contains {"msg": msg, "details": {"image": c.image}} if {
    some c in input.review.object.spec.containers
    not startswith(c.image, input.parameters.registry)
    msg := sprintf("%s is not of %s", [c.image, input.parameters.registry])
}
"""
_LIB = """package lib.images
tagged(image) { contains(image, ":") }
bad[image] { image := input.review.object.spec.containers[_].image; image == input.parameters.banned }
"""


def rego(body: str, *documents: Doc, parameters: Any = None, **more: Any) -> list[Doc]:
    """One template with these rules, one constraint, a Pod and more documents."""
    return [template(HEAD + body, **more), constraint(parameters=parameters), _POD, *documents]


def matched(match: Any, *documents: Doc, **spec: Any) -> list[Doc]:
    """A constraint that says something about each object that it matches."""
    return [template(_SAYS), constraint(match=match, **spec), *documents]


_NAMESPACES = (thing("Namespace", "web", None, labels={"team": "a"}), thing("Namespace", "kube-x", None))
_PODS = (_POD, thing(name="two", namespace="kube-x"), thing(name="lost", namespace="nowhere"))
_MIXED = (*_NAMESPACES, *_PODS, thing("ClusterRole", "cr", None, "rbac.authorization.k8s.io/v1"))

RULES: dict[str, list[Doc]] = {
    "v0": rego('violation[{"msg": "no"}] { input.parameters.on }', parameters={"on": True}),
    "v1": [template("", code=[code(_V1)]), constraint(parameters={"registry": "r/"}), _POD],
    "v0 by code": [template("", code=[code(_SAYS, None)]), constraint(), _POD],
    "v0 by its name": [template("", code=[code(_SAYS, "v0")]), constraint(), _POD],
    "details": rego('violation[{"msg": "m", "details": {"n": 1, "s": [1, "a"]}}] { true }'),
    "duplicates": rego(
        'violation[{"msg": "m"}] { input.review.object.spec.containers[_] }\nviolation[{"msg": "m"}] { true }'
    ),
    "same message, other details": rego('violation[{"msg": "m", "details": {"i": i}}] { i := [1, 2][_] }'),
    "no msg": rego('violation[{"details": {}}] { true }\nviolation[{"msg": "other"}] { true }'),
    "violation as a function of keys": rego('violation[k] = v { k := {"msg": "key"}; v := {"msg": "value"} }'),
    "violation complete": rego('violation = {{"msg": "set"}} { true }'),
    "conflict": rego('f(x) = 1 { x > 1 }\nf(x) = 2 { x > 2 }\n\nviolation[{"msg": "m"}] { f(3) == 1 }'),
    "conflict of one of two": [
        template(
            HEAD + 'v = 1 { input.parameters.a }\nv = 2 { input.parameters.b }\nviolation[{"msg": "m"}] { v > 0 }'
        ),
        constraint("fine", parameters={"a": True}),
        constraint("wrong", parameters={"a": True, "b": True}),
        _POD,
    ],
    "built-in error": rego('violation[{"msg": "m"}] { to_number("x") > 1 }\nviolation[{"msg": "n"}] { true }'),
    "library": rego(
        'import data.lib.images\nviolation[{"msg": m}] { images.bad[i]; images.tagged(i); m := i }',
        libs=(_LIB,),
        parameters={"banned": "i:1"},
    ),
    "library by its full name": rego(
        'violation[{"msg": m}] { m := data.lib.images.bad[_] }', libs=(_LIB,), parameters={"banned": "i:1"}
    ),
    "library within a term": rego(
        'violation[{"msg": "m"}] { count([x | x := data.lib.images.bad[_]]) == 0 }',
        libs=(_LIB,),
        parameters={"banned": "i:1"},
    ),
    "libraries of each other": rego(
        'import data.lib.b\nviolation[{"msg": m}] { m := b.say }',
        libs=('package lib.a.c\nsay = "said"', "package lib.b\nimport data.lib.a.c\nsay = c.say"),
    ),
    "library v1": [
        template(
            "",
            code=[
                code(
                    'package x\nimport data.lib.a\nviolation contains {"msg": a.m} if true',
                    libs=('package lib.a\nm := "v1"',),
                )
            ],
        ),
        constraint(),
        _POD,
    ],
    "parameters in an interpolated string": [
        template(
            "",
            code=[
                code(
                    'package x\nviolation contains {"msg": m} if m := $"é {input.parameters.a} {data.lib.a.m}"',
                    libs=("package lib.a\nm := 1",),
                )
            ],
        ),
        constraint(parameters={"a": "A"}),
        _POD,
    ],
    "parameters in every": [
        template(
            "",
            code=[
                code(
                    'package x\nviolation contains {"msg": "m"} if every a in input.parameters.a { a in input.parameters.b }'
                )
            ],
        ),
        constraint(parameters={"a": [1], "b": [1, 2]}),
        _POD,
    ],
    "input walked": rego(
        'violation[{"msg": m}] { walk(input, [p, 7]); m := sprintf("%v", [p]) }', parameters={"x": {"y": 7}}
    ),
    "input in a variable": rego('violation[{"msg": m}] { x := input; m := x.parameters.a }', parameters={"a": "A"}),
    "input passed on": rego('f(x) = x.parameters.a\nviolation[{"msg": m}] { m := f(input) }', parameters={"a": "A"}),
    "input by a key": rego('violation[{"msg": m}] { k := "parameters"; m := input[k].a }', parameters={"a": "A"}),
    "input keys": rego('violation[{"msg": m}] { m := concat(",", sort([k | input[k]])) }'),
    "input replaced": rego(
        'x = input.parameters.a\nviolation[{"msg": m}] { m := x with input.parameters as {"a": "B"} }',
        parameters={"a": "A"},
    ),
    "parameters in brackets": rego('violation[{"msg": m}] { m := input["parameters"]["a"] }', parameters={"a": "A"}),
    "parameters passed on": rego(
        'f(p) = p.a\nviolation[{"msg": m}] { m := f(input.parameters) }', parameters={"a": "A"}
    ),
    "parameters missing": rego('violation[{"msg": m}] { not input.parameters.a; m := json.marshal(input.parameters) }'),
    "parameters in a comment and a string": rego(
        '# input.parameters data.lib\nviolation[{"msg": m}] { s := "input.parameters data.x"; m := sprintf("%v é %v", [s, input.parameters.a]) }',
        parameters={"a": "ü"},
    ),
    "the whole review": rego('violation[{"msg": m}] { m := json.marshal(object.remove(input.review, ["object"])) }'),
    "namespaceObject": rego('violation[{"msg": "empty"}] { input.review.namespaceObject == {} }', *_NAMESPACES),
    "large numbers": rego(
        'violation[{"msg": m}] { n := input.review.object.n; m := sprintf("%v %v", [n, n == 1000000]) }',
        *(
            thing(name=f"n{i}", n=n)
            for i, n in enumerate([1000000, 999999, 0.5, 1.5e-7, 12345678, -3000000, 9007199254740993])
        ),
    ),
    "inventory": rego(
        'violation[{"msg": m}] { o := data.inventory.namespace[ns]["v1"]["Service"][name]; m := sprintf("%v/%v %v", [ns, name, o.spec.n]) }',
        thing("Service", "s", "web", spec={"n": 1000000}),
        thing("Service", "s", "kube-x", spec={"n": 2}),
    ),
    "inventory of the cluster": rego(
        'violation[{"msg": m}] { data.inventory.cluster["rbac.authorization.k8s.io/v1"].ClusterRole[m] }', _MIXED[-1]
    ),
    "inventory as a whole": rego(
        'violation[{"msg": m}] { m := concat(",", sort([k | data.inventory[k]])) }', *_NAMESPACES
    ),
    "defaults": [
        template(
            _SAYS,
            schema={
                "type": "object",
                "default": {"a": 0},
                "properties": {
                    "a": {"type": "integer", "default": 3},
                    "b": {"type": "object", "default": {}, "properties": {"c": {"type": "string", "default": "d"}}},
                    "l": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"x": {"type": "string", "default": "y"}}},
                    },
                    "m": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "properties": {"z": {"type": "boolean", "default": False}},
                        },
                    },
                },
            },
        ),
        constraint("none"),
        constraint("some", parameters={"l": [{}, {"x": "1"}], "m": {"k": {}}}),
        _POD,
    ],
    "legacy schema": [template(_SAYS, version="v1beta1", validation={}), constraint(parameters={"any": [1]}), _POD],
    "legacy schema in alpha": [
        template(_SAYS, version="v1alpha1", schema={"properties": {"a": {"type": "string"}}}),
        constraint(parameters={"a": "x", "b": 1}),
        _POD,
    ],
    "int or string": [
        template(_SAYS, schema={"type": "object", "properties": {"p": {"x-kubernetes-int-or-string": True}}}),
        constraint("a", parameters={"p": 1}),
        constraint("b", parameters={"p": "1"}),
        _POD,
    ],
    "actions": [
        template(_SAYS),
        *(constraint(f"a-{i}", enforcementAction=a) for i, a in enumerate(["deny", "warn", "dryrun", "unheard-of"])),
        _POD,
    ],
    "scoped actions": [
        template(_SAYS),
        *(
            constraint(
                f"s-{i}",
                enforcementAction="scoped",
                scopedEnforcementActions=[{"action": a, "enforcementPoints": [{"name": p}]} for a, p in pairs],
            )
            for i, pairs in enumerate(
                [
                    [("deny", "gator.gatekeeper.sh")],
                    [("warn", "*"), ("deny", "audit.gatekeeper.sh")],
                    [("deny", "validation.gatekeeper.sh")],
                    [("deny", "gator.gatekeeper.sh"), ("warn", "gator.gatekeeper.sh")],
                    [("odd", "gator.gatekeeper.sh")],
                ]
            )
        ),
        constraint("unscoped", scopedEnforcementActions=[{"action": "warn", "enforcementPoints": [{"name": "*"}]}]),
        _POD,
    ],
}

MATCHES: dict[str, list[Doc]] = {
    "all kinds": matched({"kinds": [{"apiGroups": ["*"], "kinds": ["*"]}]}, *_MIXED),
    "no kinds": matched({"kinds": [{"apiGroups": [""]}, {"kinds": ["ClusterRole"]}]}, *_MIXED),
    "another group": matched({"kinds": [{"apiGroups": ["apps"], "kinds": ["Pod"]}]}, *_MIXED),
    "namespaces": matched({"namespaces": ["web", "*here"]}, *_MIXED),
    "excluded namespaces": matched(
        {"excludedNamespaces": ["kube-*", "*e*"], "kinds": [{"kinds": ["Pod", "Namespace"]}]}, *_MIXED
    ),
    "namespace selector": matched(
        {
            "namespaceSelector": {"matchLabels": {"team": "a"}},
            "kinds": [{"kinds": ["Pod", "Namespace", "ClusterRole"]}],
        },
        *_MIXED,
    ),
    "namespace selector by expressions": matched(
        {
            "namespaceSelector": {
                "matchExpressions": [
                    {"key": "team", "operator": "NotIn", "values": ["b"]},
                    {"key": "x", "operator": "DoesNotExist"},
                ]
            },
            "kinds": [{"kinds": ["Pod"]}],
        },
        *_MIXED,
    ),
    "label selector": matched(
        {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}}, *_MIXED
    ),
    "label selector that excludes": matched(
        {
            "labelSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]},
            "kinds": [{"kinds": ["Pod"]}],
        },
        *_MIXED,
    ),
    "cluster scope": matched({"scope": "Cluster"}, *_MIXED),
    "namespaced scope": matched({"scope": "Namespaced"}, *_MIXED),
    "unknown scope": matched({"scope": "cluster", "kinds": [{"kinds": ["Pod"]}]}, *_MIXED),
    "name": matched({"name": "l*"}, *_PODS, thing(name="x", generate="lo")),
    "exact name and generated": matched({"name": "lo"}, thing(name="x", generate="lo")),
    "generated objects only": matched({"source": "Generated", "kinds": [{"kinds": ["Pod"]}]}, *_MIXED),
    "original objects only": matched({"source": "Original", "kinds": [{"kinds": ["Pod"]}]}, *_MIXED),
    "nothing stated": matched(None, _POD),
}

_DEPLOYMENT = thing(
    "Deployment",
    "api",
    "web",
    "apps/v1",
    spec={"template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}}},
)


def expansion(name: str = "pods", action: str = "", **spec: Any) -> Doc:
    """An ExpansionTemplate from Deployments to Pods, unless told otherwise."""
    defaults = {
        "applyTo": [{"groups": ["apps"], "kinds": ["Deployment"], "versions": ["v1"]}],
        "templateSource": "spec.template",
        "generatedGVK": {"group": "", "version": "v1", "kind": "Pod"},
    }
    extra = {"enforcementAction": action} if action else {}
    return {
        "apiVersion": "expansion.gatekeeper.sh/v1beta1",
        "kind": "ExpansionTemplate",
        "metadata": {"name": name},
        "spec": defaults | spec | extra,
    }


_TELLS = HEAD + 'violation[{"msg": m}] { m := json.marshal(input.review.object) }'
_CRON = thing("CronJob", "c", "default", "batch/v1", spec={"jobTemplate": {"spec": {"template": {"spec": {}}}}})
_JOBS = expansion(
    "jobs",
    applyTo=[{"groups": ["batch"], "kinds": ["CronJob"], "versions": ["v1"]}],
    templateSource="spec.jobTemplate",
    generatedGVK={"group": "batch", "version": "v1", "kind": "Job"},
)
_JOB_PODS = expansion("job-pods", "warn", applyTo=[{"groups": ["batch"], "kinds": ["Job"], "versions": ["v1"]}])

EXPANSIONS: dict[str, list[Doc]] = {
    "a Deployment's Pod": [template(_TELLS), constraint(), expansion(), _DEPLOYMENT, *_NAMESPACES],
    "another action": [template(_TELLS), constraint(), expansion(action="dryrun"), _DEPLOYMENT, *_NAMESPACES],
    "in a namespace that is not known": [template(_TELLS), constraint(), expansion(), _DEPLOYMENT],
    "generated only": [
        template(_TELLS),
        constraint(match={"source": "Generated"}),
        expansion(),
        _DEPLOYMENT,
        *_NAMESPACES,
    ],
    "two steps": [template(_TELLS), constraint(match={"kinds": [{"kinds": ["Job", "Pod"]}]}), _JOBS, _JOB_PODS, _CRON],
}

REFUSED: dict[str, list[Doc]] = {
    "input as an argument's name": rego(
        'f(input) = input.parameters\nviolation[{"msg": m}] { m := f({"parameters": "mine"}) }', parameters={"a": "A"}
    ),
    "a violation that is no object": rego('violation["text"] { true }'),
    "no violation rule": [template(HEAD + "deny { true }")],
    "a syntax error": [template(HEAD + "violation[ { true }")],
    "foreign data": [template(HEAD + 'violation[{"msg": "m"}] { data.other.x }')],
    "foreign import": [template(HEAD + 'import data.other\nviolation[{"msg": "m"}] { true }')],
    "input imported": [template(HEAD + 'import input.review\nviolation[{"msg": "m"}] { true }')],
    "inventory imported": [template(HEAD + 'import data.inventory\nviolation[{"msg": "m"}] { true }')],
    "rego.v1 imported": [
        template("", code=[code('package a\nimport rego.v1\nviolation contains {"msg": "m"} if true')])
    ],
    "a library outside of lib": [template(_SAYS, libs=("package other",))],
    "a library that is lib": [template(_SAYS, libs=("package lib",))],
    "v1 written as v0": [template("", code=[code(_V1, "v0")])],
    "v0 written as v1": [template("", code=[code(_SAYS, "v1")])],
    "an undefined function": [template(HEAD + 'violation[{"msg": "m"}] { nothing(1) }')],
    "another name": [template(_SAYS) | {"metadata": {"name": "other"}}],
    "no kind": [template(_SAYS, kind="")],
    "another target": [
        {**template(_SAYS), "spec": template(_SAYS)["spec"] | {"targets": [{"target": "x", "rego": _SAYS}]}}
    ],
    "two targets": [
        {**template(_SAYS), "spec": template(_SAYS)["spec"] | {"targets": template(_SAYS)["spec"]["targets"] * 2}}
    ],
    "a constraint without template": [constraint()],
    "a wrong type": [
        template(_SAYS, schema={"type": "object", "properties": {"a": {"type": "string"}}}),
        constraint(parameters={"a": 1}),
    ],
    "a missing field": [
        template(_SAYS, schema={"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}),
        constraint(parameters={}),
    ],
    "an unknown parameter": [
        template(_SAYS, schema={"type": "object", "properties": {}}),
        constraint(parameters={"b": 1}),
    ],
    "parameters where none are": [template(_SAYS, validation={}), constraint(parameters={"b": 1})],
    "an unknown field of match": [template(_SAYS), constraint(match={"kind": "Pod"})],
    "an unknown field of spec": [template(_SAYS), constraint(other=1)],
    "a glob in the middle": [template(_SAYS), constraint(match={"namespaces": ["a*b"]})],
    "an unknown source": [template(_SAYS), constraint(match={"source": "Some"})],
    "an unknown operator": [
        template(_SAYS),
        constraint(match={"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}),
    ],
    "an operator without values": [
        template(_SAYS),
        constraint(match={"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
    ],
    "an invalid label": [template(_SAYS), constraint(match={"namespaceSelector": {"matchLabels": {"a/b/c": "x"}}})],
    "an upper case name": [template(_SAYS), constraint("Upper")],
    "an unknown version": [template(_SAYS), constraint() | {"apiVersion": "constraints.gatekeeper.sh/v1"}],
    "scoped without actions": [template(_SAYS), constraint(enforcementAction="scoped")],
    "an expansion onto itself": [expansion(generatedGVK={"group": "apps", "version": "v1", "kind": "Deployment"})],
    "an expansion without source": [expansion(templateSource="")],
    "an expansion whose source is missing": [
        template(_SAYS),
        constraint(),
        expansion(templateSource="spec.other"),
        _DEPLOYMENT,
    ],
}
