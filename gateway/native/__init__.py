"""The native library (Go) and its typed bindings: Rego as OPA evaluates it, YAML as Kubernetes reads it."""
