"""Command-line options over the configuration."""

from __future__ import annotations

import msgspec
import pytest

from gateway.config.model import Audit, Config, Server, Tls
from gateway.core.errors import ConfigError, UsageError
from gateway.server.options import Options, keep_started

TLS = Config(server=Server(tls=Tls(cert_file="c", key_file="k")), audit=Audit(state_dir="/state"))


def test_options_go_before_the_file() -> None:
    """What the command line gives replaces the file's setting, and nothing else changes."""
    config = Options(workers=3, host="::1", port=0, health_port=1, cert="x", key="y", state_dir="/other").apply(TLS)
    server = config.server
    assert (server.workers, server.host, server.health_host, server.port, server.health_port) == (3, "::1", "::1", 0, 1)
    assert (server.tls.cert_file, server.tls.key_file) == ("x", "y")
    assert config.audit.state_dir == "/other"
    assert Options().apply(TLS) == TLS


def test_an_option_out_of_range() -> None:
    """An option is checked as the file's setting is."""
    with pytest.raises(UsageError, match="workers"):
        Options(workers=0).apply(TLS)


def test_certificates_must_come_from_somewhere() -> None:
    """Without a certificate there is no server, unless it is to make one."""
    with pytest.raises(ConfigError, match="no certificate"):
        Options().apply(Config())
    made = Options(self_signed=True, state_dir="/s").apply(Config()).server.tls
    assert (made.cert_file, made.key_file) == ("/s/tls/tls.crt", "/s/tls/tls.key")
    assert Options(self_signed=True).apply(TLS).server.tls == TLS.server.tls


@pytest.mark.parametrize("options", [Options(cert="x"), Options(key="x"), Options(cert="x", key="y", self_signed=True)])
def test_options_that_contradict_each_other(options: Options) -> None:
    """Half a pair, or a pair and the wish to make one, is bad usage."""
    with pytest.raises(UsageError):
        options.load()


def test_what_only_a_restart_changes_is_kept() -> None:
    """A reload changes everything but listeners, number of workers and the log; those are named."""
    server = msgspec.structs.replace(TLS.server, port=1, workers=2, drain_seconds=1.0)
    new = Config(mode="audit", server=server, audit=Audit(state_dir="/state", mode="durable"))
    config, waiting = keep_started(new, TLS)
    assert waiting == ("server.port", "server.workers", "audit")
    assert (config.mode, config.server.drain_seconds) == ("audit", 1.0)
    assert (config.server.port, config.server.workers, config.audit) == (8443, 1, TLS.audit)
    assert keep_started(TLS, TLS) == (TLS, ())
