"""The command line: one thin module per command. Data goes to stdout, messages to stderr."""
