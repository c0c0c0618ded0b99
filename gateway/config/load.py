"""Reading and checking the configuration file: the whole of it, or nothing."""

from __future__ import annotations

import os

import msgspec

from gateway.config.controller import Controller
from gateway.config.drift import Drift
from gateway.config.files import read_bounded
from gateway.config.model import Config
from gateway.config.opa import problem_of
from gateway.config.yaml import read_yaml
from gateway.core import schedule
from gateway.core.errors import ConfigError

MAX_FILE_BYTES = 1024 * 1024
ENVIRONMENT = "GOVGATE_CONFIG"


class LoadedConfig(msgspec.Struct, frozen=True):
    """A configuration that was checked, and where it came from (a path, or ``embedded defaults``)."""

    config: Config
    source: str


def load_config(path: str | os.PathLike[str] | None = None) -> LoadedConfig:
    """Read and check the configuration.

    Args:
        path: the file; else ``GOVGATE_CONFIG`` names it; with neither, the embedded defaults.

    Raises:
        ConfigError: the file cannot be read or is wrong; the text names the file and the path in it.
    """
    chosen = os.fspath(path) if path else os.environ.get(ENVIRONMENT, "")
    if not chosen:
        return LoadedConfig(Config(), "embedded defaults")
    data = read_bounded(chosen, max_bytes=MAX_FILE_BYTES)
    return LoadedConfig(parse_config(data, source=chosen), chosen)


def parse_config(data: bytes, *, source: str) -> Config:
    """The configuration in ``data`` (YAML or JSON).

    Raises:
        ConfigError: names ``source`` and the path of what is wrong, such as ``drift.argoCd.mode``.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: not UTF-8 at byte {error.start}") from None
    document = read_yaml(text, source=source)
    try:
        config = msgspec.convert({} if document is None else document, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_explain(str(error))}") from None
    _check(config, source)
    return config


def _explain(text: str) -> str:
    """From msgspec's ``Expected `int`, got `str` - at `$.server.port```; people read ``server.port: expected …``."""
    problem, _, path = text.partition(" - at `$")
    where = path.rstrip("`").lstrip(".")
    problem = problem[:1].lower() + problem[1:]
    return f"{where}: {problem}" if where else problem


def _check(config: Config, source: str) -> None:
    """What types cannot say."""
    tls = config.server.tls
    if bool(tls.cert_file) != bool(tls.key_file):
        raise ConfigError(f"{source}: server.tls: certFile and keyFile belong together")
    if tls.client_names and not tls.client_ca_file:
        raise ConfigError(f"{source}: server.tls.clientNames: needs clientCaFile")
    if config.opt_out.namespaces and not config.opt_out.reason:
        raise ConfigError(f"{source}: optOut.reason: say why; it is written into every record there")
    problem = problem_of(config.policy.opa, engine=config.policy.engine == "opa")
    if problem:
        raise ConfigError(f"{source}: policy.{problem}")
    for index, one in enumerate(config.secrets.plain.writers):
        if not one.users and not one.groups:
            raise ConfigError(f"{source}: secrets.plain.writers[{index}]: name at least one user or group")
    _check_drift(config.drift, source)
    _check_controller(config.controller, f"{source}: controller")


def _check_controller(controller: Controller, where: str) -> None:
    election, certificates, external = controller.election, controller.certificates, controller.external
    if not election.retry_seconds < election.renew_seconds < election.lease_seconds:
        raise ConfigError(f"{where}.election: retrySeconds < renewSeconds < leaseSeconds must hold")
    if certificates.renew_days >= certificates.valid_days:
        raise ConfigError(f"{where}.certificates.renewDays: must be below validDays")
    if external.shard >= external.shards:
        raise ConfigError(f"{where}.external.shard: is counted from 0, and below shards")


def _check_drift(drift: Drift, source: str) -> None:
    for index, window in enumerate(drift.windows):
        try:
            schedule.check(window.schedule)
            schedule.zone(window.time_zone)
        except schedule.ScheduleError as error:
            raise ConfigError(f"{source}: drift.windows[{index}] ({window.name}): {error}") from None
    for index, writer in enumerate(drift.writers):
        where = f"{source}: drift.writers[{index}]"
        if not writer.actors.users and not writer.actors.groups:
            raise ConfigError(f"{where}.actors: name at least one user or group")
        if not writer.fields:
            raise ConfigError(f'{where}.fields: name at least one field, or "*"')
        if set(writer.operations) - {"UPDATE"} and "*" not in writer.fields:
            raise ConfigError(f'{where}.operations: CREATE and DELETE concern the whole object: fields must be ["*"]')
