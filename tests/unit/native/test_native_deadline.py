"""The deadline is kept whatever an evaluation does, and what cannot be ended is counted and bounded."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import pytest

from gateway.native.rego import Module, TimedOut, Undefined, Value, compile_rules, overrunning

pytestmark = pytest.mark.native

ENDLESS = """package t
endless if { some i in numbers.range(1, 1000000); some j in numbers.range(1, 1000000); i * j == -1 }
quick := 1
"""
# Looks at no cancellation for minutes of a processor's time: as many states as patterns may have, over a long text.
STUBBORN = f"""package t
stubborn if regex.match(`{"|".join(f"x{{{900 + more}}}y" for more in range(20))}`, input.text)
quick := 1
"""


def _until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def test_an_endless_rule_is_answered_at_the_deadline_and_ended():
    """OPA's own cancellation ends the evaluation; nothing runs on."""
    rules = compile_rules([Module("t.rego", ENDLESS)], ["data.t.endless", "data.t.quick"])
    started = time.monotonic()
    ((first, second),) = rules.evaluate([b"{}"], timeout_seconds=0.2)
    assert time.monotonic() - started < 2
    assert (first, second) == (TimedOut(), TimedOut())
    _until(lambda: overrunning() == 0)


def test_what_was_decided_before_the_deadline_is_kept():
    """An answer that was there is given, beside the one that was not."""
    rules = compile_rules([Module("t.rego", ENDLESS)], ["data.t.quick", "data.t.endless"])
    ((first, second),) = rules.evaluate([b"{}"], timeout_seconds=0.3)
    assert isinstance(first, Value)
    assert second == TimedOut()


def test_one_slow_input_does_not_hold_up_the_next_call():
    """After a timeout the same rules answer others."""
    rules = compile_rules([Module("t.rego", ENDLESS)], ["data.t.endless", "data.t.quick"])
    rules.evaluate([b"{}"], timeout_seconds=0.05)
    ((answer,),) = rules.evaluate([b"{}"], [1], timeout_seconds=10)
    assert isinstance(answer, Value)


def test_data_is_replaced_while_an_evaluation_runs():
    """A long evaluation holds up no writer: it keeps the data it began with."""
    rules = compile_rules([Module("t.rego", ENDLESS)], ["data.t.endless", "data.d"])

    async def run():
        long = asyncio.ensure_future(rules.ask(b"{}", [0], timeout_seconds=0.5))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        rules.put_data(["d"], b"1")
        ((answer,),) = rules.evaluate([b"{}"], [1], timeout_seconds=10)
        elapsed = time.monotonic() - started
        return elapsed, answer, await long

    elapsed, answer, timed_out = asyncio.run(run())
    assert isinstance(answer, Value)
    assert elapsed < 0.4
    assert timed_out == [TimedOut()]


def test_an_event_loop_is_not_blocked_by_an_evaluation():
    """Other tasks run while rules are evaluated."""
    rules = compile_rules([Module("t.rego", ENDLESS)], ["data.t.endless"])

    async def run():
        task = asyncio.ensure_future(rules.ask(b"{}", timeout_seconds=0.3))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.005)
            turns += 1
        return turns, await task

    turns, answers = asyncio.run(run())
    assert answers == [TimedOut()]
    assert turns > 5


def test_evaluations_that_cannot_be_ended_are_counted_and_bounded():
    """A built-in that ignores cancellation is left behind; beyond the bound nothing new is started."""
    source = f"""
import json, sys, time
from gateway.native.rego import Module, TimedOut, compile_rules, overrunning
rules = compile_rules([Module("t.rego", {STUBBORN!r})], ["data.t.stubborn", "data.t.quick"])
document = json.dumps({{"text": "x" * 1_000_000}}).encode()
started = time.monotonic()
answers = rules.evaluate([document], [0], timeout_seconds=0.2)
late, behind = time.monotonic() - started, overrunning()
saturated = None
for _ in range(100):
    if overrunning() >= 32:
        saturated = rules.evaluate([b"{{}}"], [1], timeout_seconds=5)[0][0].code
        break
    rules.evaluate([document], [0], timeout_seconds=0.05)
print(json.dumps([answers[0][0].code, late < 3, behind, saturated]))
sys.stdout.flush()
import os; os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=100)
    assert json.loads(done.stdout) == ["deadline", True, 1, "saturated"]


def test_each_of_many_inputs_has_its_own_time():
    """The deadline is of an input, not of the call: many that take all theirs are each told so, and nothing runs on."""
    rules = compile_rules([Module("t.rego", ENDLESS)], ["data.t.endless"])
    assert rules.evaluate([b"{}"] * 20, timeout_seconds=0.05) == [[TimedOut()]] * 20
    _until(lambda: overrunning() == 0)


def test_one_of_a_batch_has_no_longer_than_it_would_have_alone():
    """What many others leave of their time is not its own: it is left behind, as in a request by itself."""
    source = f"""
import asyncio, json
from gateway.native.rego import Module, compile_rules, overrunning
from policies.embedded import EmbeddedRules
from policies.engine import Failed
rules = EmbeddedRules(compile_rules([Module("t.rego", {STUBBORN!r})], ["data.t.stubborn"]))
documents = [json.dumps({{"text": "x" * 1_000_000}}).encode(), *[b"{{}}"] * 250]
rows = asyncio.run(rules.ask_all(documents, [0], timeout_seconds=0.3))
print(json.dumps([len(rows), isinstance(rows[0][0], Failed) and rows[0][0].code, overrunning() > 0]))
import os, sys; sys.stdout.flush(); os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=100)
    assert json.loads(done.stdout) == [251, "deadline", True]


def test_a_query_that_ends_by_itself_is_no_timeout():
    """Undefined stays undefined under a deadline."""
    rules = compile_rules([Module("t.rego", "package t\np if input.x")], ["data.t.p"])
    assert rules.evaluate([b"{}"], timeout_seconds=5) == [[Undefined()]]
