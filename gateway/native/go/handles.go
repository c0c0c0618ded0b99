package main

import "sync"

// handles are Go values that Python holds by number. A number is never given twice: a stale one is an error.
type handles[T any] struct {
	mu    sync.RWMutex
	last  uint64
	items map[uint64]T
}

func (h *handles[T]) add(item T) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.items == nil {
		h.items = map[uint64]T{}
	}
	h.last++
	h.items[h.last] = item
	return h.last
}

func (h *handles[T]) get(handle uint64) (T, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	item, known := h.items[handle]
	if !known {
		return item, failf("bad_handle", "no such handle, or closed: %d", handle)
	}
	return item, nil
}

// remove forgets a handle, and says what it stood for.
func (h *handles[T]) remove(handle uint64) (T, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	item, known := h.items[handle]
	delete(h.items, handle)
	return item, known
}
