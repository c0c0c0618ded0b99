package main

import (
	"context"
	"encoding/json"
	"runtime"
	"sync"
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
	Timeout time.Duration `json:"timeout"`
	Lean    bool          `json:"lean"` // the objects of a review come without their managed fields
}

// batch is one call: every query over every input, by several workers, until the deadline.
type batch struct {
	rules   *ruleset
	queries []int
	inputs  [][]byte
	lean    bool
	data    *snapshot
	cancel  topdown.Cancel
	now     time.Time
	next    atomic.Int64
	running atomic.Int64
	memory  atomic.Bool // cancelled for the memory that is used

	mu      sync.Mutex
	answers [][]answer // guarded by mu; what is missing at the deadline timed out
	left    bool       // guarded by mu: nobody waits any more
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
	b := &batch{rules: rules, queries: request.Queries, inputs: parts[1:], lean: request.Lean, now: time.Now()}
	if err := b.prepare(); err != nil {
		return nil, err
	}
	if overrunning.Load() >= maxOverrunning {
		return b.result("saturated")
	}
	if request.Timeout <= 0 {
		return b.result("deadline")
	}
	ctx, stop := context.WithTimeout(context.Background(), request.Timeout)
	defer stop()
	select {
	case <-b.start(ctx):
		return b.result("")
	case <-ctx.Done():
		return b.result("deadline")
	}
}

func (b *batch) prepare() error {
	b.cancel = topdown.NewCancel()
	b.data = b.rules.store.current.Load()
	if b.queries == nil {
		for query := range b.rules.queries {
			b.queries = append(b.queries, query)
		}
	}
	for _, query := range b.queries {
		if query < 0 || query >= len(b.rules.queries) {
			return failf("bad_query", "there is no query %d", query)
		}
	}
	b.answers = make([][]answer, len(b.inputs))
	for index := range b.answers {
		b.answers[index] = make([]answer, 0, len(b.queries))
	}
	return nil
}

// start begins to work; the channel is closed when all is done.
func (b *batch) start(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	workers := min(len(b.inputs), runtime.GOMAXPROCS(0))
	unwatch := watch(b)
	b.running.Store(int64(workers))
	if workers == 0 {
		unwatch()
		close(done)
	}
	for range workers {
		spawn(func() {
			b.work(ctx)
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.left {
				overrunning.Add(-1)
			}
			if b.running.Add(-1) == 0 {
				unwatch()
				close(done)
			}
		})
	}
	return done
}

// result is the answers so far; whatever still runs is cancelled and left to itself.
func (b *batch) result(unfinished string) ([]byte, error) {
	b.cancel.Cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = true
	overrunning.Add(b.running.Load())
	missing := timedOut(unfinished)
	if b.memory.Load() {
		missing = outOfMemory
	}
	for index, row := range b.answers {
		for len(row) < len(b.queries) {
			row = append(row, missing)
		}
		b.answers[index] = row
	}
	return json.Marshal(b.answers)
}

// add appends an answer, unless it comes too late.
func (b *batch) add(index int, a answer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.left {
		b.answers[index] = append(b.answers[index], a)
	}
	return !b.left
}

func (b *batch) work(ctx context.Context) {
	for {
		index := int(b.next.Add(1)) - 1
		if index >= len(b.inputs) || b.cancel.Cancelled() {
			return
		}
		b.judge(ctx, index)
	}
}

// judge asks all queries about one input, which is parsed once. What one query finds out about rules that do not
// depend on the query serves the next one too. A strict failure is an answer that keeps nothing.
func (b *batch) judge(ctx context.Context, index int) {
	var input ast.Value
	read := parseValue
	if b.lean {
		read = parseReview
	}
	err := guarded(func() (err error) { input, err = read(b.inputs[index]); return err })
	var shared topdown.VirtualCache
	for _, query := range b.queries {
		one := answer{}
		if err != nil {
			one = failedAs("input", firstLine(err.Error()))
		} else {
			if shared == nil {
				shared = topdown.NewVirtualCache()
			}
			if caught := guarded(func() error { one = b.ask(ctx, query, input, shared); return nil }); caught != nil {
				one = failedAs("panic", "internal error of the native library: "+firstLine(caught.Error()))
			}
			if one.Type != "value" && one.Type != "undefined" {
				shared = nil // an evaluation that was broken off may leave it half-way
			}
		}
		if !b.add(index, one) {
			return
		}
	}
}

func (b *batch) ask(ctx context.Context, query int, input ast.Value, shared topdown.VirtualCache) answer {
	results, err := b.rules.queries[query].Eval(ctx,
		rego.EvalParsedInput(input),
		rego.EvalTransaction(b.data),
		rego.EvalTime(b.now),
		rego.EvalExternalCancel(b.cancel),
		rego.EvalVirtualCache(shared),
	)
	switch {
	case topdown.IsCancel(err) && b.memory.Load():
		return outOfMemory
	case topdown.IsCancel(err):
		return timedOut("deadline")
	case err != nil:
		return failedAnswer(err)
	case len(results) == 0:
		return undefined
	case len(results) > 1:
		return failedAs("several_results", "the query has several results: collect them in a comprehension")
	}
	return encode(results[0].Expressions[0].Value, b.rules.options.MaxResultBytes)
}
