package rendezvous

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhoeverComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New[int]()
		var all sync.WaitGroup
		for range 3 { // early
			all.Go(func() {
				if v, err := p.Find(t.Context(), "a"); v != 7 || err != nil {
					t.Errorf("Find = %v, %v", v, err)
				}
			})
		}
		synctest.Wait()
		if !p.Asked("a") || p.Asked("b") {
			t.Error("Asked does not tell who waits")
		}
		p.Announce("a", 7)
		all.Wait()
		if v, err := p.Find(t.Context(), "a"); v != 7 || err != nil { // late
			t.Errorf("Find = %v, %v", v, err)
		}
		if p.Asked("a") {
			t.Error("somebody is said to wait")
		}
	})
}

func TestNobodyComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New[int]()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if v, err := p.Find(ctx, "a"); err == nil {
					t.Errorf("Find = %v", v)
				}
			})
		}
		all.Wait()
		if len(p.asked) != 0 {
			t.Errorf("%d names are still asked for", len(p.asked))
		}
	})
}

func TestWithdraw(t *testing.T) {
	p := New[int]()
	p.Announce("a", 1)
	p.Announce("a", 2)
	p.Withdraw("a", 1) // which another has replaced
	if !p.Present("a", 2) {
		t.Error("withdrawing one took the other away")
	}
	p.Withdraw("a", 2)
	p.Withdraw("a", 2)
	if p.Present("a", 2) {
		t.Error("it is still there")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v, err := p.Find(ctx, "a"); err == nil {
		t.Errorf("Find = %v", v)
	}
}
