"""What ``govgate serve`` was asked to do on its command line: it goes before the configuration, at each reload again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.audit.state import state_folder
from gateway.config import Config, LoadedConfig, load_config
from gateway.config.model import Server
from gateway.core.errors import ConfigError, UsageError


class Options(msgspec.Struct, frozen=True):
    """Empty text and None: not given."""

    config: str = ""
    workers: int | None = None
    host: str = ""
    port: int | None = None
    health_port: int | None = None
    cert: str = ""
    key: str = ""
    state_dir: str = ""
    self_signed: bool = False

    def load(self) -> LoadedConfig:
        """Read the configuration and put these options over it.

        Raises:
            ConfigError: the file is wrong.
            UsageError: an option is.
        """
        if bool(self.cert) != bool(self.key):
            raise UsageError("--cert and --key belong together")
        if self.cert and self.self_signed:
            raise UsageError("--self-signed makes a certificate: give --cert or that, not both")
        loaded = load_config(self.config or None)
        return LoadedConfig(self.apply(loaded.config), loaded.source)

    def apply(self, config: Config) -> Config:
        """``config`` with these options over it.

        Raises:
            UsageError: an option is out of range.
            ConfigError: there is no certificate to serve with.
        """
        given = {
            "workers": self.workers,
            "host": self.host or None,
            "health_host": self.host or None,
            "port": self.port,
            "health_port": self.health_port,
        }
        tls = config.server.tls
        if self.cert:
            tls = msgspec.structs.replace(tls, cert_file=self.cert, key_file=self.key)
        state_dir = str(state_folder(self.state_dir or config.audit.state_dir))
        if self.self_signed and not tls.cert_file:
            folder = Path(state_dir) / "tls"
            tls = msgspec.structs.replace(tls, cert_file=str(folder / "tls.crt"), key_file=str(folder / "tls.key"))
        if not tls.cert_file:
            raise ConfigError(
                "no certificate: set server.tls.certFile and keyFile, or --cert and --key (--self-signed makes one to try)"
            )
        server = msgspec.structs.replace(
            config.server, tls=tls, **{name: value for name, value in given.items() if value is not None}
        )
        try:
            server = msgspec.convert(msgspec.to_builtins(server), Server)
        except msgspec.ValidationError as error:
            raise UsageError(f"option out of range: {error}") from None
        audit = msgspec.structs.replace(config.audit, state_dir=state_dir)
        return msgspec.structs.replace(config, server=server, audit=audit)


def keep_started(new: Config, old: Config) -> tuple[Config, tuple[str, ...]]:
    """``new`` without the changes that only a restart brings about, and the names of those."""
    fixed = ("host", "port", "health_host", "health_port", "workers", "registration")
    waiting = [f"server.{name}" for name in fixed if getattr(new.server, name) != getattr(old.server, name)]
    if new.audit != old.audit:
        waiting.append("audit")
    server = msgspec.structs.replace(new.server, **{name: getattr(old.server, name) for name in fixed})
    return msgspec.structs.replace(new, server=server, audit=old.audit), tuple(waiting)
