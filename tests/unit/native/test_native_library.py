"""Calling the native library: how calls end, and in which processes."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.native import library, mailbox

METHODS = (
    "rego.compile",
    "rego.evaluate",
    "rego.close",
    "rego.references",
    "rego.annotations",
    "rego.put",
    "rego.test",
)


def _python(source: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_without_the_library_the_message_says_how_to_get_it(tmp_path):
    """A missing library is one error that names the ways to install it."""
    with pytest.raises(library.NativeMissingError, match=r"build_native\.py"):
        library._loaded(tmp_path / "libgovgate.so")


def test_a_file_that_is_no_library_is_reported(tmp_path):
    """A damaged library is an error of ours, not an OSError from deep below."""
    broken = tmp_path / "libgovgate.so"
    broken.write_bytes(b"not a library")
    with pytest.raises(library.NativeMissingError, match="cannot be loaded"):
        library._loaded(broken)


def test_importing_the_bindings_loads_nothing():
    """A process that asks no rule pays nothing for the library."""
    source = (
        "import gateway.native.rego, gateway.native.rego_testing, gateway.native.trial, gateway.server.worker\n"
        "print('libgovgate' in open('/proc/self/maps').read())"
    )
    assert _python(source) == "False"


def test_a_panic_in_go_is_an_exception():
    """The text of the panic is in the message; the stack is in the details."""
    with pytest.raises(library.NativeError, match="index out of range") as raised:
        library.result(library.PANIC, b"index out of range\ngoroutine 1")
    assert (raised.value.code, raised.value.details) == ("panic", "goroutine 1")


def test_a_frame_has_its_length_before_it():
    """Lengths are four bytes, little-endian."""
    assert library.frames((b"ab", b"")) == b"\x02\0\0\0ab\0\0\0\0"


@pytest.mark.native
def test_an_unknown_method_is_an_error_with_a_code():
    """A library that is older than the package says so."""
    with pytest.raises(library.NativeError) as raised:
        library.call("no.such")
    assert raised.value.code == "unknown_method"


@pytest.mark.native
def test_the_library_names_what_it_is_made_of():
    """The version of OPA that judges can be asked for."""
    versions = library.versions()
    assert versions["github.com/open-policy-agent/opa"].startswith("v1.")
    assert versions["go"].startswith("go1.")


@pytest.mark.native
def test_a_forked_process_is_refused_instead_of_hanging():
    """Go does not survive a fork: its child gets an error at the first call."""
    source = (
        "import os\n"
        "from gateway.native import library\n"
        "library.versions()\n"
        "if os.fork() == 0:\n"
        "    try: library.versions()\n"
        "    except library.NativeMissingError as error: print('spawn' in str(error), flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert _python(source) == "True"


@pytest.mark.native
@given(method=st.sampled_from(METHODS), payload=st.binary(max_size=64) | st.sampled_from([b"null", b"1", b"{}", b"[]"]))
def test_no_payload_ends_the_process(method, payload):
    """Whatever is sent, a call gives bytes or raises NativeError; never code ``panic``."""
    try:
        library.call(method, payload)
    except library.NativeError as error:
        assert error.code != "panic"  # noqa: PT017 - either outcome is right but this one


@pytest.mark.native
def test_the_runtime_can_be_tuned():
    """Settings of the Go runtime are accepted one by one."""
    library.tune(library.Tuning(gc_percent=100))
    library.tune(library.Tuning())


@pytest.fixture(params=[0.0, mailbox.PATIENCE_SECONDS], ids=["by the queue", "at once"])
def patience(request):
    return request.param


@pytest.mark.native
async def test_calls_of_one_loop_are_answered_each_with_its_own_result(patience):
    """Results are told apart by number, whatever order they come in."""
    box = mailbox.Mailbox(asyncio.get_running_loop(), library.library(), patience_seconds=patience)
    answers = await asyncio.gather(
        *(box.call("process.version", b"", 5.0) for _ in range(20)),
        box.call("no.such", b"", 5.0),
        return_exceptions=True,
    )
    assert len({answer for answer in answers[:20] if isinstance(answer, bytes)}) == 1
    assert isinstance(answers[20], library.NativeError)


@pytest.mark.native
async def test_a_call_that_is_given_up_does_not_disturb_the_next():
    """After a cancellation the late result is dropped, and the next call gets its own."""
    box = mailbox.Mailbox(asyncio.get_running_loop(), library.library(), patience_seconds=0.0)
    task = asyncio.ensure_future(box.call("process.version", b"", 5.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(library.NativeError):
        await box.call("no.such", b"", 5.0)


@pytest.mark.native
def test_a_loop_that_is_gone_leaves_no_descriptor():
    """Each event loop has a queue of its own, closed with it."""

    def descriptors():
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    async def once():
        await mailbox.mailbox().call("process.version", b"", 5.0)

    asyncio.run(once())
    before = descriptors()
    for _ in range(5):
        asyncio.run(once())
    assert descriptors() <= before


@pytest.mark.native
def test_a_closed_queue_is_refused():
    """A stale number of a queue is an error, not another queue."""
    lib = library.library()
    handle, descriptor = lib.open_queue()
    os.fstat(descriptor)
    lib.close_queue(handle)
    with pytest.raises(library.NativeError, match="closed"):
        lib.submit(handle, 1, "process.version", b"")
    assert lib.take(handle) is None
