"""A remote OPA: the connection, what is handed to it, and what it is asked in place."""
