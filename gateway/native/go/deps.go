package main

import (
	_ "github.com/open-policy-agent/opa/v1/rego"
	_ "sigs.k8s.io/yaml"
)
