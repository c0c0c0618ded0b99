"""The product's spine: everything between a front (server, CLI, controller) and a decision."""

__version__ = "0.1.0"
