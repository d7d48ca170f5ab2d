package receiver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
)

// TestOwn: nothing is delivered before this end may deliver it, and it asks once
// in an attempt.
func TestOwn(t *testing.T) {
	f := newFixture(t)
	f.write("a", []byte("small"), 0o644)
	f.write("dir/b", []byte("small too"), 0o644)
	f.write("big", randomBytes(1, 3<<20), 0o644)
	// delivered returns what has a name of its own.
	delivered := func() []string {
		return slices.DeleteFunc(slices.Sorted(maps.Keys(arrived(t, f.dst))), func(name string) bool { return strings.HasPrefix(name, ".mft-") })
	}
	asked := 0
	f.own = func(context.Context) error {
		asked++
		if got := delivered(); len(got) > 0 {
			t.Errorf("%q are delivered before anybody was asked", got)
		}
		return mft.Fail(mft.CodeElsewhere, "deliver", "x", errors.New("another does"))
	}
	res := f.attempt(t.Context())
	if code := mft.CodeOf(res.receiveErr); code != mft.CodeElsewhere {
		t.Errorf("the receiver ended with %v, want code ELSEWHERE", res.receiveErr)
	}
	if res.sendErr == nil || !mft.CodeOf(res.sendErr).Retryable() {
		t.Errorf("the sender ended with %v, want what can be tried again", res.sendErr)
	}
	if got := delivered(); len(got) > 0 || asked != 1 {
		t.Errorf("%q are delivered, asked %d times; want none, once", got, asked)
	}
	allowed := 0
	f.own = func(context.Context) error { allowed++; return nil }
	f.deliver()
	wantSame(t, f.src, f.dst)
	if allowed != 1 {
		t.Errorf("asked %d times in an attempt, want once", allowed)
	}
}
