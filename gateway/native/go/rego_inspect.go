package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func init() {
	register("rego.references", references)
	register("rego.annotations", annotations)
	register("rego.put", putData)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// references lists what a query may read: every reference into input and data in it and in all rules it can reach,
// up to where it becomes dynamic. It may name more than is ever read, never less.
func references(in []byte) ([]byte, error) {
	var request struct {
		Handle uint64 `json:"handle"`
		Query  int    `json:"query"`
	}
	if err := json.Unmarshal(in, &request); err != nil {
		return nil, err
	}
	rules, err := rulesets.get(request.Handle)
	if err != nil {
		return nil, err
	}
	if request.Query < 0 || request.Query >= len(rules.bodies) {
		return nil, failf("bad_query", "there is no query %d", request.Query)
	}
	found := map[string]struct{}{}
	reach(rules.compiler, rules.bodies[request.Query], found, map[*ast.Rule]bool{})
	names := slices.AppendSeq([]string{}, maps.Keys(found))
	slices.Sort(names)
	return json.Marshal(names)
}

func reach(compiler *ast.Compiler, node any, found map[string]struct{}, seen map[*ast.Rule]bool) {
	ast.NewGenericVisitor(func(node any) bool {
		switch node := node.(type) {
		case *ast.With: // what it replaces is not read by that
			reach(compiler, node.Value, found, seen)
			return true
		case ast.Ref:
			reachRef(compiler, node, found, seen)
		}
		return false
	}).Walk(node)
}

func reachRef(compiler *ast.Compiler, ref ast.Ref, found map[string]struct{}, seen map[*ast.Rule]bool) {
	if head := ref[0]; !head.Equal(ast.InputRootDocument) && !head.Equal(ast.DefaultRootDocument) {
		return
	}
	constant := ref.ConstantPrefix()
	rules := compiler.GetRules(constant)
	for _, rule := range rules {
		if !seen[rule] {
			seen[rule] = true
			reach(compiler, rule, found, seen)
		}
	}
	// A reference to a package, or above, reads base documents beside the rules too.
	if len(rules) == 0 || len(compiler.GetRulesForVirtualDocument(constant)) == 0 {
		found[constant.String()] = struct{}{}
	}
}

type annotated struct {
	Path        string           `json:"path"` // data.package, or data.package.rule
	File        string           `json:"file"`
	Line        int              `json:"line"`
	Annotations *ast.Annotations `json:"annotations"`
}

// annotations lists the METADATA of all modules.
func annotations(in []byte) ([]byte, error) {
	var handle uint64
	if err := json.Unmarshal(in, &handle); err != nil {
		return nil, err
	}
	rules, err := rulesets.get(handle)
	if err != nil {
		return nil, err
	}
	list := []annotated{}
	for _, ref := range rules.compiler.GetAnnotationSet().Flatten() {
		if ref.Annotations == nil {
			continue
		}
		one := annotated{Path: ref.Path.String(), Annotations: ref.Annotations}
		if ref.Location != nil {
			one.File, one.Line = ref.Location.File, ref.Location.Row
		}
		list = append(list, one)
	}
	return json.Marshal(list)
}

// putData replaces or removes one base document. Evaluations that have begun keep what they began with.
func putData(in []byte) ([]byte, error) {
	parts, err := unframe(in)
	if err != nil || len(parts) < 1 || len(parts) > 2 {
		return nil, failf("frames", "rego.put takes a request and at most one value")
	}
	var request struct {
		Handle uint64   `json:"handle"`
		Path   []string `json:"path"`
	}
	if err := json.Unmarshal(parts[0], &request); err != nil {
		return nil, err
	}
	rules, err := rulesets.get(request.Handle)
	if err != nil {
		return nil, err
	}
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, key := range request.Path {
		ref = append(ref, ast.StringTerm(key))
	}
	if len(request.Path) > 0 && len(rules.compiler.GetRules(ref)) > 0 {
		return nil, failf("data", "%s belongs to rules", ref)
	}
	var value ast.Value
	if len(parts) == 2 {
		if value, err = parseValue(parts[1]); err != nil {
			return nil, err
		}
	}
	return nil, rules.store.put(request.Path, value)
}
