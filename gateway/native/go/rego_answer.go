package main

import (
	"encoding/json"
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// answer is what one query says about one input. Type: value, undefined, failed, timed_out.
type answer struct {
	Type    string          `json:"type"`
	Value   json.RawMessage `json:"value,omitempty"`
	Code    string          `json:"code,omitempty"`
	Message string          `json:"message,omitempty"`
	Path    string          `json:"path,omitempty"`
	Line    int             `json:"line,omitempty"`
	Column  int             `json:"column,omitempty"`
}

var (
	undefined   = answer{Type: "undefined"}
	outOfMemory = failedAs("memory", "the evaluation was ended: more memory is used than the process may take")
)

func timedOut(reason string) answer { return answer{Type: "timed_out", Code: reason} }

func failedAs(code, message string) answer {
	return answer{Type: "failed", Code: code, Message: message}
}

// encode makes JSON of a query's value.
func encode(value any, limit int) answer {
	if term, isTerm := value.(*ast.Term); isTerm {
		plain, err := ast.JSONWithOpt(term.Value, ast.JSONOpt{SortSets: true})
		if err != nil {
			return failedAs("result", err.Error())
		}
		value = plain
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return failedAs("result", err.Error())
	}
	if len(encoded) > limit {
		return failedAs("result_too_large", "the result is larger than the limit")
	}
	return answer{Type: "value", Value: encoded}
}

func failedAnswer(err error) answer {
	var failed *topdown.Error
	if !errors.As(err, &failed) {
		return failedAs("error", err.Error())
	}
	a := failedAs(failed.Code, failed.Message)
	if failed.Location != nil {
		a.Path, a.Line, a.Column = failed.Location.File, failed.Location.Row, failed.Location.Col
	}
	return a
}
