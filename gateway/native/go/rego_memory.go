package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// Go cannot be told how much one evaluation may allocate, and ends the process where there is no memory. So whoever
// evaluates is watched: when the heap is beyond the soft limit of the runtime, which garbage alone never makes it,
// the evaluations that have run for a while are cancelled; if there are none, the calls that have, whose evaluations
// are short and many.

const watchInterval = 20 * time.Millisecond

var watched struct {
	mu      sync.Mutex
	batches map[*batch]bool // guarded by mu; true if it was there at the last look already
	active  bool            // guarded by mu: the watch runs
}

// watch adds a batch to those that are watched, until the function it gives is called.
func watch(b *batch) (done func()) {
	watched.mu.Lock()
	defer watched.mu.Unlock()
	if watched.batches == nil {
		watched.batches = map[*batch]bool{}
	}
	watched.batches[b] = false
	if !watched.active {
		watched.active = true
		go watchMemory()
	}
	return func() {
		watched.mu.Lock()
		defer watched.mu.Unlock()
		delete(watched.batches, b)
	}
}

// watchMemory looks until there is nothing to watch.
func watchMemory() {
	for {
		time.Sleep(watchInterval)
		beyond := beyondLimit() && stillBeyondLimit()
		watched.mu.Lock()
		long := false
		for b := range watched.batches {
			long = b.endLong(beyond) || long
		}
		for b, before := range watched.batches {
			if beyond && before && !long {
				b.end()
			}
			watched.batches[b] = true
		}
		if len(watched.batches) == 0 {
			watched.active = false
			watched.mu.Unlock()
			return
		}
		watched.mu.Unlock()
	}
}

// beyondLimit says whether the heap, what is garbage by now included, is larger than the soft limit.
func beyondLimit() bool {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	limit := debug.SetMemoryLimit(-1) // a negative number only asks
	return limit < math.MaxInt64 && heap[0].Value.Uint64() > uint64(limit)
}

// stillBeyondLimit says whether it still is when the garbage is gone: what an evaluation left that has ended is not held
// against those that run now.
func stillBeyondLimit() bool {
	runtime.GC()
	return beyondLimit()
}
