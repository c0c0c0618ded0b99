"""The walk: which of the powers each subject has, by the grants that let it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.doctor.powers import Power
from gateway.doctor.rbac import ANYWHERE, Ask, Grant, Rule, Subject, allows


class Held(NamedTuple):
    """What a subject can do, by one rule; with the grants that let it, one for each in ``does`` or more."""

    subject: Subject
    rule: str
    does: tuple[str, ...]
    by: tuple[Grant, ...]


def walk(by_subject: Mapping[Subject, Sequence[Grant]], asked: Sequence[Power]) -> list[Held]:
    """What each can do of what is asked, by subject."""
    index = _Index(asked)
    found_ones: list[Held] = []
    for subject, grants in sorted(by_subject.items()):
        useful = [grant for grant in grants if index.useful(grant.rule)]
        can: dict[str, tuple[list[str], list[Grant]]] = {}
        for power in index.within({grant.namespace for grant in useful}) if useful else ():
            if power.about == {subject.name} and subject.kind == "User":
                continue
            for text, answers in _answered(power, useful):
                does, by = can.setdefault(power.rule, ([], []))
                if text not in does:
                    does.append(text)
                    by += answers
        found_ones += [Held(subject, rule, tuple(does), tuple(by)) for rule, (does, by) in can.items()]
    return found_ones


def _answered(power: Power, useful: Sequence[Grant]) -> list[tuple[str, list[Grant]]]:
    """What the power is called, with the grants that give it: once, or for each place where it is held."""
    groups = power.all_of[:-1] if power.where else power.all_of
    answers = [one for group in groups if (one := next(_answering(group, useful), None)) is not None]
    if len(answers) < len(groups):
        return []
    if not power.where:
        return [(power.does, answers)]
    places: dict[str, Grant] = {}
    for grant in _answering(power.all_of[-1], useful):
        places.setdefault(grant.namespace, grant)
    return [
        (f"{power.does}{power.where}{place or 'every namespace'}", [*answers, grant])
        for place, grant in sorted(places.items())
    ]


def _answering(group: Sequence[Ask], useful: Sequence[Grant]) -> Iterator[Grant]:
    return (grant for grant in useful if any(allows(grant, ask) for ask in group))


def useful_of(by_subject: Mapping[Subject, Sequence[Grant]], asked: Sequence[Power]) -> dict[Subject, list[Grant]]:
    """The grants that answer a question of these forms, wherever and about whomever, of those who have any."""
    index = _Index(asked)
    useful = {subject: [one for one in grants if index.useful(one.rule)] for subject, grants in by_subject.items()}
    return {subject: grants for subject, grants in useful.items() if grants}


class _Index:
    """Which powers come into question, told cheaply: a cluster has many subjects, and thousands of questions are asked."""

    def __init__(self, asked: Sequence[Power]) -> None:
        self._asked = asked
        asks = [ask for power in asked for group in power.all_of for ask in group]
        self._kinds = {(ask.verb, ask.group, ask.resource) for ask in asks}
        self._spaces: dict[str, list[int]] = {}
        for number, power in enumerate(asked):
            for space in {ask.namespace for ask in power.all_of[0]}:
                self._spaces.setdefault(space, []).append(number)
        self._known: dict[Rule, bool] = {}

    def useful(self, rule: Rule) -> bool:
        """Whether the rule answers any question, wherever and about whomever."""
        if rule not in self._known:
            anyone = Grant(Subject("", ""), _unnamed(rule), "", "", ("", "", ""))
            self._known[rule] = any(allows(anyone, Ask(*kind)) for kind in self._kinds)
        return self._known[rule]

    def within(self, namespaces: set[str]) -> Iterable[Power]:
        """Those whose first question may be answered by grants in these namespaces."""
        if "" in namespaces:
            return self._asked
        reach = sorted({number for space in (*namespaces, ANYWHERE) for number in self._spaces.get(space, ())})
        return [self._asked[number] for number in reach]


def _unnamed(rule: Rule) -> Rule:
    return Rule(rule.verbs, rule.api_groups, rule.resources) if rule.resource_names else rule
