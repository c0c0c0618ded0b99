"""SealedSecrets, in the format of Bitnami's: sealing, unsealing, and what is around them.

The cryptography (``hybrid``), the scopes (``scope``), the objects (``objects``, ``sealing``), the decision what to seal
again (``quiet``) and the checks (``checks``) are pure; files, servers and keys on disk are read by ``files``, ``remote``
and ``digest_key``.
"""
