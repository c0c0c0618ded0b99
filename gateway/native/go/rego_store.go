package main

import (
	"context"
	"strconv"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
)

// snapshot is the base documents at one moment, as OPA's own values, so that reading them converts nothing. It never
// changes; a write makes a new one that shares all but the objects on the way to what was written. Nobody locks:
// an evaluation that was left behind at its deadline holds up no writer, and no later evaluation.
type snapshot struct {
	root ast.Object
	id   uint64
}

// ID makes a snapshot a read transaction.
func (s *snapshot) ID() uint64 { return s.id }

// snapshots is the store: the current snapshot, read by OPA, replaced by us.
type snapshots struct {
	storage.WritesNotSupported
	storage.PolicyNotSupported
	storage.TriggersNotSupported
	current atomic.Pointer[snapshot]
}

func newSnapshots(root ast.Object) *snapshots {
	s := &snapshots{}
	s.current.Store(&snapshot{root: root, id: 1})
	return s
}

func (s *snapshots) NewTransaction(context.Context, ...storage.TransactionParams) (storage.Transaction, error) {
	return s.current.Load(), nil
}

func (s *snapshots) Commit(context.Context, storage.Transaction) error { return nil }

func (s *snapshots) Abort(context.Context, storage.Transaction) {}

func (s *snapshots) Truncate(context.Context, storage.Transaction, storage.TransactionParams, storage.Iterator) error {
	return &storage.Error{Code: storage.WritesNotSupportedErr, Message: "snapshots are replaced, not written"}
}

func (s *snapshots) Read(_ context.Context, txn storage.Transaction, path storage.Path) (any, error) {
	if value := find(txn.(*snapshot).root, path); value != nil {
		return value, nil
	}
	return nil, &storage.Error{Code: storage.NotFoundErr, Message: path.String()}
}

// find is the value at a path, or nil.
func find(value ast.Value, path storage.Path) ast.Value {
	for _, key := range path {
		var next *ast.Term
		switch value := value.(type) {
		case ast.Object:
			next = value.Get(ast.StringTerm(key))
		case *ast.Array:
			if index, err := strconv.Atoi(key); err == nil && index >= 0 && index < value.Len() {
				next = value.Elem(index)
			}
		}
		if next == nil {
			return nil
		}
		value = next.Value
	}
	return value
}

// put makes the next snapshot: value at path, objects on the way to it made where there are none; nil removes.
func (s *snapshots) put(path []string, value ast.Value) error {
	for {
		before := s.current.Load()
		root, err := with(before.root, path, value)
		if err != nil {
			return err
		}
		if root == nil {
			root = ast.NewObject()
		}
		changed, isObject := root.(ast.Object)
		if !isObject {
			return failf("data", "the root of data is an object")
		}
		if s.current.CompareAndSwap(before, &snapshot{root: changed, id: before.id + 1}) {
			return nil
		}
	}
}

// with is a copy of an object in which path has the value; nil as value leaves it out.
func with(at ast.Value, path []string, value ast.Value) (ast.Value, error) {
	if len(path) == 0 {
		return value, nil
	}
	var object ast.Object
	switch at := at.(type) {
	case nil:
		if value == nil {
			return nil, nil
		}
	case ast.Object:
		object = at
	default:
		return nil, failf("data", "%s is below a value that is not an object", path[0])
	}
	key := ast.StringTerm(path[0])
	var below ast.Value
	pairs := [][2]*ast.Term{}
	if object != nil {
		if term := object.Get(key); term != nil {
			below = term.Value
		}
		pairs = make([][2]*ast.Term, 0, object.Len()+1)
		object.Foreach(func(k, v *ast.Term) {
			if !k.Equal(key) {
				pairs = append(pairs, [2]*ast.Term{k, v})
			}
		})
	}
	changed, err := with(below, path[1:], value)
	if err != nil {
		return nil, err
	}
	if changed != nil {
		pairs = append(pairs, [2]*ast.Term{key, ast.NewTerm(changed)})
	}
	return ast.NewObject(pairs...), nil
}
