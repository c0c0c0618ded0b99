"""What an object will have fetched: config artifacts, charts, packages, images; pure functions of the object.

``fetch`` is the vocabulary; ``flux``, ``argocd``, ``crossplane`` and ``workloads`` read one kind of object each; ``matchers``
judges how a source verifies by itself; ``find`` asks them all.
"""
