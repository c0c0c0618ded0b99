"""What was signed, by whom, and whether that is enough: OCI artifacts, signature formats, trust policies."""
