package main

import (
	"encoding/json"
	"sort"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

type inspectRequest struct {
	Modules []struct {
		Path string `json:"path"`
		Text string `json:"text"`
	} `json:"modules"`
}

type inspected struct {
	Path    string   `json:"path"`
	Package string   `json:"package"`
	Version int      `json:"version"`
	Rules   []string `json:"rules"`
}

type inspectProblem struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

type inspectReply struct {
	Modules  []inspected      `json:"modules"`
	Problems []inspectProblem `json:"problems"`
}

func init() {
	register("rego.inspect", inspectModules)
}

// inspectModules tells each module's package, the names of its rules, and the version of Rego it is written in: 1 if it
// can be read as that, else 0. What can be read as neither is a problem, stated as the parser for version 1 states it.
func inspectModules(in []byte) ([]byte, error) {
	var request inspectRequest
	if err := json.Unmarshal(in, &request); err != nil {
		return nil, err
	}
	reply := inspectReply{Modules: []inspected{}, Problems: []inspectProblem{}}
	for _, module := range request.Modules {
		version := 1
		parsed, err := ast.ParseModuleWithOpts(module.Path, module.Text, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			version = 0
			var older error
			parsed, older = ast.ParseModuleWithOpts(module.Path, module.Text, ast.ParserOptions{RegoVersion: ast.RegoV0})
			if older != nil {
				reply.Problems = append(reply.Problems, problemsOf(module.Path, err)...)
				continue
			}
		}
		if parsed == nil {
			reply.Problems = append(reply.Problems, inspectProblem{module.Path, 1, 1, "rego_parse_error", "the file is empty"})
			continue
		}
		names := map[string]bool{}
		for _, rule := range parsed.Rules {
			names[rule.Head.Ref().GroundPrefix().String()] = true
		}
		found := inspected{Path: module.Path, Version: version, Rules: []string{}}
		found.Package = strings.TrimPrefix(parsed.Package.Path.String(), "data.")
		for name := range names {
			found.Rules = append(found.Rules, name)
		}
		sort.Strings(found.Rules)
		reply.Modules = append(reply.Modules, found)
	}
	return json.Marshal(reply)
}

func problemsOf(path string, err error) []inspectProblem {
	problems, ok := err.(ast.Errors)
	if !ok {
		return []inspectProblem{{path, 0, 0, "rego_parse_error", err.Error()}}
	}
	found := make([]inspectProblem, 0, len(problems))
	for _, problem := range problems {
		line, column := 0, 0
		if problem.Location != nil {
			line, column = problem.Location.Row, problem.Location.Col
		}
		found = append(found, inspectProblem{path, line, column, problem.Code, problem.Message})
	}
	return found
}
