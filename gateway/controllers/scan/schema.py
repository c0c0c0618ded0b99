"""The tables of a file of findings.

A *generation* is one scan: ``building`` until it is whole, then ``complete``. Readers see complete ones alone.
``types``: what is to be read, how far that is (``cursor``), and why it could not be (``problem``).
"""

from __future__ import annotations

FORMAT = 1

SCHEMA = """
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS generations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL,
  started REAL NOT NULL,
  finished REAL,
  rules TEXT NOT NULL,
  asked TEXT NOT NULL,
  problems TEXT NOT NULL,
  published INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS types (
  generation INTEGER NOT NULL,
  type INTEGER NOT NULL,
  served TEXT NOT NULL,
  cursor TEXT NOT NULL DEFAULT '',
  done INTEGER NOT NULL DEFAULT 0,
  problem TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (generation, type)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS findings (
  id INTEGER PRIMARY KEY,
  generation INTEGER NOT NULL,
  type INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  rule TEXT NOT NULL,
  field TEXT NOT NULL,
  result TEXT NOT NULL,
  severity INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS findings_order
  ON findings (generation, namespace, kind, name, type, rule, field);
CREATE INDEX IF NOT EXISTS findings_worst
  ON findings (generation, namespace, result, severity, kind, name, type, rule, field);
CREATE TABLE IF NOT EXISTS counts (
  generation INTEGER NOT NULL,
  type INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  counts TEXT NOT NULL,
  PRIMARY KEY (generation, namespace, type)
) STRICT, WITHOUT ROWID;
COMMIT;
"""
