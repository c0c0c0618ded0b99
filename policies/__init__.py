"""How rules are evaluated, and the rules: Rego in process or on a server, Gatekeeper's, Kyverno's and our own."""
