"""The tamper-evident decision log: records, their chain, the writer, the client, verification and export.

A worker uses :class:`gateway.audit.client.AuditClient`; ``python -m gateway.audit.writer`` is the one process that
writes. docs/audit.md describes the format and what the log does and does not prove.
"""
