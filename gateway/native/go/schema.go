package main

import (
	"encoding/json"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

func init() { register("schema.validate", validateSchema) }

// maxSchemaErrors bounds what is reported about one document.
const maxSchemaErrors = 100

// validateSchema judges a document by an OpenAPI v3 schema, with the validator of the Kubernetes API server.
func validateSchema(in []byte) ([]byte, error) {
	parts, err := unframe(in)
	if err != nil || len(parts) != 2 {
		return nil, failf("frames", "schema.validate takes a schema and a document")
	}
	var schema spec.Schema
	if err := json.Unmarshal(parts[0], &schema); err != nil {
		return nil, failf("schema", "not a schema: %s", err)
	}
	var document any
	if err := json.Unmarshal(parts[1], &document); err != nil {
		return nil, failf("json", "not readable as JSON: %s", err)
	}
	problems := []string{}
	for _, found := range validate.NewSchemaValidator(&schema, nil, "", strfmt.Default).Validate(document).Errors {
		if len(problems) < maxSchemaErrors {
			problems = append(problems, found.Error())
		}
	}
	return json.Marshal(problems)
}
