package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func init() { register("gatekeeper.rewrite", rewriteTemplate) }

// Gatekeeper compiles each template by itself: its module is data.template, its libraries are below data.libs. Here
// all templates are compiled together, so each gets a world of its own below Root, and what its text says of data is
// moved there. Texts are edited in place: lines stay what they are, for errors name them.

type rewriteRequest struct {
	Root       string   `json:"root"`       // where the template's world lies, such as data.a["B"]
	Parameters string   `json:"parameters"` // what input.parameters becomes, if every use of input is static
	Path       string   `json:"path"`       // of the template, before the names of its modules
	Rego       string   `json:"rego"`
	Libs       []string `json:"libs"`
	Version    int      `json:"version"`
}

type rewritten struct {
	Modules []regoModule `json:"modules"`
	Static  bool         `json:"static"` // input.parameters is no longer read
}

// source is one module with the edits that its text needs.
type source struct {
	path    string
	text    string
	module  *ast.Module
	moved   []int // where data begins in a reference that Gatekeeper moves below libs
	kept    []int // where it begins in one that Gatekeeper leaves as it is
	bound   []span
	dynamic bool // input is used as a whole, or in a way that is not seen through
}

type span struct{ from, to int }

var (
	libPrefix       = ast.MustParseRef("data.lib")
	inventoryPrefix = ast.MustParseRef("data.inventory")
)

func rewriteTemplate(in []byte) ([]byte, error) {
	var request rewriteRequest
	if err := json.Unmarshal(in, &request); err != nil {
		return nil, err
	}
	sources, err := parseTemplate(&request)
	if err != nil {
		return nil, err
	}
	out := rewritten{Static: true, Modules: []regoModule{}}
	for index, one := range sources {
		if err := one.inspect(index > 0); err != nil {
			return nil, refused(ast.Errors{err})
		}
		out.Static = out.Static && !one.dynamic
	}
	for index, one := range sources {
		text, err := one.edited(&request, index > 0, out.Static)
		if err != nil {
			return nil, err
		}
		out.Modules = append(out.Modules, regoModule{Path: one.path, Text: text, Version: request.Version})
	}
	return json.Marshal(out)
}

// parseTemplate reads the template's module, which must define violation, and its libraries.
func parseTemplate(request *rewriteRequest) ([]*source, error) {
	sources := []*source{{path: request.Path + "/template", text: request.Rego}}
	for index, text := range request.Libs {
		sources = append(sources, &source{path: request.Path + "/libs[\"lib_" + strconv.Itoa(index) + "\"]", text: text})
	}
	for _, one := range sources {
		module, err := ast.ParseModuleWithOpts(one.path, one.text, ast.ParserOptions{RegoVersion: regoVersion(request.Version)})
		if err != nil {
			return nil, refusedAs(one.path, err)
		}
		if module == nil {
			return nil, refused(ast.Errors{locate(one.path, 1, ast.ParseErr, "empty module")})
		}
		one.module = module
	}
	entry := sources[0]
	if !slices.ContainsFunc(entry.module.Rules, func(rule *ast.Rule) bool { return rule.Head.Name == "violation" }) {
		return nil, refused(ast.Errors{locate(entry.path, 1, ast.CompileErr, "missing required rule: violation")})
	}
	return sources, nil
}

// inspect checks what the module refers to, as Gatekeeper does, and finds what has to be edited.
func (s *source) inspect(library bool) *ast.Error {
	if path := s.module.Package.Path; library && (!path.HasPrefix(libPrefix) || len(path) == len(libPrefix)) {
		return s.wrong(s.module.Package.Location, "the package of a library begins with lib: %s", path)
	}
	for _, one := range s.module.Imports {
		ref, isRef := one.Path.Value.(ast.Ref)
		future := isRef && len(ref) > 0 && ref[0].Equal(ast.FutureRootDocument)
		if !future && !(isRef && ref.HasPrefix(libPrefix)) {
			return s.wrong(one.Location, "bad import: %s; only libraries (data.lib) and future keywords can be imported", one.Path)
		}
		if !future {
			s.moved = append(s.moved, ref[0].Location.Offset)
		}
	}
	for _, rule := range s.module.Rules {
		if err := s.inspectData(rule); err != nil {
			return err
		}
		s.inspectInput(rule)
	}
	return nil
}

func (s *source) wrong(where *ast.Location, format string, values ...any) *ast.Error {
	line := 1
	if where != nil {
		line = where.Row
	}
	found := ast.NewError(ast.CompileErr, nil, format, values...)
	found.Location = ast.NewLocation(nil, s.path, line, 1)
	return found
}

// inspectData finds the references into data. Gatekeeper moves those to libraries that are not within another term
// (an array, a call's argument): the others stay, and find nothing there.
func (s *source) inspectData(rule *ast.Rule) (err *ast.Error) {
	outermost := map[int]bool{}
	ast.WalkTerms(rule, func(term *ast.Term) bool {
		if ref, isRef := term.Value.(ast.Ref); isRef && ref[0].Location != nil {
			outermost[ref[0].Location.Offset] = true
		}
		return true
	})
	ast.WalkRefs(rule, func(ref ast.Ref) bool {
		if ref[0].Equal(ast.DefaultRootDocument) && !ref.HasPrefix(libPrefix) && !ref.HasPrefix(inventoryPrefix) {
			err = s.wrong(ref[0].Location, "disallowed reference: %s; only data.inventory and libraries (data.lib) can be referred to", ref)
		}
		return true
	})
	ast.WalkRefs(rule, func(ref ast.Ref) bool {
		if !ref[0].Equal(ast.DefaultRootDocument) || ref.HasPrefix(inventoryPrefix) || ref[0].Location == nil {
			return false
		}
		if at := ref[0].Location.Offset; outermost[at] {
			s.moved = append(s.moved, at)
		} else {
			s.kept = append(s.kept, at)
		}
		return false
	})
	return err
}

// inspectInput finds the references to input.parameters, and whether input is used in any other way than by a path
// that begins with a name.
func (s *source) inspectInput(rule *ast.Rule) {
	paths := 0
	ast.WalkRefs(rule, func(ref ast.Ref) bool {
		if !ref[0].Equal(ast.InputRootDocument) || len(ref) < 2 {
			return false
		}
		if name, isString := ref[1].Value.(ast.String); isString {
			paths++
			if name == "parameters" {
				s.bind(ref[0].Location)
			}
		}
		return false
	})
	all := 0
	ast.WalkVars(rule, func(name ast.Var) bool {
		if name.Equal(ast.InputRootDocument.Value) {
			all++
		}
		return false
	})
	ast.WalkWiths(rule, func(with *ast.With) bool {
		if ref, isRef := with.Target.Value.(ast.Ref); isRef && ref[0].Equal(ast.InputRootDocument) {
			s.dynamic = true
		}
		return false
	})
	if all != paths {
		s.dynamic = true
	}
}

func (s *source) bind(where *ast.Location) {
	if where != nil && where.Offset >= 0 && where.Offset <= len(s.text) {
		for _, written := range []string{"input.parameters", `input["parameters"]`, "input[`parameters`]"} {
			if strings.HasPrefix(s.text[where.Offset:], written) {
				s.bound = append(s.bound, span{where.Offset, where.Offset + len(written)})
				return
			}
		}
	}
	s.dynamic = true
}

// edited is the text in the template's world.
func (s *source) edited(request *rewriteRequest, library, static bool) (string, error) {
	edits := map[span]string{}
	for _, at := range s.moved {
		edits[span{at, at + len("data")}] = request.Root + ".libs"
	}
	for _, at := range s.kept {
		edits[span{at, at + len("data")}] = request.Root
	}
	if static {
		for _, at := range s.bound {
			edits[at] = request.Parameters
		}
	}
	root := strings.TrimPrefix(request.Root, "data.")
	if library {
		root += ".libs" + strings.TrimPrefix(s.module.Package.Path.String(), "data")
	} else {
		root += ".template"
	}
	edits[s.packageSpan()] = "package " + root
	places := make([]span, 0, len(edits))
	for at := range edits {
		places = append(places, at)
	}
	slices.SortFunc(places, func(a, b span) int { return a.from - b.from })
	var text strings.Builder
	done := 0
	for _, at := range places {
		if at.from < done || at.to > len(s.text) || at.to < at.from {
			return "", failf("gatekeeper", "%s: a reference could not be located", s.path)
		}
		if word := s.text[at.from:at.to]; word != "data" && !strings.HasPrefix(word, "input") && !strings.HasPrefix(word, "package") {
			return "", failf("gatekeeper", "%s: a reference could not be located", s.path)
		}
		text.WriteString(s.text[done:at.from])
		text.WriteString(edits[at])
		done = at.to
	}
	text.WriteString(s.text[done:])
	return text.String(), nil
}

// packageSpan is where the package is stated, from the keyword to the end of the path.
func (s *source) packageSpan() span {
	from := s.module.Package.Location.Offset
	last := s.module.Package.Path[len(s.module.Package.Path)-1].Location
	to := last.Offset + len(last.Text)
	if last.Offset > 0 && s.text[last.Offset-1] == '[' {
		to += strings.IndexByte(s.text[to:], ']') + 1
	}
	return span{from, to}
}
