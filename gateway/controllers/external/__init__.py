"""ExternalSecrets into Secrets, as a loop of the controller.

What is to be done is decided by :mod:`gateway_secrets.external`, purely. Here is the I/O: which objects are whose, when they
are looked at, what is read of stores once for all who ask for it, what is written, and what is told of it.
"""
