"""Where secrets come from: one module for each kind of store, behind one small protocol (:mod:`.model`).

``open_store`` of :mod:`.table` makes a store from an ``external-secrets.io/v1`` SecretStore; :class:`.reader.Reader` is
how everything else reads it: within a deadline, at a bounded rate, again when it is throttled.
"""
