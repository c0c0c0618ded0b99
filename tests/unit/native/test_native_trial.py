"""Rules are tried in a child process: what would end the gateway is an error with a message."""

from __future__ import annotations

import pytest

from gateway.native.library import NativeError
from gateway.native.rego import Module, RegoError
from gateway.native.trial import Bounds, TrialError, try_rules

pytestmark = pytest.mark.native

GOOD = Module("t.rego", "package t\np if input.x\n")
MEBIBYTE = 1024 * 1024
RULE = "p contains {0} if {{ x := {0}; input.a[{0}] == x; ys := [y | y := input.q[_]; y == x]; count(ys) > {0} }}"
HUGE = Module("t.rego", "package t\n" + "\n".join(RULE.format(number) for number in range(40_000)))


def test_good_rules_pass():
    """Nothing is returned, nothing is raised."""
    try_rules([GOOD], ["data.t.p"])


def test_the_diagnostics_are_the_same_as_in_process():
    """A trial tells what compile_rules would."""
    with pytest.raises(RegoError) as raised:
        try_rules([Module("t.rego", "package t\np if {\n")], [])
    assert raised.value.diagnostics[0].path == "t.rego"
    with pytest.raises(NativeError, match="object"):
        try_rules([GOOD], [], data=b"1")


def test_rules_that_exhaust_memory_are_refused():
    """The child dies, with a message; this process does not."""
    with pytest.raises(TrialError, match="more than 256 MiB") as raised:
        try_rules([HUGE], ["data.t.p"], bounds=Bounds(memory_bytes=256 * MEBIBYTE))
    assert raised.value.code == "memory"


def test_rules_that_take_too_long_are_refused():
    """The time is wall time, the child's start included."""
    with pytest.raises(TrialError, match=r"within 0\.3 s") as raised:
        try_rules([HUGE], ["data.t.p"], bounds=Bounds(timeout_seconds=0.3))
    assert raised.value.code == "timeout"


def test_nesting_without_end_is_refused():
    """A stack that grows without bound is not reached, in a child or here."""
    with pytest.raises(RegoError, match="depth"):
        try_rules([Module("t.rego", "package t\np := " + "[" * 300_000)], [])
