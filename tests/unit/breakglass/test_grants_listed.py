"""What is listed of grants."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from support.grants import NOW, grant_object

from gateway.cli.break_glass_view import listed, print_listed, what
from webhooks.breakglass.grant import Approval, Grant, Status, read_grant, spec_digest
from webhooks.breakglass.noted import digest_of


def approved(**spec: object) -> Grant:
    grant = read_grant(grant_object(**spec))
    return msgspec.structs.replace(grant, status=Status(approval=Approval("bob@example.com", spec_digest(grant.spec))))


def test_whether_a_gateway_saw_the_approval() -> None:
    """By the notes; of what was not approved or is over, whose note may be gone, nothing is said."""
    grant = approved()
    assert listed(grant, {}, NOW).seen is False
    assert listed(grant, {grant.uid: digest_of(grant)}, NOW).seen is True
    assert listed(grant, None, NOW).seen is None
    assert listed(grant, {}, NOW + timedelta(hours=2)).seen is None
    assert listed(read_grant(grant_object()), {}, NOW).seen is None


def test_what_people_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A grant that opens nothing is seen to; nobody hides a line by what was asked for."""
    grant = approved(ticket="INC-7\x1b[2K\r")
    print_listed([listed(grant, {}, NOW)], [])
    shown = capsys.readouterr().out
    assert "active (not seen by any gateway)  web" in shown
    assert "\x1b" not in shown
    assert "\r" not in shown


def test_whose_refusal_it_is_about() -> None:
    """Said where it is more than drift: who approves should know."""
    assert what(approved()) == "UPDATE apps/Deployment shop/web"
    scope = {"kinds": ["apps/Deployment"], "names": ["web"], "namespaces": ["shop"], "guards": ["drift", "policy"]}
    assert what(approved(scope=scope)).endswith("shop/web (guards: drift, policy)")
