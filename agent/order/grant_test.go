package order

import (
	"sync"
	"testing"

	"mft.dev/mft"
)

// TestRequestThatComesTwiceAtOnce: copies of one request make one row, and all
// are granted.
func TestRequestThatComesTwiceAtOnce(t *testing.T) {
	l := open(t)
	root := t.TempDir()
	for range 20 {
		r := &mft.Request{Transfer: newID(t), Requester: "beta", Source: "alpha", Path: root, Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick}
		var copies sync.WaitGroup
		for range 8 {
			copies.Go(func() {
				got, err := l.Grant(t.Context(), r, []mft.Grant{{Agent: "beta", Root: root}}, nil)
				if err != nil || got.ID != r.Transfer || !got.Requested {
					t.Errorf("Grant = %+v, %v, want the transfer", got, err)
				}
			})
		}
		copies.Wait()
		if events, err := l.Journal.TransferEvents(t.Context(), r.Transfer); err != nil || len(events) != 2 {
			t.Errorf("its events are %+v, %v, want that it was requested and planned, once", events, err)
		}
	}
}

// TestRequestByAKnownID: what another transfer is called cannot be asked for.
func TestRequestByAKnownID(t *testing.T) {
	l := open(t)
	root := t.TempDir()
	r := &mft.Request{Transfer: newID(t), Requester: "beta", Source: "alpha", Path: root}
	grants := []mft.Grant{{Agent: "beta", Root: root}, {Agent: "gamma", Root: root}}
	if _, err := l.Grant(t.Context(), r, grants, nil); err != nil {
		t.Fatal(err)
	}
	other := *r
	other.Requester = "gamma"
	if _, err := l.Grant(t.Context(), &other, grants, nil); mft.CodeOf(err) != mft.CodeNotAllowed {
		t.Errorf("the id of beta's request, used by gamma: %v, want code NOT_ALLOWED", err)
	}
}
