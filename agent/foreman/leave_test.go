package foreman

import (
	"errors"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/departure/clearing"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/confine"
)

// TestEndsOf: a worker that somebody has taken over tells of the files that were to leave, in
// ways that there are, or is not heard.
func TestEndsOf(t *testing.T) {
	left := errand.End{Fate: uint8(clearing.Removed)}
	failed := errand.FailureOf(mft.Fail(mft.CodeIO, "remove", "f", errors.New("broken")))
	gone := errors.New("the process has ended")
	for _, tt := range []struct {
		name string
		ends []errand.End
		err  error
		want int // ends
		fine bool
	}{
		{"all", []errand.End{left, {Fate: uint8(clearing.Stuck), Failure: failed, CTime: 7}}, nil, 2, true},
		{"the first, and why no more", []errand.End{left}, gone, 1, false},
		{"nothing, and why", nil, gone, 0, false},
		{"too few", []errand.End{left}, nil, 0, false},
		{"too many", []errand.End{left, left, left}, nil, 0, false},
		{"no such end", []errand.End{left, {Fate: uint8(clearing.Stuck) + 1}}, nil, 0, false},
		{"no end", []errand.End{left, {}}, nil, 0, false},
		{"a path without end", []errand.End{left, {Fate: uint8(clearing.Archived), Where: strings.Repeat("x", maxPath+1)}}, nil, 0, false},
		{"stuck for no reason", []errand.End{left, {Fate: uint8(clearing.Stuck)}}, nil, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := endsOf(errand.Done{Ends: tt.ends}, tt.err, 2)
			if len(got) != tt.want || (err == nil) != tt.fine {
				t.Fatalf("endsOf = %+v, %v", got, err)
			}
			for _, e := range got {
				if (e.Fate == clearing.Stuck) != (e.Err != nil) {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// TestTaking: what a worker has read is heard when somebody wants to know, within bounds.
func TestTaking(t *testing.T) {
	if taking(nil) != nil {
		t.Error("what nobody wants to know is heard")
	}
	var took []string
	hear := taking(func(rel string, id confine.Identity) { took = append(took, rel) })
	if err := hear(errand.Found{Path: "a"}); err != nil || len(took) != 1 {
		t.Errorf("a file: %v, %q", err, took)
	}
	if err := hear(errand.FoundOf("b", confine.Identity{}, errors.New("broken"))); err == nil || len(took) != 1 {
		t.Errorf("what could not be read: %v, %q", err, took)
	}
	var err error
	for n := 0; n <= maxTaken && err == nil; n++ {
		err = hear(errand.Found{Path: "a"})
	}
	if err == nil || len(took) > maxTaken {
		t.Errorf("%d files: %v", len(took), err)
	}
}
