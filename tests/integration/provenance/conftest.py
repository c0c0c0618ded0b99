"""Registries and cosign, one of each for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.cosign import Cosign
from support.registries import RealRegistry


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """A registry with the referrers API."""
    server = RealRegistry(tmp_path_factory.mktemp("registry")).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def old_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """One without it."""
    server = RealRegistry(tmp_path_factory.mktemp("registry"), referrers=False).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cosign(tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    """The signer who is trusted."""
    return Cosign(tmp_path_factory.mktemp("cosign"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    """Somebody else who signs."""
    return Cosign(tmp_path_factory.mktemp("stranger"))
