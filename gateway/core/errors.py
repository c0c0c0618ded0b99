"""Errors by origin. Each is translated once, at the boundary where it leaves govgate.

*Denied* is not an error: it is a :class:`gateway.core.verdict.Verdict`. *Malformed* is
:class:`MalformedRequestError`. *Could not decide* is :class:`UndecidedError` and the
:class:`gateway.core.guard.Indeterminate` that a guard makes of it. The three never mix.
"""


class GovgateError(Exception):
    """Base of every error that govgate raises on purpose; its text is one line for a person."""


class ConfigError(GovgateError):
    """The configuration is wrong; the text names the path of what is wrong."""


class MalformedRequestError(GovgateError):
    """What was sent is not an AdmissionReview v1 that can be judged."""


class UndecidedError(GovgateError):
    """A decision could not be made from the facts at hand."""


class OverloadedError(GovgateError):
    """The gateway has more work than it may take; the caller's failurePolicy applies."""


class ClusterError(GovgateError):
    """The Kubernetes API could not be reached, or answered with an error."""


class AuditError(GovgateError):
    """The audit log could not be written, read or verified."""


class AuditFullError(AuditError):
    """The audit log has no room: its disk, its configured size or its queue is full."""


class UsageError(GovgateError):
    """The command line is wrong."""
