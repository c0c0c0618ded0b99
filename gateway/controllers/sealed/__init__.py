"""SealedSecrets into Secrets, as a loop of the controller, and the endpoints that kubeseal calls.

What is done is decided by :mod:`gateway_secrets.sealed.reconcile`, purely. Here is the I/O: what is read, in which order
objects are looked at, what is written, and the keys.
"""
