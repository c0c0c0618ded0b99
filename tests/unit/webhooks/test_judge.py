"""One request against all guards: what fails, what is late, what is switched off, and how it all adds up."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reviews import managed_object, subject

from gateway.config.drift import Drift, NamespaceMode
from gateway.config.model import Audit, Config, OptOut, Server
from gateway.core.errors import MalformedRequestError, UndecidedError
from gateway.core.finding import Action, Finding, Resource
from gateway.core.guard import Indeterminate, Judged, NotApplicable, OnError, Outcome
from gateway.core.subject import GroupVersionKind, Subject
from gateway.core.verdict import Decision, combine
from webhooks.answer import refusal
from webhooks.judge import Judge

NOT_CONCERNED = object()


class Fixed:
    """A guard that answers, or fails, as it is told."""

    def __init__(self, answer: Any, *, name: str = "fixed", on_error: OnError = OnError.DENY) -> None:
        self.name = name
        self._answer = answer
        self._on_error = on_error

    def concerns(self, subject: Subject) -> bool:
        return self._answer is not NOT_CONCERNED

    def on_error(self, subject: Subject) -> OnError:
        return self._on_error

    async def judge(self, subject: Subject) -> Outcome:
        if self._answer == "late":
            await asyncio.sleep(60)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def finding(action: Action = Action.DENY, exception: str | None = None) -> Finding:
    return Finding("f-1", "r", "high", action, "g", Resource("v1", "A", "b", "c"), "", "m", "do", exception=exception)


ASKED = subject("DELETE", old=managed_object({}))
DENIES = Fixed(Judged("fixed", "x", (finding(),)))


async def test_some_guards_are_asked_by_themselves():
    """Those that are named, and the verdict says so; the others say nothing."""
    one, other = Fixed(Judged("one", "x"), name="one"), Fixed(Judged("other", "x"), name="other")
    judge = Judge(Config(), (one, other), version=lambda: "1")
    for only, asked in ((None, ["one", "other"]), (frozenset({"other"}), ["other"])):
        found = await judge.judge(ASKED, deadline_seconds=5, only=only)
        assert found.reasons == tuple(f"{name}: x" for name in asked)
        assert found.guards == (() if only is None else tuple(only))


async def verdict(*guards: Fixed, config: Config | None = None, asked: Subject = ASKED, seconds: float = 5) -> Any:
    return await Judge(config or Config(), guards, version=lambda: "1").judge(asked, deadline_seconds=seconds)


@pytest.mark.parametrize("on_error", list(OnError))
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (UndecidedError("no facts"), "no facts"),
        (ValueError("hunter2"), "internal error: ValueError"),
        (RecursionError(), "internal error: RecursionError"),
        ("late", "the deadline passed"),
    ],
)
async def test_a_guard_that_cannot_decide_is_indeterminate(answer: Any, reason: str, on_error: OnError) -> None:
    """Whatever the cause, what it does is the guard's to say; the text of an unexpected error goes nowhere."""
    found = await verdict(Fixed(answer, on_error=on_error), seconds=0.01)
    assert found.indeterminate == (Indeterminate("fixed", reason, on_error),)
    assert found.decision is (Decision.UNDECIDED if on_error is OnError.DENY else Decision.ALLOW)
    assert found.reasons == (f"fixed: {reason}",)


async def test_a_malformed_object_is_malformed() -> None:
    """It is the request that is wrong, not the guard."""
    with pytest.raises(MalformedRequestError):
        await verdict(Fixed(MalformedRequestError("x")))


async def test_a_late_guard_does_not_hold_up_the_others_findings() -> None:
    """Guards run together, each under the deadline."""
    found = await verdict(Fixed("late", name="slow"), DENIES, seconds=0.05)
    assert found.decision is Decision.DENY
    assert [i.guard for i in found.indeterminate] == ["slow"]


# Combination

findings = st.builds(finding, st.sampled_from(Action), st.sampled_from([None, "grant"]))
listed = st.lists(findings, max_size=3).map(tuple)
outcomes = st.lists(
    st.one_of(
        st.builds(Judged, st.just("a"), st.just("r"), listed),
        st.builds(NotApplicable, st.just("b"), st.just("r")),
        st.builds(Indeterminate, st.just("c"), st.just("r"), st.sampled_from(OnError), listed),
    ),
    max_size=4,
)


@given(outcomes)
def test_any_denial_denies(given_outcomes: list[Outcome]) -> None:
    """One denied finding without an exception denies; else one guard set to refuse leaves it undecided; else it goes on."""
    found = combine(given_outcomes)
    everything = [f for o in given_outcomes if not isinstance(o, NotApplicable) for f in o.findings]
    denied = any(f.action is Action.DENY and not f.exception for f in everything)
    refuses = any(isinstance(o, Indeterminate) and o.on_error is OnError.DENY for o in given_outcomes)
    assert found.decision is (Decision.DENY if denied else Decision.UNDECIDED if refuses else Decision.ALLOW)
    assert found.allowed is (found.decision is Decision.ALLOW)
    assert list(found.findings) == everything
    assert len(found.reasons) == len(given_outcomes)


@given(outcomes, outcomes)
def test_another_guard_never_makes_a_denial_go_away(some: list[Outcome], more: list[Outcome]) -> None:
    """Denied stays denied, and what is refused is not allowed by asking more guards."""
    order = list(Decision)
    strictness = {Decision.ALLOW: 0, Decision.UNDECIDED: 1, Decision.DENY: 2}
    assert set(order) == set(strictness)
    assert strictness[combine([*some, *more]).decision] >= strictness[combine(some).decision]


# Switched off


def web(kind: GroupVersionKind | None = None, **more: Any) -> Subject:
    kind = kind or GroupVersionKind("apps", "v1", "Deployment")
    return subject("DELETE", old=managed_object({}), kind=kind, **more)


NAMESPACE = GroupVersionKind("", "v1", "Namespace")


@pytest.mark.parametrize(
    ("config", "asked", "off"),
    [
        (Config(), web(), False),
        (Config(mode="audit"), web(), True),
        (Config(opt_out=OptOut(("web",), "why")), web(), True),
        (Config(opt_out=OptOut(("w*",), "why")), web(), True),
        (Config(opt_out=OptOut(("we",), "why")), web(), False),
        (Config(opt_out=OptOut(("*",), "why")), web(namespace=""), False),
        (Config(opt_out=OptOut(("api",), "why")), web(NAMESPACE, namespace="api"), True),
        (Config(opt_out=OptOut(("api",), "why")), web(NAMESPACE, namespace=""), True),
        (
            Config(opt_out=OptOut(("api",), "why")),
            web(GroupVersionKind("x.io", "v1", "Namespace"), namespace=""),
            False,
        ),
    ],
)
async def test_administrators_switch_enforcement_off(config: Config, asked: Subject, off: bool) -> None:
    """Globally, or for a namespace: nothing is refused, everything is recorded with what would have been done and why not."""
    found = await verdict(
        DENIES, Fixed(UndecidedError("u"), name="u"), Fixed(NotApplicable("n", "x")), config=config, asked=asked
    )
    assert found.allowed is off
    assert len(found.findings) == 1
    assert len(found.indeterminate) == 1
    if off:
        why = "mode: audit" if config.mode == "audit" else f"namespace opted out ({config.opt_out.namespaces[0]}): why"
        assert found.findings[0].message == f"m (would deny; not enforced: {why})"
        assert found.findings[0].would is Action.DENY
        assert found.findings[0].action is Action.AUDIT
        assert found.reasons == (f"fixed: x [{why}]", f"u: u [{why}]", "n: x")
        assert found.indeterminate[0].on_error is OnError.ALLOW
        assert found.indeterminate[0].would is OnError.DENY


class Held(Fixed):
    """A guard that does not enforce what it would be set to."""

    def held_back(self, subject: Subject) -> OnError | None:
        return OnError.DENY


@pytest.mark.parametrize("answer", [UndecidedError("no facts"), ValueError("x"), "late"])
@pytest.mark.parametrize("mode", ["enforce", "audit"])
async def test_a_doubt_that_a_guards_own_mode_holds_back_says_so(answer: Any, mode: Any) -> None:
    """Whatever the cause, and whether all is switched off besides: what enforcement would do is kept."""
    guard = Held(answer, on_error=OnError.ALLOW)
    (doubt,) = (await verdict(guard, config=Config(mode=mode), seconds=0.01)).indeterminate
    assert (doubt.on_error, doubt.would) == (OnError.ALLOW, OnError.DENY)


async def test_what_is_only_recorded_stays_as_it_is() -> None:
    """A finding that would have done nothing needs no remark."""
    found = await verdict(Fixed(Judged("g", "x", (finding(Action.AUDIT),))), config=Config(mode="audit"))
    assert found.findings == (finding(Action.AUDIT),)


# The digest


def digest(config: Config, version: str = "1", *names: str) -> str:
    return Judge(config, [Fixed(None, name=name) for name in names], version=lambda: version).rules


def test_the_rules_digest_covers_what_decides() -> None:
    """Each deciding part of the configuration, the version and the guards change it."""
    different = [
        digest(Config()),
        digest(Config(), "2"),
        digest(Config(), "1", "drift"),
        digest(Config(), "1", "drift", "policy"),
        digest(Config(mode="audit")),
        digest(Config(opt_out=OptOut(("web",), "why"))),
        digest(Config(drift=Drift(mode="warn"))),
        digest(Config(drift=Drift(namespaces=(NamespaceMode(("a",), "warn"),)))),
        digest(Config(drift=Drift(adoption="deny"))),
    ]
    assert len(set(different)) == len(different)
    assert all(text.startswith("sha256:") and len(text) == 71 for text in different)


def test_the_rules_digest_leaves_out_what_does_not_decide() -> None:
    """Listeners, workers and the log's place are not rules; the same configuration gives the same digest."""
    assert digest(Config(server=Server(port=9443, workers=4), audit=Audit(mode="durable"))) == digest(Config())
    assert digest(msgspec.convert({}, Config)) == digest(Config())


# The answer


def test_an_allowed_request_is_told_nothing() -> None:
    """The text is for refusals."""
    assert refusal(combine([Judged("g", "x", (finding(Action.WARN),))]), ASKED) == ""


def test_an_undecided_answer_says_that_it_is_no_denial() -> None:
    """And why: only of the guards that refuse."""
    text = refusal(
        combine([Indeterminate("drift", "no facts", OnError.DENY), Indeterminate("x", "y", OnError.ALLOW)]), ASKED
    )
    assert text.splitlines() == [
        "govgate could not decide about Deployment web/api, and is set to refuse then.",
        "drift: no facts",
        "This is not a denial: nothing was found wrong. Try again, or tell the gateway's operators.",
    ]


def test_a_denial_lists_only_what_denies() -> None:
    """Warnings and excepted findings are elsewhere; each remedy is given once; a cluster-scoped object has no namespace."""
    some = (finding(), finding(), finding(Action.WARN), finding(exception="grant"))
    assert refusal(combine([Judged("g", "x", some)]), ASKED).splitlines() == [
        "A b/c:",
        "- m [r, f-1]",
        "- m [r, f-1]",
        "do",
    ]
    scoped = msgspec.structs.replace(finding(), resource=Resource("v1", "A", "", "c"), remedy="")
    assert refusal(combine([Judged("g", "x", (scoped,))]), ASKED).splitlines() == ["A c:", "- m [r, f-1]"]


async def test_a_guard_that_is_not_concerned_is_not_asked() -> None:
    """It has no part in the verdict, not even a reason."""
    found = await verdict(Fixed(NOT_CONCERNED, name="idle"), Fixed(Judged("fixed", "fine")))
    assert found.reasons == ("fixed: fine",)
    assert (await verdict(Fixed(NOT_CONCERNED))).allowed
