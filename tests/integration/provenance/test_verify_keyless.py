"""``govgate verify`` by identity: a Sigstore of the test's own, its bundles in a registry, no network beside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.registries import FaultyRegistry
from support.signing import p256
from support.sigstack import ISSUER, SUBJECT, Stack, statement

from gateway.cli import exits
from gateway.cli.app import run

Verify = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
async def registry() -> AsyncIterator[FaultyRegistry]:
    async with FaultyRegistry().serve() as serving:
        yield serving


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Stack()


@pytest.fixture
def verify(
    registry: FaultyRegistry, stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> Verify:
    """Exit code and output of a verification by the stack's root, which knows no clock: bundles prove their time."""
    root = tmp_path / "root.json"
    root.write_bytes(stack.root())
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    async def call(digest: str, *options: str, identity: str = SUBJECT, issuer: str = ISSUER) -> tuple[int, str]:
        who = ["--identity", identity] if identity else []
        words = ["verify", f"{registry.host}/acme/app@{digest}", "--plain-http", *who, "--issuer", issuer]
        code = await asyncio.to_thread(run, [*words, "--trusted-root", str(root), *options])
        return code, capsys.readouterr().out

    return call


def signed(registry: FaultyRegistry, stack: Stack, *, about: str = "", **options: Any) -> str:
    """An artifact with a bundle by a certificate; its digest."""
    digest = registry.add_artifact("v1")
    key = p256()
    document = stack.envelope(statement(about or digest), key, certificate=stack.leaf(key), **options)
    registry.add_referrer(digest, json.dumps(document).encode())
    return digest


async def test_who_signed_is_told_with_the_log(registry: FaultyRegistry, stack: Stack, verify: Verify) -> None:
    """Identity, issuer, time, log and index; by a pattern as well as exactly."""
    digest = signed(registry, stack)
    code, out = await verify(digest)
    assert code == exits.CLEAN
    assert f"signed by {SUBJECT} ({ISSUER})" in out
    assert "in the log" in out
    pattern = r"^https://github\.com/acme/app/.+$"
    assert (await verify(digest, "--identity-regexp", pattern, identity=""))[0] == exits.CLEAN


async def test_somebody_else_is_denied(registry: FaultyRegistry, stack: Stack, verify: Verify) -> None:
    """Another identity, another issuer, a bundle of another artifact; the step that failed is named."""
    digest = signed(registry, stack)
    for options in ({"identity": SUBJECT + "x"}, {"issuer": "https://issuer.example"}):
        code, out = await verify(digest, **options)
        assert code == exits.DENIED
        assert "identity:" in out
    moved = FaultyRegistry.add_artifact(registry, "v2", files={"b.yaml": b"x"})
    key = p256()
    document = stack.envelope(statement(digest), key, certificate=stack.leaf(key))
    registry.add_referrer(moved, json.dumps(document).encode())
    code, out = await verify(moved)
    assert code == exits.DENIED
    assert "subject:" in out


async def test_less_than_a_log_must_be_asked_for(registry: FaultyRegistry, stack: Stack, verify: Verify) -> None:
    """By name; and it is enough then."""
    digest = signed(registry, stack, logged=False, stamped=True)
    assert (await verify(digest))[0] == exits.DENIED
    assert (await verify(digest, "--allow-tsa-only"))[0] == exits.CLEAN


async def test_a_pattern_without_anchors_is_refused(registry: FaultyRegistry, stack: Stack, verify: Verify) -> None:
    """Before anything is asked."""
    digest = signed(registry, stack)
    assert (await verify(digest, "--identity-regexp", "acme", identity=""))[0] == exits.FAILED
    assert not registry.requests
