// Package main is govgate's native library: what Go programs define, Rego first, called from Python.
//
// Each capability is a file of its own that registers handlers by name. A handler takes bytes and returns bytes; it
// runs under recover, so that a panic becomes an error of the call. What it is given is its own copy.
package main

/*
#include <stdint.h>
#include <stdlib.h>
*/
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"unsafe"
)

// What a call ends with. Python knows the same numbers.
const (
	statusOK     = 0 // the output is the result
	statusError  = 1 // the output is a failure as JSON
	statusPanic  = 2 // the output is the text of the panic
	statusNone   = 3 // nothing to take yet: see gg_submit, gg_take
	statusClosed = 4 // there is no such queue
)

type handler func(in []byte) ([]byte, error)

var handlers = map[string]handler{}

// register makes a capability callable; only from init functions, so that no lock is needed.
func register(method string, h handler) {
	if _, taken := handlers[method]; taken {
		panic("registered twice: " + method)
	}
	handlers[method] = h
}

// failure is an error with a code that Python tells apart. Details are added to the JSON as they are.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details any    `json:"details,omitempty"`
}

func (f *failure) Error() string { return f.Message }

func failf(code, format string, values ...any) *failure {
	return &failure{Code: code, Message: fmt.Sprintf(format, values...)}
}

// panicked is a panic that was caught, with the stack it came from.
type panicked struct{ text string }

func (p *panicked) Error() string { return p.text }

// guarded runs f; a panic in it comes back as an error. Whatever starts a goroutine uses it: an uncaught panic in any
// goroutine ends the process.
func guarded(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &panicked{fmt.Sprintf("%v\n%s", cause, debug.Stack())}
		}
	}()
	return f()
}

// run calls a handler and says how it ended.
func run(method string, in []byte) (status int, out []byte) {
	err := guarded(func() (err error) {
		h, known := handlers[method]
		if !known {
			return failf("unknown_method", "the native library has no %q: it is older than the package", method)
		}
		out, err = h(in)
		return err
	})
	var panicError *panicked
	var failed *failure
	switch {
	case err == nil:
		return statusOK, out
	case errors.As(err, &panicError):
		return statusPanic, []byte(panicError.text)
	case !errors.As(err, &failed):
		failed = &failure{Code: "error", Message: err.Error()}
	}
	encoded, err := json.Marshal(failed)
	if err != nil {
		return statusPanic, []byte(err.Error())
	}
	return statusError, encoded
}

// give hands bytes to the caller, who frees them with gg_free.
func give(data []byte, out **C.char, outLen *C.size_t) {
	*out, *outLen = nil, C.size_t(len(data))
	if len(data) > 0 {
		*out = (*C.char)(C.CBytes(data))
	}
}

//export gg_call
func gg_call(method *C.char, in *C.char, inLen C.size_t, out **C.char, outLen *C.size_t) C.int {
	status, result := run(C.GoString(method), copied(in, inLen))
	give(result, out, outLen)
	return C.int(status)
}

//export gg_free
func gg_free(data *C.char) { C.free(unsafe.Pointer(data)) }

func copied(in *C.char, length C.size_t) []byte {
	if length == 0 {
		return nil
	}
	data := make([]byte, int(length))
	copy(data, unsafe.Slice((*byte)(unsafe.Pointer(in)), int(length)))
	return data
}

func main() {}
