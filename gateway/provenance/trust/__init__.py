"""Trust policies: read, compiled, and evaluated over evidence.

``reading`` makes a policy of a document, ``patterns`` says which artifacts it is about, ``predicates`` asks its Rego, and
``evaluate`` is the decision: a pure function of policy, evidence and what the Rego said.
"""
