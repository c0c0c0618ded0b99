"""What was recorded of External Secrets' templates is what its own code gives."""

from __future__ import annotations

import pytest
from support.external_secrets import answers, recording
from support.tools import ToolMissingError


@pytest.mark.servers
def test_the_recording_is_what_the_real_thing_gives() -> None:
    """Where it was built: ``tools/build.py external-secrets``."""
    recorded = recording()
    try:
        made = answers(recorded)
    except ToolMissingError as error:
        pytest.skip(str(error))
    assert made == recorded.made
