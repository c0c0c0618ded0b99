package main

import (
	"math"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"
)

func init() {
	register("paths.get", pathGet)
	register("paths.match", pathMatch)
	register("paths.replace", pathReplace)
}

const (
	maxPathBytes   = 1024
	maxPathGrowth  = 16 << 20 // what a path could make of a document, at most
	maxReplaced    = 1 << 20  // bytes that one replacement makes of all texts
	maxReplacedIn  = 16 << 10 // bytes of one text: an empty match may put the replacement between any two
	foundNothing   = 0
	foundSomething = 1
)

// pathGet takes a JSON document and a gjson path: whether there is something, and what, as text.
func pathGet(in []byte) ([]byte, error) {
	parts, err := unframe(in)
	if err != nil || len(parts) != 2 {
		return nil, failf("frames", "paths.get takes a document and a path")
	}
	document, path := parts[0], string(parts[1])
	if len(path) > maxPathBytes {
		return nil, failf("path", "the path is longer than %d bytes", maxPathBytes)
	}
	if float64(len(document)+len(path))*growth(path) > maxPathGrowth {
		return nil, failf("path", "the path repeats the document too often")
	}
	if !gjson.ValidBytes(document) {
		return nil, failf("json", "the value is not JSON")
	}
	found := gjson.GetBytes(document, path)
	if !found.Exists() {
		return []byte{foundNothing}, nil
	}
	return append([]byte{foundSomething}, found.String()...), nil
}

// growth bounds by how much a path can make a document larger: multipaths ([a,b], {a,b}) repeat what is before them,
// and modifiers (@tostr, @pretty) may double it, one after the other.
func growth(path string) float64 {
	groups := float64(strings.Count(path, "[") + strings.Count(path, "{"))
	factor := math.Pow(2, float64(strings.Count(path, "@")))
	if groups > 0 {
		factor *= math.Pow(1+float64(strings.Count(path, ","))/groups, groups)
	}
	return factor
}

// pathMatch takes a pattern and any number of texts: a byte for each, 1 if the pattern is found in it.
func pathMatch(in []byte) ([]byte, error) {
	parts, err := unframe(in)
	if err != nil || len(parts) == 0 {
		return nil, failf("frames", "paths.match takes a pattern and texts")
	}
	if len(parts[0]) > maxPathBytes {
		return nil, failf("pattern", "the pattern is longer than %d bytes", maxPathBytes)
	}
	pattern, err := regexp.Compile(string(parts[0]))
	if err != nil {
		return nil, failf("pattern", "%s", err)
	}
	out := make([]byte, len(parts)-1)
	for i, text := range parts[1:] {
		if pattern.Match(text) {
			out[i] = 1
		}
	}
	return out, nil
}

// pathReplace takes a pattern, a replacement with $1 and ${name}, and any number of texts: each with all that the pattern
// finds in it replaced.
func pathReplace(in []byte) ([]byte, error) {
	parts, err := unframe(in)
	if err != nil || len(parts) < 2 {
		return nil, failf("frames", "paths.replace takes a pattern, a replacement and texts")
	}
	if len(parts[0]) > maxPathBytes || len(parts[1]) > maxPathBytes {
		return nil, failf("pattern", "the pattern, or its replacement, is longer than %d bytes", maxPathBytes)
	}
	pattern, err := regexp.Compile(string(parts[0]))
	if err != nil {
		return nil, failf("pattern", "%s", err)
	}
	var out []byte
	for _, text := range parts[2:] {
		if len(text) > maxReplacedIn {
			return nil, failf("pattern", "a text is longer than %d bytes", maxReplacedIn)
		}
		if out = appendFrame(out, pattern.ReplaceAll(text, parts[1])); len(out) > maxReplaced {
			return nil, failf("pattern", "the replacement makes more than %d bytes", maxReplaced)
		}
	}
	return out, nil
}
