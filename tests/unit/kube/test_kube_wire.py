"""Lines of a watch, however the network cuts them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kube import wire
from gateway.kube.errors import ResponseTooLargeError

_lines = st.lists(st.binary(min_size=1, max_size=30).filter(lambda line: b"\n" not in line), max_size=8)


@given(_lines, st.lists(st.integers(0, 300), max_size=12))
def test_lines_do_not_depend_on_the_pieces(lines, cuts):
    """The same lines come out, wherever the stream was cut."""
    stream = b"".join(line + b"\n" for line in lines)
    at = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    splitter = wire.LineSplitter(limit=30)
    pieces = [stream[start:end] for start, end in pairwise(at)]
    assert [line for piece in pieces for line in splitter.feed(piece)] == lines


@pytest.mark.parametrize("pieces", [[b"x" * 31], [b"x" * 20, b"x" * 11], [b"ok\n" + b"x" * 31]])
def test_a_line_without_end_is_refused(pieces):
    """What is buffered has a bound, also while no line has ended."""
    splitter = wire.LineSplitter(limit=30)
    with pytest.raises(ResponseTooLargeError):
        [line for piece in pieces for line in splitter.feed(piece)]


def test_a_page_without_items_is_empty():
    """A collection without objects may come with `items: null`, as Go writes it."""
    page = wire.decode_page(b'{"metadata":{"resourceVersion":"7"},"items":null}')
    assert (page.items, page.metadata.resource_version, page.metadata.continue_) == (None, "7", "")
