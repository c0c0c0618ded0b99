"""SOPS: the real program for what writes, and a reader in process that opens age files and checks their MAC.

Reading (``documents``), deciding what is encrypted (``selection``), opening and checking (``opened``) are pure; ``program``
runs ``sops``, ``identities`` finds age identities.
"""
