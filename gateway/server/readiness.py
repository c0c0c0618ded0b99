"""What /livez and /readyz answer: a pure function of named checks."""

from __future__ import annotations

import msgspec


class Check(msgspec.Struct, frozen=True):
    """``problem``: empty if the check holds. ``warning``: worth a look, but ready all the same."""

    name: str
    problem: str = ""
    warning: str = ""


def worker_checks(
    name: str, *, ready: bool, problem: str, checks: dict[str, str], warnings: dict[str, str]
) -> list[Check]:
    """The checks of one worker, named ``worker-0/rules`` and so on."""
    if not ready:
        failing = [Check(f"worker-{name}/{key}", text) for key, text in sorted(checks.items()) if text]
        return [Check(f"worker-{name}", problem or "starting"), *failing]
    named = [Check(f"worker-{name}/{key}", text) for key, text in sorted(checks.items())]
    named += [Check(f"worker-{name}/{key}", warning=text) for key, text in sorted(warnings.items())]
    return [Check(f"worker-{name}"), *named]


def render(endpoint: str, checks: list[Check], *, verbose: bool) -> tuple[int, str]:
    """HTTP status and text, in the form of Kubernetes' own health endpoints."""
    failed = [check for check in checks if check.problem]
    status = 503 if failed else 200
    if not verbose and not failed:
        return status, "ok"
    lines = [_line(check) for check in checks] if verbose else [_line(check) for check in failed]
    lines.append(f"{endpoint} check {'failed' if failed else 'passed'}")
    return status, "\n".join(lines) + "\n"


def _line(check: Check) -> str:
    if check.problem:
        return f"[-]{check.name} failed: {check.problem}"
    return f"[!]{check.name} ok, but: {check.warning}" if check.warning else f"[+]{check.name} ok"
