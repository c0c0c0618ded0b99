package main

import "sync/atomic"

// spare takes work for goroutines that wait; at most maxSpare do.
var (
	spare   = make(chan func())
	waiting atomic.Int64
)

const maxSpare = 8

// spawn runs f in a goroutine, if possible in one that has evaluated rules before: its stack has grown already, which
// is a tenth of the cost of an evaluation.
func spawn(f func()) {
	select {
	case spare <- f:
		return
	default:
	}
	go func() {
		for {
			f()
			if waiting.Add(1) > maxSpare {
				waiting.Add(-1)
				return
			}
			f = <-spare
			waiting.Add(-1)
		}
	}()
}
