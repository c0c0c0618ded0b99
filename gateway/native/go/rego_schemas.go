package main

import (
	"errors"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

// A JSON schema may refer to others by URL. The network is ruled by the capabilities; references to files are not, and
// would let a rule, or an object it takes a schema from, read what the gateway can read. They are refused here.

const fileSchemaMessage = "a JSON schema may not refer to files"

func init() {
	for name, operand := range map[string]int{ast.JSONSchemaVerify.Name: 0, ast.JSONMatchSchema.Name: 1} {
		original := topdown.GetBuiltin(name)
		topdown.RegisterBuiltinFunc(name, func(
			bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error,
		) error {
			if namesFile(operands[operand].Value) {
				return errors.New(fileSchemaMessage)
			}
			return original(bctx, operands, iter)
		})
	}
}

// namesFile says whether a schema, or its text, has a reference or a base that is a file.
func namesFile(schema ast.Value) bool {
	decoded, err := ast.JSON(schema)
	if err != nil {
		return false
	}
	if text, isText := decoded.(string); isText {
		if err := util.UnmarshalJSON([]byte(text), &decoded); err != nil {
			return false
		}
	}
	return hasFile(decoded)
}

func hasFile(schema any) bool {
	switch schema := schema.(type) {
	case map[string]any:
		for key, value := range schema {
			text, isText := value.(string)
			if isText && (key == "$ref" || key == "id" || key == "$id") && isFile(text) || hasFile(value) {
				return true
			}
		}
	case []any:
		for _, value := range schema {
			if hasFile(value) {
				return true
			}
		}
	}
	return false
}

func isFile(url string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(url)), "file:")
}

// fileSchemas are the annotations of a module whose schemas refer to files.
func fileSchemas(module *ast.Module) ast.Errors {
	var found ast.Errors
	for _, annotations := range module.Annotations {
		for _, schema := range annotations.Schemas {
			if schema.Definition != nil && hasFile(*schema.Definition) {
				found = append(found, ast.NewError(ast.TypeErr, annotations.Location, fileSchemaMessage))
			}
		}
	}
	return found
}
