package main

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"text/template"
	_ "time/tzdata" // a zone that the machine does not know would silently be UTC
)

func init() {
	register("templates.render", renderTemplate)
	register("templates.check", checkTemplate)
}

// A dialect is what a controller offers to its templates: the functions, and what a key that is missing is. Strict: what is
// not there, or cannot be read, is an error wherever it would become a value.
type dialect struct {
	missingKey string
	functions  func() template.FuncMap
	strict     bool
}

// dialects by the names that Python gives them. External Secrets (engine v2, v1.3.2) ends at a key that is missing;
// Sealed Secrets (v0.40.0) has text/template's default, "<no value>". Both fill in strings. Strict is govgate alone.
var dialects = map[string]dialect{
	"external-secrets": {"missingkey=error", sync.OnceValue(func() template.FuncMap { return strict(bounded(externalFunctions)) }), true},
	"sealed-secrets":   {"missingkey=default", sync.OnceValue(func() template.FuncMap { return bounded(nil) }), false},
}

// templateName stands in every position that text/template states: see problemOf.
const templateName = "text"

// maxTemplateStackBytes ends a helper whose template has a function print what contains itself.
const maxTemplateStackBytes = 256 << 20

type templateRequest struct {
	Dialect     string `json:"dialect"`
	OutputBytes int    `json:"outputBytes"`
}

// templateFrames takes a request as JSON, the text, then a name and a value for each key.
func templateFrames(in []byte) (request templateRequest, chosen dialect, text string, values [][]byte, err error) {
	parts, err := unframe(in)
	if err == nil && (len(parts) < 2 || len(parts)%2 != 0 || json.Unmarshal(parts[0], &request) != nil) {
		err = failf("frames", "templates take a request, a text, and values with their names")
	}
	if err != nil {
		return request, chosen, "", nil, err
	}
	chosen, known := dialects[request.Dialect]
	if !known {
		return request, chosen, "", nil, failf("dialect", "there is no dialect %q", request.Dialect)
	}
	return request, chosen, string(parts[1]), parts[2:], nil
}

// renderTemplate gives what a template makes.
//
// A template may take any time and memory: this is called in a helper process alone.
func renderTemplate(in []byte) ([]byte, error) {
	debug.SetMaxStack(maxTemplateStackBytes)
	request, chosen, text, pairs, err := templateFrames(in)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		values[string(pairs[i])] = string(pairs[i+1])
	}
	parsed, err := chosen.parse(text)
	if err != nil {
		return nil, problemOf(err, text)
	}
	made := limited{left: request.OutputBytes}
	if err := parsed.Execute(&made, values); err != nil {
		return nil, problemOf(err, text)
	}
	return made.data, nil
}

// checkTemplate parses, and runs nothing: what that takes is bounded by the text.
func checkTemplate(in []byte) ([]byte, error) {
	_, chosen, text, _, err := templateFrames(in)
	if err != nil {
		return nil, err
	}
	if _, err := chosen.parse(text); err != nil {
		return nil, problemOf(err, text)
	}
	return nil, nil
}

// maxOpenBlocks bounds how deep the parser, which recurses, can go.
const maxOpenBlocks = 10_000

func (d dialect) parse(text string) (*template.Template, error) {
	if strings.Count(text, "{{") > maxOpenBlocks {
		return nil, limit("has more than %d actions", maxOpenBlocks)
	}
	parsed, err := template.New(templateName).Option(d.missingKey).Funcs(d.functions()).Parse(text)
	if err == nil && d.strict {
		guard(parsed)
	}
	return parsed, err
}

// told is an error whose text holds nothing but what stands in this library: it may be shown.
type told struct{ code, text string }

func (t *told) Error() string { return t.text }

func tell(format string, values ...any) error {
	return &told{"template", fmt.Sprintf(format, values...)}
}

func limit(format string, values ...any) error {
	return &told{"limit", fmt.Sprintf(format, values...)}
}

// limited is what a template writes to.
type limited struct {
	data []byte
	left int
}

func (l *limited) Write(data []byte) (int, error) {
	if len(data) > l.left {
		return 0, limit("makes more than it may")
	}
	l.left -= len(data)
	l.data = append(l.data, data...)
	return len(data), nil
}
