"""Pure vocabulary of govgate: subjects, findings, verdicts, guards, errors, limits. No I/O here."""
