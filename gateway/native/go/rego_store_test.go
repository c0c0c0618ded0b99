package main

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestAWriteLeavesEarlierSnapshotsAsTheyWere(t *testing.T) {
	store := newSnapshots(ast.MustParseTerm(`{"a": {"b": 1, "c": [10]}}`).Value.(ast.Object))
	before := store.current.Load()
	if err := store.put([]string{"a", "b"}, ast.Number("2")); err != nil {
		t.Fatal(err)
	}
	if got := find(before.root, []string{"a", "b"}); got.Compare(ast.Number("1")) != 0 {
		t.Errorf("the earlier snapshot has %v", got)
	}
	after := store.current.Load().root
	if got := find(after, []string{"a", "b"}); got.Compare(ast.Number("2")) != 0 {
		t.Errorf("the new snapshot has %v", got)
	}
	if got := find(after, []string{"a", "c", "0"}); got.Compare(ast.Number("10")) != 0 {
		t.Errorf("what was beside it is %v", got)
	}
}

func TestRemovingWhatIsNotThereChangesNothing(t *testing.T) {
	store := newSnapshots(ast.NewObject())
	if err := store.put([]string{"a", "b"}, nil); err != nil {
		t.Fatal(err)
	}
	if root := store.current.Load().root; root.Len() != 0 {
		t.Errorf("there is %v", root)
	}
}

func TestNothingIsWrittenBelowAScalar(t *testing.T) {
	store := newSnapshots(ast.MustParseTerm(`{"a": 1}`).Value.(ast.Object))
	if err := store.put([]string{"a", "b"}, ast.Null{}); err == nil {
		t.Error("a key was written below a number")
	}
}
