"""The drift guard: managed objects, who may change them, and which of their fields Git declares.

The decision is a pure function of the request and facts (:mod:`webhooks.drift.decide`); facts come from watch caches
(:mod:`webhooks.drift.caches`); one module per reconciler says how it marks what it manages.
"""
