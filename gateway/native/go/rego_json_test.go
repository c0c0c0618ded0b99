package main

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// FuzzParseValue: however a document is read, it is what OPA's own reader makes of it, or refused by both.
func FuzzParseValue(f *testing.F) {
	for _, seed := range []string{
		`{"a": [1, 2.0, -3e5, true, false, null], "b": {}, "c": [], "": {"": [{}]}}`,
		`{"a": 1, "b": {"a": 2}, "a": 3}`, `{"a": {"a": 1}, "b": {"a": 1, "a": 1}}`, `{"\u0061": 1, "a": 2}`,
		`"\u00e9\ud83d\ude00\ud800\"\\\/\n"`, "\"\xff\"", "{\"\xff\": 1}", "\"\u2028\"", " \t\r\n[ 1 ,2 ] ", `"text"`, `0`, `-0.0`,
		`1e999999999999`, `[1e400, 12345678901234567890]`, `{"a" : 1 , "b" : [ ] }`, `tru`, ``, `{`, `[1,]`, `{"a":1}x`, `01`,
		strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999), strings.Repeat("[", 20_000),
	} {
		f.Add([]byte(seed))
	}
	for _, seed := range []string{
		`{"review": {"object": {"metadata": {"name": "a", "managedFields": [{"a": "b\n", "c": 1e3}]}}, "managedFields": 1}}`,
		`{"review": {"object": null, "oldObject": {"metadata": {"managedFields": {}, "managedFields": 2}, "metadata": 1}}}`,
		`{"review": {"object": {"metadata": {"managedFields": [1,]}}}}`, `{"review": {"object": {"metadata": []}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		compare(t, data, nil, parseValue)
		compare(t, data, leanReview, parseReview)
	})
}

func compare(t *testing.T, data []byte, leave without, parse func([]byte) (ast.Value, error)) {
	value, err := parse(data)
	var decoded any
	wrong := util.UnmarshalJSON(data, &decoded)
	leave.prune(decoded)
	var expected ast.Value
	if wrong == nil {
		expected, wrong = ast.InterfaceToValue(decoded)
	}
	if (err == nil) != (wrong == nil) {
		t.Fatalf("read with %v, by OPA with %v", err, wrong)
	}
	if err != nil {
		return
	}
	if value.Compare(expected) != 0 || value.Hash() != expected.Hash() || value.String() != expected.String() ||
		value.IsGround() != expected.IsGround() {
		t.Fatalf("read as %v, by OPA as %v", value, expected)
	}
}
