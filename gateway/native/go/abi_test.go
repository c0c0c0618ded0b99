package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAPanicIsAStatusWithItsText(t *testing.T) {
	handlers["test.panic"] = func([]byte) ([]byte, error) { panic("on purpose") }
	defer delete(handlers, "test.panic")
	status, out := run("test.panic", nil)
	if status != statusPanic || !strings.HasPrefix(string(out), "on purpose\n") {
		t.Fatalf("status %d, output %q", status, out)
	}
}

func TestAnUnknownMethodIsAnErrorWithACode(t *testing.T) {
	status, out := run("test.unknown", nil)
	var failed failure
	if err := json.Unmarshal(out, &failed); err != nil || status != statusError || failed.Code != "unknown_method" {
		t.Fatalf("status %d, output %q", status, out)
	}
}

func TestAHandleIsNeverGivenTwice(t *testing.T) {
	var h handles[string]
	first := h.add("a")
	h.remove(first)
	if second := h.add("b"); second == first {
		t.Fatal("the number of a removed item was given again")
	}
	if _, err := h.get(first); err == nil {
		t.Fatal("a removed handle still stands for something")
	}
}

func TestAResultThatComesAfterItsQueueWasClosedIsDropped(t *testing.T) {
	q := &queue{fd: -1, closed: true}
	q.put(completion{id: 1})
	if len(q.done) != 0 {
		t.Fatal("a closed queue took a result")
	}
}

func TestFrameListsThatEndEarlyAreErrors(t *testing.T) {
	for _, in := range []string{"\x01", "\x02\x00\x00\x00a", "\xff\xff\xff\xff"} {
		if _, err := unframe([]byte(in)); err == nil {
			t.Errorf("%q was accepted", in)
		}
	}
	parts, err := unframe(appendFrame(appendFrame(nil, []byte("a")), nil))
	if err != nil || len(parts) != 2 || string(parts[0]) != "a" || len(parts[1]) != 0 {
		t.Fatalf("%q, %v", parts, err)
	}
}
