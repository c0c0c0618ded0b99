"""An evaluation that would take all memory is ended; the process lives on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.native

MEBIBYTE = 1024 * 1024
# The module's queries: one that hoards, one that is done at once.
SOURCE = r"""
import json, resource, sys
from gateway.native import library
from gateway.native.rego import Module, compile_rules
library.tune(library.Tuning(memory_bytes=%(limit)d))
text = '''package t
hoard := count({x | some i in numbers.range(1, 40000); some j in numbers.range(1, 40000); x := sprintf("%%d-%%d-%%s", [i, j, input.pad])})
quick := 1
'''
rules = compile_rules([Module("t.rego", text)], ["data.t.hoard", "data.t.quick"])
document = json.dumps({"pad": "x" * 200}).encode()
((hoard, skipped),) = rules.evaluate([document], timeout_seconds=60)
((quick,),) = rules.evaluate([document], [1], timeout_seconds=10)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([hoard.code, skipped.code, type(quick).__name__, peak]))
"""


def test_an_evaluation_that_hoards_memory_is_ended():
    """It fails with ``memory``, so does what was to follow it in the call; the next call is answered."""
    command = [sys.executable, "-c", SOURCE % {"limit": 100 * MEBIBYTE}]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    hoard, skipped, quick, peak = json.loads(done.stdout)
    assert (hoard, skipped, quick) == ("memory", "memory", "Value")
    assert peak < 1024 * MEBIBYTE  # it would take gigabytes; how soon the watch looks depends on the machine's load
