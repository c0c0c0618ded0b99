"""The guards that a configuration asks for, with the caches they need, as one thing that can be swapped."""

from __future__ import annotations

from gateway import __version__
from gateway.config.model import Config
from gateway.core.finding import Action
from gateway.core.subject import Subject
from gateway.core.verdict import Verdict
from webhooks.judge import Judge


class Assembly:
    """A judge and what it was built from."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    def ready(self) -> dict[str, bool | str]:
        """Named checks: True if it holds, else why it does not."""
        return {"rules": True}

    def message(self, verdict: Verdict, subject: Subject) -> str:  # noqa: ARG002 - guards will name the owner
        """What the person who asked is told about a refusal."""
        lines = [f.message for f in verdict.findings if f.action is Action.DENY and f.exception is None]
        lines += [f"govgate could not decide ({i.guard}): {i.reason}" for i in verdict.indeterminate]
        return "\n".join(lines)

    async def close(self) -> None:
        """Stop the caches."""


async def assemble(config: Config) -> Assembly:
    """Build everything that decides.

    Raises:
        ConfigError: the configuration asks for something that cannot be had.
    """
    return Assembly(Judge(config, (), version=__version__))
