package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/types"
)

// The time of an input ends here when the test says so, and what does not end runs until the test lets it: no clock.

// stuck is told of each evaluation that hangs in test.hang, which looks at no cancellation; it goes on when it is let.
var stuck = make(chan hanging)

type hanging struct {
	ctx context.Context
	let chan struct{}
}

func init() {
	hang := &ast.Builtin{Name: "test.hang", Decl: types.NewFunction(types.Args(types.B), types.B), Nondeterministic: true}
	ast.RegisterBuiltin(hang)
	topdown.RegisterBuiltinFunc(hang.Name, func(b topdown.BuiltinContext, args []*ast.Term, give func(*ast.Term) error) error {
		here := hanging{b.Context, make(chan struct{})}
		stuck <- here
		<-here.let
		return give(args[0])
	})
}

// clock begins the time of inputs, and ends that of the one whose context it is.
type clock struct{ ends sync.Map }

func (c *clock) limit() (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancel(context.Background())
	c.ends.Store(ctx, end)
	return ctx, end
}

func (c *clock) end(ctx context.Context) {
	end, _ := c.ends.Load(ctx)
	end.(context.CancelFunc)()
}

const hangs = `package t
hung if { input.hang; test.hang(true) }
endless if { input.endless; some i in numbers.range(1, 1000000); some j in numbers.range(1, 1000000); i * j == -1 }
quick := 1
`

func newBatch(t *testing.T, queries, inputs []string) (*batch, *clock) {
	t.Helper()
	rules, err := newRuleset(&compileRequest{
		Modules: []regoModule{{Path: "t.rego", Text: hangs, Version: 1}},
		Queries: queries,
		Options: regoOptions{MaxResultBytes: 1 << 20},
	}, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{}
	b := &batch{rules: rules, limit: c.limit}
	for _, input := range inputs {
		b.inputs = append(b.inputs, []byte(input))
	}
	if err := b.prepare(); err != nil {
		t.Fatal(err)
	}
	return b, c
}

func started(b *batch) <-chan [][]answer {
	given := make(chan [][]answer, 1)
	go func() { given <- b.run() }()
	return given
}

func said(answers []answer) (all string) {
	for _, a := range answers {
		all += fmt.Sprint(a.Type, a.Code, string(a.Value), " ")
	}
	return all
}

// none waits until nothing overruns.
func none(t *testing.T) {
	t.Helper()
	for range 6000 {
		if overrunning.Load() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d still overrun", overrunning.Load())
}

func TestAnInputThatDoesNotEndCostsOnlyItself(t *testing.T) {
	inputs := make([]string, 50)
	for index := range inputs {
		inputs[index] = "{}"
	}
	const bad = 3
	inputs[bad] = `{"hang": true}`
	b, c := newBatch(t, []string{"data.t.quick", "data.t.hung", "data.t.quick"}, inputs)
	given := started(b)
	one := <-stuck
	c.end(one.ctx)
	for index, row := range <-given {
		expected := "value1 undefined value1 "
		if index == bad {
			expected = "value1 timed_outdeadline timed_outdeadline "
		}
		if said(row) != expected {
			t.Errorf("input %d: %s", index, said(row))
		}
	}
	if got := overrunning.Load(); got != 1 {
		t.Errorf("%d overrun", got)
	}
	close(one.let)
	none(t)
}

func TestTheOthersDoNotWaitForOneThatDoesNotEnd(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the only worker is the one that is stuck
	b, c := newBatch(t, []string{"data.t.hung", "data.t.quick"}, []string{`{"hang": true}`, `{"hang": true}`, "{}"})
	given := started(b)
	first := <-stuck
	c.end(first.ctx)
	second := <-stuck
	c.end(second.ctx)
	if rows := <-given; said(rows[2]) != "undefined value1 " {
		t.Errorf("the last input: %s", said(rows[2]))
	}
	if got := overrunning.Load(); got != 2 {
		t.Errorf("%d overrun", got)
	}
	close(first.let)
	close(second.let)
	none(t)
}

func TestBeyondTheBoundNothingMoreIsBegun(t *testing.T) {
	const workers = 2
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(workers))
	inputs := make([]string, maxOverrunning+20)
	for index := range inputs {
		inputs[index] = `{"hang": true}`
	}
	b, c := newBatch(t, []string{"data.t.hung", "data.t.quick"}, inputs)
	given := started(b)
	var left []hanging
	var rows [][]answer
	for rows == nil {
		select {
		case one := <-stuck:
			left = append(left, one)
			c.end(one.ctx)
		case rows = <-given:
		}
	}
	if begun := len(left); begun < maxOverrunning || begun >= maxOverrunning+workers {
		t.Errorf("%d were begun", begun)
	}
	if last := said(rows[len(rows)-1]); last != "timed_outsaturated timed_outsaturated " {
		t.Errorf("the last input: %s", last)
	}
	for _, one := range left {
		close(one.let)
	}
	none(t)
}

func TestWhatRunsWhileTooMuchMemoryIsUsedIsEndedAlone(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b, _ := newBatch(t, []string{"data.t.hung", "data.t.quick"}, []string{`{"hang": true}`, "{}"})
	given := started(b)
	one := <-stuck
	if b.endLong(true) {
		t.Error("what has only begun was ended")
	}
	if !b.endLong(true) {
		t.Error("what ran at the last look goes on")
	}
	close(one.let)
	rows := <-given
	if last := rows[0][1]; last.Code != "memory" {
		t.Errorf("the input that was ended: %s", said(rows[0]))
	}
	if said(rows[1]) != "undefined value1 " {
		t.Errorf("the other one: %s", said(rows[1]))
	}
}

func TestACallWhoseEvaluationsAreAllShortIsEndedWhole(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b, _ := newBatch(t, []string{"data.t.hung", "data.t.quick"}, []string{`{"hang": true}`, "{}"})
	given := started(b)
	one := <-stuck
	b.end()
	close(one.let)
	if rows := <-given; said(rows[1]) != "failedmemory failedmemory " {
		t.Errorf("what was to follow: %s", said(rows[1]))
	}
}
