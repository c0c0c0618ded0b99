"""Go templates as the External Secrets Operator and Sealed Secrets fill them in: text/template itself, with sprig and
the operator's own functions, without those that reach the environment, the network or the cluster.

A template is what somebody wrote, and runs over values of secrets. So it runs in a helper process with bounds on memory,
time and output (:mod:`gateway.native.kept`), and what goes wrong is told without a word of what it worked on: the
library recognises text/template's errors and tells them anew, from the position and from names in the template.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

import msgspec

from gateway.core.errors import GovgateError
from gateway.native.kept import Kept, KeptBounds
from gateway.native.library import NativeError, call, frames

Dialect = Literal["external-secrets", "sealed-secrets"]
"""``external-secrets``: engine v2; a key that is missing is an error, and so is all that would put an empty text, a zero or the
words of an error in the place of what is not there or cannot be read. ``sealed-secrets``: no functions but sprig's; a key
that is missing is ``<no value>``, as their controller has it."""

Kind = Literal["template", "limit", "engine"]
"""``template``: what its author has to change. ``limit``: it makes, or is, more than is allowed. ``engine``: it could not
be rendered: memory or time was exhausted, or the helper process ended."""

_MEBIBYTE = 1024 * 1024
MAX_TEXT_BYTES = _MEBIBYTE
"""Of a text that is checked: no object of the cluster is much larger."""
_CLOSED = "the renderer is closed"


class TemplateError(GovgateError):
    """A template cannot be rendered. ``message`` is one line, and holds no value. ``index``: which of the texts it is."""

    def __init__(self, index: int, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.index = index
        self.message = message
        self.kind: Kind = kind


class TemplateBounds(msgspec.Struct, frozen=True):
    """What rendering may take."""

    memory_bytes: int = 512 * _MEBIBYTE
    """Of one helper process; not less than 256 MiB."""
    seconds: float = 5.0
    """Of processor time, for one text."""
    wall_seconds: float = 60.0
    """For all texts of a call, however busy the machine is."""
    output_bytes: int = _MEBIBYTE
    """Of all texts of a call: no Secret is larger."""
    input_bytes: int = 8 * _MEBIBYTE
    """Of texts and values of a call."""
    helpers: int = 2
    """Processes, each started when there is something to do for it, of some 60 MiB; so many calls run at a time."""
    batches: int = 10_000
    """Calls that a helper answers before another takes its place."""


class Renderer:
    """Renders templates, in helper processes that it keeps. From any thread and event loop; close it."""

    def __init__(self, bounds: TemplateBounds = TemplateBounds()) -> None:  # noqa: B008 - it is frozen
        self._bounds = bounds
        limits = KeptBounds(bounds.memory_bytes, bounds.seconds, bounds.wall_seconds, bounds.batches)
        self._helpers = [Kept("templates.render", limits) for _ in range(bounds.helpers)]
        self._idle = list(self._helpers)
        self._threads = ThreadPoolExecutor(bounds.helpers, thread_name_prefix="templates")

    async def render(self, texts: Sequence[str], values: Mapping[str, bytes], *, dialect: Dialect) -> list[bytes]:
        """What each text makes of the values, in their order; all or nothing.

        Raises:
            TemplateError: one cannot be rendered, or all together are too large.
            NativeMissingError: there is no native library.
        """
        return await asyncio.wrap_future(self._started(texts, values, dialect))

    def render_here(self, texts: Sequence[str], values: Mapping[str, bytes], *, dialect: Dialect) -> list[bytes]:
        """As :meth:`render`; blocks. For threads."""
        return self._started(texts, values, dialect).result()

    async def check(self, texts: Sequence[str], *, dialect: Dialect) -> None:
        """Whether the texts are templates, of functions that there are: they are parsed, and nothing runs.

        Raises:
            TemplateError: one is not.
            NativeMissingError: there is no native library.
        """
        check_templates(texts, dialect=dialect)

    def close(self) -> None:
        """End the helper processes; calls that wait for them fail."""
        for helper in self._helpers:
            helper.close()
        self._threads.shutdown()

    def _started(self, texts: Sequence[str], values: Mapping[str, bytes], dialect: Dialect) -> Future[list[bytes]]:
        given = [part for key, value in values.items() for part in (_bytes(key), value)]
        own = [_bytes(text) for text in texts]
        size = sum(map(len, own)) + sum(map(len, given))
        if size > self._bounds.input_bytes:
            raise TemplateError(0, f"texts and values are larger than {self._bounds.input_bytes} bytes", "limit")
        request = msgspec.json.encode({"dialect": dialect, "outputBytes": self._bounds.output_bytes})
        payloads = [frames([request, text]) for text in own]
        try:
            return self._threads.submit(self._rendered, payloads, frames(given))
        except RuntimeError:
            raise TemplateError(0, _CLOSED, "engine") from None

    def _rendered(self, payloads: Sequence[bytes], values: bytes) -> list[bytes]:
        """In a thread; there are as many of them as there are helpers."""
        helper = self._idle.pop()
        try:
            answers = helper.call_each(payloads, values) if payloads else []
        finally:
            self._idle.append(helper)
        outputs: list[bytes] = []
        size = 0
        for index, answer in enumerate(answers):
            if isinstance(answer, NativeError):
                raise _error(index, answer)
            outputs.append(answer)
            size += len(answer)
            if size > self._bounds.output_bytes:
                raise TemplateError(index, f"all texts make more than {self._bounds.output_bytes} bytes", "limit")
        return outputs


def check_templates(texts: Sequence[str], *, dialect: Dialect) -> None:
    """Whether the texts are templates, of functions that there are; in this process, since nothing runs.

    Raises:
        TemplateError: one is not.
        NativeMissingError: there is no native library.
    """
    request = msgspec.json.encode({"dialect": dialect})
    for index, text in enumerate(texts):
        encoded = _bytes(text)
        if len(encoded) > MAX_TEXT_BYTES:
            raise TemplateError(index, f"is larger than {MAX_TEXT_BYTES} bytes", "limit")
        try:
            call("templates.check", frames([request, encoded]))
        except NativeError as error:
            raise _error(index, error) from None


def _error(index: int, error: NativeError) -> TemplateError:
    if error.code in {"template", "limit"}:
        return TemplateError(index, str(error), "limit" if error.code == "limit" else "template")
    if error.code in {"memory", "timeout", "crash"}:
        return TemplateError(index, str(error), "engine")
    if error.code == "closed":
        return TemplateError(index, _CLOSED, "engine")
    # A panic's text may quote what it was about.
    return TemplateError(index, f"the template engine failed ({error.code})", "engine")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
