package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

func init() { register("rego.test", runTests) }

type testRequest struct {
	Modules []regoModule  `json:"modules"`
	Options regoOptions   `json:"options"`
	Filter  string        `json:"filter"`  // a regular expression on the full name
	Timeout time.Duration `json:"timeout"` // of each test
}

type testResult struct {
	Package string  `json:"package"`
	Name    string  `json:"name"`
	Path    string  `json:"path"`
	Line    int     `json:"line"`
	Outcome string  `json:"outcome"` // passed, failed, error, skipped
	Message string  `json:"message"`
	Output  string  `json:"output"` // of print
	Seconds float64 `json:"seconds"`
}

type fileCoverage struct {
	Path       string `json:"path"`
	Covered    []int  `json:"covered"`
	NotCovered []int  `json:"notCovered"`
}

// runTests runs the rules named test_*, as `opa test --coverage` does.
func runTests(in []byte) ([]byte, error) {
	parts, err := unframe(in)
	if err != nil || len(parts) != 2 {
		return nil, failf("frames", "rego.test takes a request and data")
	}
	var request testRequest
	if err := json.Unmarshal(parts[0], &request); err != nil {
		return nil, err
	}
	var data map[string]any
	if err := json.Unmarshal(parts[1], &data); err != nil || data == nil {
		return nil, failf("data", "data is not a JSON object")
	}
	modules, err := parseModules(request.Modules, capabilities(request.Options.Hosts))
	if err != nil {
		return nil, err
	}
	results, coverage, err := test(&request, modules, data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"results": results, "coverage": coverage})
}

func test(request *testRequest, modules map[string]*ast.Module, data map[string]any) ([]testResult, []fileCoverage, error) {
	ctx := context.Background()
	store := inmem.NewFromObject(data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer store.Abort(ctx, txn)
	tracer := cover.New()
	found, err := tester.NewRunner().
		SetCompiler(newCompiler(request.Options).WithEnablePrintStatements(true)).
		SetStore(store).
		SetModules(modules).
		SetTimeout(request.Timeout).
		SetCoverageQueryTracer(tracer).
		RaiseBuiltinErrors(request.Options.StrictBuiltins).
		Filter(request.Filter).
		RunTests(ctx, txn)
	if err != nil {
		return nil, nil, refusedAs("tests", err)
	}
	results := []testResult{}
	for result := range found {
		if result != nil {
			results = append(results, tested(result))
		}
	}
	slices.SortFunc(results, func(a, b testResult) int {
		return strings.Compare(a.Package+"\x00"+a.Name, b.Package+"\x00"+b.Name)
	})
	return results, covered(tracer.Report(modules)), nil
}

func tested(result *tester.Result) testResult {
	one := testResult{
		Package: result.Package, Name: result.Name, Outcome: "passed",
		Output: string(result.Output), Seconds: result.Duration.Seconds(),
	}
	if result.Location != nil {
		one.Path, one.Line = result.Location.File, result.Location.Row
	}
	switch {
	case result.Skip:
		one.Outcome = "skipped"
	case result.Error != nil:
		one.Outcome, one.Message = "error", result.Error.Error()
	case result.Fail:
		one.Outcome = "failed"
		var cases []string
		for name, sub := range result.SubResults.Iter {
			if sub.Fail && len(sub.SubResults) == 0 {
				cases = append(cases, strings.Join(name, "/"))
			}
		}
		one.Message = strings.Join(cases, ", ")
	}
	return one
}

// covered flattens OPA's report into lines. A line is covered only if nothing in it is not.
func covered(report cover.Report) []fileCoverage {
	files := []fileCoverage{}
	for path, file := range report.Files {
		one := fileCoverage{Path: path, Covered: []int{}, NotCovered: lines(file.NotCovered)}
		for _, line := range lines(file.Covered) {
			if !slices.Contains(one.NotCovered, line) {
				one.Covered = append(one.Covered, line)
			}
		}
		files = append(files, one)
	}
	slices.SortFunc(files, func(a, b fileCoverage) int { return strings.Compare(a.Path, b.Path) })
	return files
}

func lines(ranges []cover.Range) []int {
	found := []int{}
	for _, one := range ranges {
		for line := one.Start.Row; line <= one.End.Row; line++ {
			found = append(found, line)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
