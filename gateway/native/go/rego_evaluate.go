package main

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

func init() {
	register("rego.evaluate", evaluate)
	register("rego.overrunning", func([]byte) ([]byte, error) { return json.Marshal(overrunning.Load()) })
}

// overrunning counts evaluations that still run after they were answered. Most end at once; one that does not look
// whether it was cancelled runs on, and only the end of the process ends it.
var overrunning atomic.Int64

// maxOverrunning bounds them: beyond it nothing new is started.
const maxOverrunning = 32

type evaluateRequest struct {
	Handle  uint64        `json:"handle"`
	Queries []int         `json:"queries"`
	Timeout time.Duration `json:"timeout"` // of each input
	Lean    bool          `json:"lean"`    // the objects of a review come without their managed fields
}

func evaluate(in []byte) ([]byte, error) {
	parts, err := unframe(in)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, failf("frames", "rego.evaluate takes a request and inputs")
	}
	var request evaluateRequest
	if err := json.Unmarshal(parts[0], &request); err != nil {
		return nil, err
	}
	rules, err := rulesets.get(request.Handle)
	if err != nil {
		return nil, err
	}
	b := &batch{
		rules: rules, queries: request.Queries, inputs: parts[1:], lean: request.Lean, limit: within(request.Timeout),
	}
	if err := b.prepare(); err != nil {
		return nil, err
	}
	return json.Marshal(b.run())
}

// judge asks all queries about one input, which is parsed once. What one query finds out about rules that do not
// depend on the query serves the next one too. A strict failure is an answer that keeps nothing.
func (b *batch) judge(ctx context.Context, e *evaluation) {
	var input ast.Value
	read := parseValue
	if b.lean {
		read = parseReview
	}
	err := guarded(func() (err error) { input, err = read(b.inputs[e.index]); return err })
	var shared topdown.VirtualCache
	for _, query := range b.queries {
		one := answer{}
		if err != nil {
			one = failedAs("input", firstLine(err.Error()))
		} else {
			if shared == nil {
				shared = topdown.NewVirtualCache()
			}
			if caught := guarded(func() error { one = b.ask(ctx, e, query, input, shared); return nil }); caught != nil {
				one = failedAs("panic", "internal error of the native library: "+firstLine(caught.Error()))
			}
			if one.Type != "value" && one.Type != "undefined" {
				shared = nil // an evaluation that was broken off may leave it half-way
			}
		}
		if !b.add(e, one) {
			return
		}
	}
}

func (b *batch) ask(ctx context.Context, e *evaluation, query int, input ast.Value, shared topdown.VirtualCache) answer {
	results, err := b.rules.queries[query].Eval(ctx,
		rego.EvalParsedInput(input),
		rego.EvalTransaction(b.data),
		rego.EvalTime(b.now),
		rego.EvalExternalCancel(e.cancel),
		rego.EvalVirtualCache(shared),
	)
	switch {
	case topdown.IsCancel(err):
		return e.unfinished()
	case err != nil:
		return failedAnswer(err)
	case len(results) == 0:
		return undefined
	case len(results) > 1:
		return failedAs("several_results", "the query has several results: collect them in a comprehension")
	}
	return encode(results[0].Expressions[0].Value, b.rules.options.MaxResultBytes)
}
