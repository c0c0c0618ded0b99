"""OCI registries and layouts, read: references, manifests, referrers, blobs. Every body is checked against its digest.

``reference`` and ``manifest`` are pure; ``http``, ``auth`` and ``registry`` speak to registries, ``layout`` reads folders,
``candidates`` finds what may be a signature, ``pull`` writes what was verified.
"""
