package main

/*
#include <stdint.h>
#include <stddef.h>
*/
import "C"

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// queue holds the results of submitted calls until they are taken. Its eventfd is readable while there are any; the
// queue owns it, so that a late result never writes to a descriptor that has become another's.
type queue struct {
	mu     sync.Mutex
	fd     int
	closed bool
	done   []completion
}

type completion struct {
	id     uint64
	status int
	out    []byte
}

var queues handles[*queue]

// put adds a result; dropped if nobody waits any more.
func (q *queue) put(c completion) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.done = append(q.done, c)
	if len(q.done) == 1 {
		q.signal()
	}
}

// signal makes the eventfd readable. It cannot fail but by overflow, where it is readable already.
func (q *queue) signal() { _, _ = unix.Write(q.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// take removes the oldest result. With the last one the eventfd is made silent again.
func (q *queue) take() (completion, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.done) == 0 {
		return completion{}, false
	}
	first := q.done[0]
	q.done[0] = completion{}
	if q.done = q.done[1:]; len(q.done) == 0 {
		q.done = nil
		var count [8]byte
		_, _ = unix.Read(q.fd, count[:])
	}
	return first, true
}

//export gg_queue_open
func gg_queue_open(fd *C.int) C.uint64_t {
	made, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return 0
	}
	*fd = C.int(made)
	return C.uint64_t(queues.add(&queue{fd: made}))
}

//export gg_queue_close
func gg_queue_close(handle C.uint64_t) {
	q, known := queues.remove(uint64(handle))
	if !known {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.done = true, nil
	_ = unix.Close(q.fd)
}

// gg_submit starts a call. A result that is there within the patience (nanoseconds) is given at once, with its status;
// a later one comes through the queue, under the id (statusNone). Most calls take less than it costs to be told of them.
//
//export gg_submit
func gg_submit(
	handle C.uint64_t, id C.uint64_t, patience C.int64_t, method *C.char, in *C.char, inLen C.size_t,
	out **C.char, outLen *C.size_t,
) C.int {
	q, err := queues.get(uint64(handle))
	if err != nil {
		return statusClosed
	}
	name, data := C.GoString(method), copied(in, inLen)
	if patience <= 0 {
		go func() {
			status, result := run(name, data)
			q.put(completion{uint64(id), status, result})
		}()
		return statusNone
	}
	soon := make(chan completion, 1)
	var settled atomic.Bool // who comes second does what the first one left
	go func() {
		status, result := run(name, data)
		c := completion{uint64(id), status, result}
		if settled.Swap(true) {
			q.put(c)
		} else {
			soon <- c
		}
	}()
	timer := time.NewTimer(time.Duration(patience))
	defer timer.Stop()
	var c completion
	select {
	case c = <-soon:
	case <-timer.C:
		if !settled.Swap(true) {
			return statusNone
		}
		c = <-soon
	}
	give(c.out, out, outLen)
	return C.int(c.status)
}

// gg_take gives the next result of a queue, or says that there is none.
//
//export gg_take
func gg_take(handle C.uint64_t, id *C.uint64_t, out **C.char, outLen *C.size_t) C.int {
	q, err := queues.get(uint64(handle))
	if err != nil {
		return statusNone
	}
	next, any := q.take()
	if !any {
		return statusNone
	}
	*id = C.uint64_t(next.id)
	give(next.out, out, outLen)
	return C.int(next.status)
}
