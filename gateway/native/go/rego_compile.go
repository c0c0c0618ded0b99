package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
)

func init() {
	register("rego.compile", compileRules)
	register("rego.close", closeRules)
}

// Built-ins that reach out of the process. With no host allowed they do not exist: a rule that calls one is refused
// when it is loaded, with its file and line, rather than undefined at some later request.
var networkBuiltins = []string{ast.HTTPSend.Name, ast.NetLookupIPAddr.Name}

// errorLimit bounds the diagnostics of one compilation.
const errorLimit = 100

type regoModule struct {
	Path    string `json:"path"`
	Text    string `json:"text"`
	Version int    `json:"version"`
}

type regoOptions struct {
	Hosts          []string `json:"hosts"`
	StrictBuiltins bool     `json:"strictBuiltins"`
	Strict         bool     `json:"strict"`
	MaxResultBytes int      `json:"maxResultBytes"`
}

type compileRequest struct {
	Modules []regoModule `json:"modules"`
	Queries []string     `json:"queries"`
	Options regoOptions  `json:"options"`
}

type diagnostic struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// ruleset is compiled rules, their prepared queries, and the documents they read.
type ruleset struct {
	compiler *ast.Compiler
	store    *snapshots
	queries  []rego.PreparedEvalQuery
	bodies   []ast.Body
	options  regoOptions
}

var rulesets handles[*ruleset]

func compileRules(in []byte) ([]byte, error) {
	parts, err := unframe(in)
	if err != nil || len(parts) != 2 {
		return nil, failf("frames", "rego.compile takes a request and data")
	}
	var request compileRequest
	if err := json.Unmarshal(parts[0], &request); err != nil {
		return nil, err
	}
	rules, err := newRuleset(&request, parts[1])
	if err != nil {
		return nil, err
	}
	return json.Marshal(rulesets.add(rules))
}

func closeRules(in []byte) ([]byte, error) {
	var handle uint64
	if err := json.Unmarshal(in, &handle); err != nil {
		return nil, err
	}
	rulesets.remove(handle)
	return nil, nil
}

func newRuleset(request *compileRequest, data []byte) (*ruleset, error) {
	root, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	modules, err := parseModules(request.Modules, capabilities(request.Options.Hosts))
	if err != nil {
		return nil, err
	}
	store := newSnapshots(root)
	compiler := newCompiler(request.Options)
	compiler.WithPathConflictsCheck(storage.NonEmpty(context.Background(), store, store.current.Load()))
	if compiler.Compile(modules); compiler.Failed() {
		return nil, refused(compiler.Errors)
	}
	rules := &ruleset{compiler: compiler, store: store, options: request.Options}
	for index, text := range request.Queries {
		if err := rules.prepare(index, text); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

func newCompiler(options regoOptions) *ast.Compiler {
	return ast.NewCompiler().
		WithCapabilities(capabilities(options.Hosts)).
		WithStrict(options.Strict).
		SetErrorLimit(errorLimit)
}

// capabilities are all of OPA's, without the network but for the hosts named. An empty list is not a nil one: nil
// would allow JSON schemas to be fetched from anywhere.
func capabilities(hosts []string) *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	all.AllowNet = append([]string{}, hosts...)
	if len(hosts) == 0 {
		all.Builtins = slices.DeleteFunc(all.Builtins, func(b *ast.Builtin) bool {
			return slices.Contains(networkBuiltins, b.Name)
		})
	}
	return all
}

func regoVersion(version int) ast.RegoVersion {
	if version == 0 {
		return ast.RegoV0
	}
	return ast.RegoV1
}

// parseModules reads all modules, each in its own version of the language, and reports what is wrong with any.
func parseModules(sources []regoModule, capabilities *ast.Capabilities) (map[string]*ast.Module, error) {
	var wrong ast.Errors
	modules := make(map[string]*ast.Module, len(sources))
	for _, source := range sources {
		if _, twice := modules[source.Path]; twice {
			return nil, refused(ast.Errors{locate(source.Path, 0, ast.CompileErr, "two modules have this path")})
		}
		module, err := ast.ParseModuleWithOpts(source.Path, source.Text, ast.ParserOptions{
			RegoVersion:       regoVersion(source.Version),
			ProcessAnnotation: true,
			Capabilities:      capabilities,
		})
		var parseErrors ast.Errors
		switch {
		case errors.As(err, &parseErrors):
			wrong = append(wrong, parseErrors...)
		case err != nil:
			wrong = append(wrong, locate(source.Path, 0, ast.ParseErr, err.Error()))
		case module == nil:
			wrong = append(wrong, locate(source.Path, 0, ast.ParseErr, "empty module"))
		default:
			wrong = append(wrong, fileSchemas(module)...)
		}
		modules[source.Path] = module
	}
	if len(wrong) > 0 {
		return nil, refused(wrong[:min(len(wrong), errorLimit)])
	}
	return modules, nil
}

// prepare compiles one query. It has one expression, whose value is the answer.
func (rules *ruleset) prepare(index int, text string) error {
	path := fmt.Sprintf("query %d", index+1)
	capabilities := rules.compiler.Capabilities()
	body, err := ast.ParseBodyWithOpts(text, ast.ParserOptions{RegoVersion: ast.RegoV1, SkipRules: true, Capabilities: capabilities})
	if err == nil && len(body) != 1 {
		err = locate(path, 1, ast.CompileErr, "a query has one expression: "+text)
	}
	if err != nil {
		return refusedAs(path, err)
	}
	prepared, err := rego.New(
		rego.Compiler(rules.compiler),
		rego.Store(rules.store),
		rego.ParsedQuery(body),
		rego.SetRegoVersion(ast.RegoV1),
		rego.Capabilities(capabilities),
		rego.StrictBuiltinErrors(rules.options.StrictBuiltins),
		rego.GenerateJSON(func(term *ast.Term, _ *rego.EvalContext) (any, error) { return term, nil }),
	).PrepareForEval(context.Background())
	if err != nil {
		return refusedAs(path, err)
	}
	compiled, err := rules.compiler.QueryCompiler().Compile(body)
	if err != nil {
		return refusedAs(path, err)
	}
	rules.queries = append(rules.queries, prepared)
	rules.bodies = append(rules.bodies, compiled)
	return nil
}

// refusedAs is the failure for an error that may not know which text it is about.
func refusedAs(path string, err error) error {
	var many ast.Errors
	var one *ast.Error
	switch {
	case errors.As(err, &many):
	case errors.As(err, &one):
		many = ast.Errors{one}
	default:
		many = ast.Errors{locate(path, 1, ast.CompileErr, err.Error())}
	}
	for _, found := range many {
		if found.Location == nil {
			found.Location = ast.NewLocation(nil, path, 1, 1)
		} else if found.Location.File == "" {
			found.Location.File = path
		}
	}
	return refused(many)
}

// refused is the failure that carries diagnostics, in the order of the files.
func refused(found ast.Errors) error {
	diagnostics := make([]diagnostic, 0, len(found))
	for _, one := range found {
		d := diagnostic{Code: one.Code, Message: explained(one.Message)}
		if one.Location != nil {
			d.Path, d.Line, d.Column = one.Location.File, one.Location.Row, one.Location.Col
		}
		diagnostics = append(diagnostics, d)
	}
	slices.SortStableFunc(diagnostics, func(a, b diagnostic) int {
		if order := strings.Compare(a.Path, b.Path); order != 0 {
			return order
		}
		return a.Line - b.Line
	})
	return &failure{Code: "rego", Message: "the rules do not compile", Details: diagnostics}
}

// explained says why a network built-in is unknown.
func explained(message string) string {
	for _, name := range networkBuiltins {
		if message == "undefined function "+name {
			return name + " is off: rules reach no host unless the configuration names it"
		}
	}
	return message
}

func locate(path string, line int, code, message string) *ast.Error {
	return ast.NewError(code, ast.NewLocation(nil, path, line, 1), "%s", message)
}

func parseObject(data []byte) (ast.Object, error) {
	value, err := parseValue(data)
	if err != nil {
		return nil, err
	}
	root, isObject := value.(ast.Object)
	if !isObject {
		return nil, failf("data", "data is not a JSON object")
	}
	return root, nil
}
