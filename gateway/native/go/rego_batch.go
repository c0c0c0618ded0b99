package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// batch is one call: every query over every input, by several workers, each input within a time of its own. So an input
// is decided in a batch as it would be by itself, and one that does not end costs the others nothing.
type batch struct {
	rules   *ruleset
	queries []int
	inputs  [][]byte
	lean    bool
	limit   func() (context.Context, context.CancelFunc) // begins the time of one input
	data    *snapshot
	now     time.Time
	next    atomic.Int64
	memory  atomic.Bool   // nothing more is begun, for the memory that is used
	done    chan struct{} // closed when each input has its answers

	mu      sync.Mutex
	answers [][]answer           // guarded by mu until done
	open    int                  // guarded by mu: inputs without all their answers
	running map[*evaluation]bool // guarded by mu; true if it ran at the last look at the memory already
}

// evaluation is one input of a batch while it is judged.
type evaluation struct {
	index  int
	cancel topdown.Cancel
	memory atomic.Bool // cancelled for the memory that is used
	over   bool        // guarded by the batch's mu: it was answered, whether it still runs or not
}

// unfinished is the answer of what was cancelled.
func (e *evaluation) unfinished() answer {
	if e.memory.Load() {
		return outOfMemory
	}
	return timedOut("deadline")
}

func (b *batch) prepare() error {
	b.now = time.Now()
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

// within is the limit of so much time.
func within(timeout time.Duration) func() (context.Context, context.CancelFunc) {
	return func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), timeout)
	}
}

// run gives the answers about each input. It takes no longer than the workers need if every input takes all its time.
func (b *batch) run() [][]answer {
	if b.open = len(b.inputs); b.open == 0 {
		return b.answers
	}
	b.done = make(chan struct{})
	b.running = make(map[*evaluation]bool, 1)
	unwatch := watch(b)
	defer unwatch()
	for range min(len(b.inputs), runtime.GOMAXPROCS(0)) {
		spawn(b.work)
	}
	<-b.done
	return b.answers
}

// work judges one input after the other, until it is left behind with one: then another worker has taken its place.
func (b *batch) work() {
	for {
		index := int(b.next.Add(1)) - 1
		if index >= len(b.inputs) || !b.one(index) {
			return
		}
	}
}

// one has an input judged, if that may be begun, and says whether it ended in time.
func (b *batch) one(index int) bool {
	e := &evaluation{index: index}
	switch {
	case b.memory.Load():
		return b.settle(e, outOfMemory, false)
	case overrunning.Load() >= maxOverrunning:
		return b.settle(e, timedOut("saturated"), false)
	}
	ctx, stop := b.limit()
	defer stop()
	if ctx.Err() != nil {
		return b.settle(e, e.unfinished(), false)
	}
	e.cancel = topdown.NewCancel()
	b.mu.Lock()
	b.running[e] = false
	b.mu.Unlock()
	ended := context.AfterFunc(ctx, func() { b.leave(e) })
	b.judge(ctx, e)
	ended()
	if b.settle(e, e.unfinished(), false) {
		return true
	}
	overrunning.Add(-1)
	return false
}

// leave answers for an evaluation whose time is over: it is cancelled, and left to itself until it notices. The inputs
// that are left are another worker's.
func (b *batch) leave(e *evaluation) {
	e.cancel.Cancel()
	if b.settle(e, e.unfinished(), true) && b.next.Load() < int64(len(b.inputs)) {
		spawn(b.work)
	}
}

// settle ends the answers about an input, with this one where there is none, unless that is done already. What is left
// behind counts as overrunning before anybody sees the answers.
func (b *batch) settle(e *evaluation, missing answer, left bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.over {
		return false
	}
	e.over = true
	delete(b.running, e)
	for row := &b.answers[e.index]; len(*row) < len(b.queries); {
		*row = append(*row, missing)
	}
	if left {
		overrunning.Add(1)
	}
	if b.open--; b.open == 0 {
		close(b.done)
	}
	return true
}

// add appends an answer, unless it comes too late.
func (b *batch) add(e *evaluation, a answer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !e.over {
		b.answers[e.index] = append(b.answers[e.index], a)
	}
	return !e.over
}

// endLong cancels what runs since the last look at the memory, if too much is used, and says whether anything does.
func (b *batch) endLong(beyond bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	long := false
	for e, before := range b.running {
		if beyond && before {
			e.memory.Store(true)
			e.cancel.Cancel()
			long = true
		}
		b.running[e] = true
	}
	return long
}

// end cancels all that runs, for the memory that is used, and begins nothing more.
func (b *batch) end() {
	b.memory.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := range b.running {
		e.memory.Store(true)
		e.cancel.Cancel()
	}
}
