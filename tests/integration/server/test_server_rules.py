"""Rules that change under a running server: read anew, or the old ones stay in force."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.gateway import Gateway, eventually, review

pytestmark = pytest.mark.native

RULE = 'package main\n\nimport rego.v1\n\ndeny contains "no {name}" if "{name}" in object.keys(input.data)\n'


def put(folder: Path, name: str, text: str) -> None:
    """Replace a file as a mount does: all at once."""
    new = folder.parent / "new"
    new.write_text(text)
    new.replace(folder / name)


def decided(server: Gateway) -> tuple[bool, str]:
    """Whether a ConfigMap with the key ``a`` may be changed, and by which rules that was decided."""
    response = server.ask(review()).json()["response"]
    return response["allowed"], response["auditAnnotations"]["rules"]


def test_rules_are_read_anew(gateway, tmp_path: Path) -> None:
    """A changed, added or removed file acts without a restart; broken rules change nothing, and readiness says so."""
    rules = tmp_path / "rules"
    rules.mkdir()
    put(rules, "main.rego", RULE.replace("{name}", "a"))
    server: Gateway = gateway(settings={"workers": 2}, policy={"sources": [str(rules)]}).start()
    workers = {worker.pid for worker in server.workers()}
    allowed, first = decided(server)
    assert not allowed
    put(rules, "main.rego", RULE.replace("{name}", "b"))
    eventually(lambda: all(decided(server)[0] for _ in range(4)))
    assert decided(server)[1] != first
    put(rules, "more.rego", RULE.replace("{name}", "a").replace("main", "more"))
    eventually(lambda: not any(decided(server)[0] for _ in range(4)))
    now = decided(server)[1]
    put(rules, "more.rego", "package more\n\ndeny contains {\n")
    eventually(lambda: bool(server.events("configuration not reloaded")))
    problem = server.events("configuration not reloaded")[0]["problem"]
    assert f"{rules}/more.rego:" in problem
    assert f"{rules}/more.rego:" in server.health("/readyz?verbose").text
    assert decided(server) == (False, now)
    (rules / "more.rego").unlink()
    eventually(lambda: all(decided(server)[0] for _ in range(4)))
    assert {worker.pid for worker in server.workers()} == workers
    assert server.stop() == 0


def test_a_server_without_usable_rules_does_not_start(gateway, tmp_path: Path) -> None:
    """It would enforce less than it was told to; what is wrong is said."""
    (tmp_path / "broken.rego").write_text("package a\n\ndeny contains {\n")
    server: Gateway = gateway(policy={"sources": [str(tmp_path / "broken.rego")]})
    with pytest.raises(Exception, match=r"broken\.rego:4"):
        server.start()


def test_an_endless_rule_holds_nobody_up(gateway, tmp_path: Path) -> None:
    """It is answered in its time, as undecided; other requests are answered meanwhile."""
    text = "package main\n\nimport rego.v1\n\ndeny contains 1 if {\n\tsome i in numbers.range(1, 20000)\n\tsome j in numbers.range(1, 20000)\n\ti * j == -1\n}\n"
    (tmp_path / "endless.rego").write_text(text)
    server: Gateway = gateway(policy={"sources": [str(tmp_path / "endless.rego")], "timeoutSeconds": 0.3}).start()
    response = server.ask(review()).json()["response"]
    assert response["status"]["code"] == 503
    assert "took too long" in response["status"]["message"]
    assert server.stop() == 0


# A match that nothing interrupts, and that takes seconds over a million letters.
STUBBORN = 'package main\n\nimport rego.v1\n\ndeny contains "y" if regex.match(`x{900}y`, input.data.a)\n'


def test_a_worker_whose_rules_do_not_end_is_replaced(gateway, tmp_path: Path) -> None:
    """The request is answered at the deadline, as undecided; the worker goes, in order, and another one serves."""
    rules = tmp_path / "rules"
    rules.mkdir()
    put(rules, "main.rego", STUBBORN)
    policy = {"sources": [str(rules)], "timeoutSeconds": 0.3, "recycleSeconds": 0.5}
    server: Gateway = gateway(policy=policy).start()
    [before] = server.workers()
    response = server.ask(review(size=1_000_000)).json()["response"]
    assert not response["allowed"]
    assert "took too long" in response["status"]["message"]
    eventually(lambda: bool(server.events("worker replaced: evaluations of rules do not end")))
    eventually(lambda: [worker.pid for worker in server.workers()] not in ([], [before.pid]))
    assert server.ask(review()).json()["response"]["allowed"]
    assert server.stop() == 0
