"""Label selectors as an API server is asked by them, and what is wrong with one. Pure.

Source: ``metav1.LabelSelector`` of Kubernetes, and its labels: a name of at most 63, a prefix that is a domain, a value of at most 63.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway_secrets.external.fault_parts import is_name
from gateway_secrets.external.faults import Fault
from gateway_secrets.external.store import Expression, Selector

_PART = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")


def query_of(selector: Selector) -> str:
    """What to ask for, of a selector that has no faults."""
    equal = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    return ",".join([*equal, *map(_query, selector.match_expressions)])


def selector_faults(selector: Selector, where: str, rule: str) -> Iterator[Fault]:
    """What is wrong with one. One that is empty would select all there are."""
    if not selector.match_labels and not selector.match_expressions:
        yield Fault(rule, where, "is empty", "say which labels")
    for key, value in selector.match_labels.items():
        if not _is_key(key) or not _is_value(value):
            yield Fault(rule, f"{where}.matchLabels", "names what is no label", "see the names and values of labels")
    for at, one in enumerate(selector.match_expressions):
        field = f"{where}.matchExpressions[{at}]"
        if not _is_key(one.key) or not all(map(_is_value, one.values)):
            yield Fault(rule, field, "names what is no label", "see the names and values of labels")
        if (one.operator in ("In", "NotIn")) is not bool(one.values):
            yield Fault(
                rule, f"{field}.values", f"does not go with {one.operator}", "In and NotIn have values, others none"
            )


def _query(one: Expression) -> str:
    if one.operator in ("In", "NotIn"):
        return f"{one.key} {one.operator.lower()} ({','.join(one.values)})"
    return one.key if one.operator == "Exists" else f"!{one.key}"


def _is_key(text: str) -> bool:
    prefix, slash, name = text.rpartition("/")
    return _PART.fullmatch(name) is not None and (is_name(prefix) if slash else True)


def _is_value(text: str) -> bool:
    return not text or _PART.fullmatch(text) is not None
