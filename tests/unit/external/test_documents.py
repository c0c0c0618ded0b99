"""What Secrets hold, as the API server gives it."""

from __future__ import annotations

import pytest

from gateway.controllers.external.documents import secret_data
from gateway_secrets.external.errors import SpecError


def test_values_are_read_as_go_reads_them() -> None:
    """With ends of lines in them, which the API server takes; nothing is there of none."""
    assert secret_data({"data": {"a": "b25l\r\nIHR3bw==\n", "b": "", "c": None}}) == {
        "a": b"one two",
        "b": b"",
        "c": b"",
    }
    assert (secret_data(None), secret_data({"data": None})) == ({}, {})


@pytest.mark.parametrize("text", ["no base64", "Y2FuYXJ5!", "Y2FuYXJ5Y", "Y2FuYXJ5\u00e9"])
def test_what_is_no_base64_is_said(text: str) -> None:
    """By the Secret, and without the value: a template of half of it would be a wrong one."""
    with pytest.raises(SpecError, match=r"^Secret db cannot be read: a value of it is no base64$") as caught:
        secret_data({"metadata": {"name": "db"}, "data": {"a": text}})
    assert "Y2F" not in str(caught.value)
