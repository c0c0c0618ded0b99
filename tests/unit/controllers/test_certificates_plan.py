"""Certificates over the years: at no moment does an API server meet a certificate that it does not believe."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from cryptography import x509

from gateway.controllers.certificates import held
from gateway.controllers.certificates.plan import AUTHORITY_DAYS, Authority, Facts, Step, Wanted, bundle_of, next_step
from gateway.core.certificates import issued_by, make_authority, make_server, names_of, read_pair

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = ("govgate.gg.svc", "govgate.gg.svc.cluster.local")
WANTED = Wanted(frozenset(NAMES), renew_days=30, overlap_seconds=300)
DAY = dt.timedelta(days=1)
SEEN_AFTER = dt.timedelta(seconds=120)
"""How late a mounted Secret or a registration may be noticed."""


class World:
    """Secrets and one registration, and what was in them lately."""

    def __init__(self) -> None:
        self.now = START
        self.authority: Authority | None = None
        self.serving = None
        self.bundle = b""
        self.since = START
        self.served: list[tuple[dt.datetime, object]] = []
        self.believed: list[tuple[dt.datetime, bytes]] = []
        self.steps: list[Step] = []

    def look(self) -> None:
        while True:
            trusted = 0.0
            if self.authority is not None and self.bundle == bundle_of(self.authority, self.now):
                trusted = (self.now - self.since).total_seconds()
            step = next_step(
                Facts(self.now, self.authority, self.serving, {"govgate": (self.bundle,)}, trusted), WANTED
            )
            if step is Step.WAIT:
                return
            self.steps.append(step)
            if step is Step.MAKE_AUTHORITY:
                older = self.authority.known(self.now) if self.authority else ()
                self.authority = Authority(make_authority("a", days=AUTHORITY_DAYS, now=self.now), older)
            elif step is Step.MAKE_SERVING:
                self.serving = make_server(self.authority.pair, NAMES, days=90, now=self.now)
                self.served.append((self.now, self.serving.certificate))
            else:
                self.bundle, self.since = bundle_of(self.authority, self.now), self.now
                self.believed.append((self.now, self.bundle))

    def shown(self) -> list[x509.Certificate]:
        return [made for _, made in self._lately(self.served)]

    def bundles(self) -> list[bytes]:
        return [bundle for _, bundle in self._lately(self.believed)]

    def _lately(self, history: list) -> list:
        old = [entry for entry in history if entry[0] <= self.now - SEEN_AFTER]
        return old[-1:] + [entry for entry in history if entry[0] > self.now - SEEN_AFTER]


def test_twelve_years_without_a_moment_of_doubt():
    """Whatever certificate is shown, late or at once, is believed by whoever noticed the registration, late or at once."""
    world = World()
    world.look()
    assert world.steps == [Step.MAKE_AUTHORITY, Step.MAKE_SERVING, Step.TRUST]
    world.now += SEEN_AFTER * 2
    while world.now < START + 12 * 365 * DAY:
        before = len(world.steps)
        world.look()
        for certificate in world.shown():
            assert certificate.not_valid_after_utc > world.now
            for bundle in world.bundles():
                authorities = x509.load_pem_x509_certificates(bundle)
                valid = [one for one in authorities if one.not_valid_after_utc > world.now]
                assert any(issued_by(certificate, one) for one in valid)
        busy = len(world.steps) > before or world.now - world.since < dt.timedelta(seconds=600)
        world.now += dt.timedelta(seconds=30) if busy else 5 * DAY
    assert world.steps.count(Step.MAKE_AUTHORITY) >= 3
    assert world.steps.count(Step.MAKE_SERVING) > 12 * 365 / 90


def facts(**changes):
    authority = Authority(make_authority("a", days=AUTHORITY_DAYS, now=START))
    serving = make_server(authority.pair, NAMES, days=90, now=START)
    given = {
        "now": START,
        "authority": authority,
        "serving": serving,
        "bundles": {"r": (bundle_of(authority, START),)},
        "trusted_seconds": 1e9,
    }
    return Facts(**(given | changes))


def test_nothing_to_do():
    """What is as it should be is left."""
    assert next_step(facts(), WANTED) is Step.WAIT


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"authority": None}, Step.MAKE_AUTHORITY),
        ({"serving": None}, Step.MAKE_SERVING),
        ({"bundles": {"r": (b"",)}}, Step.TRUST),
        ({"bundles": {"r": (b"other",)}}, Step.TRUST),
        ({"bundles": {}}, Step.WAIT),
        ({"now": START + 61 * DAY}, Step.MAKE_SERVING),
        ({"now": START + 91 * DAY}, Step.MAKE_SERVING),
        ({"now": START + (4 * 365 + 1) * DAY}, Step.MAKE_AUTHORITY),
    ],
)
def test_what_is_missing_is_made(changes, step):
    """Each by itself: authority, certificate, registration; and what is about to end."""
    assert next_step(facts(**changes), WANTED) is step


def test_another_service_name_needs_another_certificate():
    """A certificate that is not for the Service's names is as good as none."""
    other = make_server(facts().authority.pair, ["elsewhere"], days=90, now=START)
    assert next_step(facts(serving=other), WANTED) is Step.MAKE_SERVING


def test_a_new_authority_waits_before_it_signs():
    """Until every API server has surely heard of it; what the old one signed is served meanwhile."""
    old = facts()
    new = Authority(make_authority("b", days=AUTHORITY_DAYS, now=START), old.authority.known(START))
    bundles = {"r": (bundle_of(new, START),)}
    for seconds, step in ((0, Step.WAIT), (299, Step.WAIT), (300, Step.MAKE_SERVING)):
        found = facts(authority=new, serving=old.serving, bundles=bundles, trusted_seconds=seconds)
        assert next_step(found, WANTED) is step


def encoded(**data: bytes) -> dict:
    return {
        "metadata": {"name": "s"},
        "data": {k.replace("_", "."): base64.b64encode(v).decode() for k, v in data.items()},
    }


def test_secrets_hold_what_was_put_into_them():
    """Authority, those before it, certificate and key come back as they were."""
    older = make_authority("old", days=10, now=START).certificate
    authority = Authority(make_authority("a", days=AUTHORITY_DAYS, now=START), (older,))
    serving = make_server(authority.pair, NAMES, days=90, now=START)
    kept = held.read_authority(held.authority_secret("n", "ns", authority, START, None), "x")
    assert kept is not None
    assert kept.known(START) == authority.known(START)
    secret = held.serving_secret("n", "ns", serving, authority=authority, now=START, held=None)
    back = held.read_serving(secret)
    assert back is not None
    assert back.certificate == serving.certificate
    assert names_of(back.certificate) == set(NAMES)
    assert held.believed(secret) == authority.known(START)


def test_a_spoilt_authority_is_not_replaced():
    """It may be repaired; a new one would make all that is served worth nothing."""
    pair = make_authority("a", days=1, now=START)
    other = make_authority("b", days=1, now=START)
    for secret in (
        encoded(tls_crt=b"junk", tls_key=b"junk"),
        encoded(tls_crt=pair.certificate_pem, tls_key=other.key_pem),
        encoded(tls_crt=pair.certificate_pem),
        encoded(tls_crt=pair.certificate_pem, tls_key=pair.key_pem, older_crt=b"junk"),
        {"metadata": {}, "data": {"tls.crt": "%%%"}},
    ):
        with pytest.raises(held.UnreadableError, match="ns/a"):
            held.read_authority(secret, "Secret ns/a")
    assert held.read_authority(None, "x") is None


def test_what_is_somebody_elses_in_a_registration_stays():
    """Only clients of this Service are told whom to believe; the rest of the object is as it was."""
    registration = {
        "metadata": {"name": "r", "resourceVersion": "7"},
        "webhooks": [
            {"name": "a", "clientConfig": {"service": {"name": "govgate", "namespace": "gg", "path": "/v1/validate"}}},
            {"name": "b", "clientConfig": {"service": {"name": "other", "namespace": "gg"}, "caBundle": "eA=="}},
            {"name": "c", "clientConfig": {"url": "https://example.test"}},
        ],
    }
    changed = held.with_bundle(registration, "govgate", "gg", b"PEM")
    assert held.bundles(changed, "govgate", "gg") == (b"PEM",)
    assert changed["webhooks"][1:] == registration["webhooks"][1:]
    assert changed["metadata"] == registration["metadata"]
    assert held.bundles(registration, "govgate", "gg") == (b"",)


def test_no_pair_of_other_kinds():
    """Junk, other people's keys and other kinds of keys are no pair."""
    pair = make_authority("a", days=1, now=START)
    assert read_pair(pair.certificate_pem, pair.key_pem) is not None
    assert read_pair(b"", b"") is None
    assert read_pair(pair.certificate_pem, make_authority("b", days=1, now=START).key_pem) is None
