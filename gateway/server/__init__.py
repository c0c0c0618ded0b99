"""The admission server: a supervisor, worker processes that answer API servers, health and metrics."""
