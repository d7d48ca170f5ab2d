package queue

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func id(n byte) mft.TransferID { return mft.TransferID{n} }

// drain takes everything that may run at now and returns it as "peer:id".
func drain(q *Queue, now time.Time, limit int) []string {
	var out []string
	for {
		peer, e, ok := q.Take(now, limit)
		if !ok {
			return out
		}
		out = append(out, fmt.Sprintf("%s:%d", peer, e.ID[0]))
	}
}

func TestTake(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, tt := range []struct {
		name  string
		setup func(q *Queue)
		limit int
		want  []string
	}{
		{"nothing", func(*Queue) {}, 9, nil},
		{"oldest first", func(q *Queue) {
			q.Put("a", Entry{ID: id(3)})
			q.Put("a", Entry{ID: id(1)})
			q.Put("a", Entry{ID: id(2)})
		}, 9, []string{"a:1", "a:2", "a:3"}},
		{"peers in turn", func(q *Queue) {
			for i := byte(1); i < 4; i++ {
				q.Put("a", Entry{ID: id(i)})
			}
			q.Put("b", Entry{ID: id(4)})
			q.Put("c", Entry{ID: id(5)})
		}, 9, []string{"a:1", "b:4", "c:5", "a:2", "a:3"}},
		{"a limit for each peer", func(q *Queue) {
			q.Put("a", Entry{ID: id(1)})
			q.Put("a", Entry{ID: id(2)})
			q.Put("b", Entry{ID: id(3)})
		}, 1, []string{"a:1", "b:3"}},
		{"not before its time", func(q *Queue) {
			q.Put("a", Entry{ID: id(1), NotBefore: now.Add(time.Second)})
			q.Put("a", Entry{ID: id(2), NotBefore: now})
		}, 9, []string{"a:2"}},
		{"put twice", func(q *Queue) {
			q.Put("a", Entry{ID: id(1), NotBefore: now.Add(time.Second)})
			q.Put("a", Entry{ID: id(1)})
		}, 9, []string{"a:1"}},
		{"dropped", func(q *Queue) {
			q.Put("a", Entry{ID: id(1)})
			q.Put("a", Entry{ID: id(2)})
			q.Drop("a", id(1))
			q.Drop("b", id(2))
		}, 9, []string{"a:2"}},
		{"behind a shut gate", func(q *Queue) {
			q.Put("a", Entry{ID: id(1)})
			q.Put("b", Entry{ID: id(2)})
			q.Shut("a", now, mft.Reason{Code: mft.CodeUnreachable}, 0)
		}, 9, []string{"b:2"}},
		{"one tries a gate whose time has come", func(q *Queue) {
			q.Put("a", Entry{ID: id(1)})
			q.Put("a", Entry{ID: id(2)})
			q.Shut("a", now.Add(-time.Hour), mft.Reason{Code: mft.CodeUnreachable}, 0)
		}, 9, []string{"a:1"}},
		{"all after it opens", func(q *Queue) {
			q.Put("a", Entry{ID: id(1)})
			q.Put("a", Entry{ID: id(2), NotBefore: now.Add(time.Hour)})
			q.Shut("a", now, mft.Reason{Code: mft.CodeUnreachable}, 0)
			q.Open("a")
		}, 9, []string{"a:1"}},
		{"roused", func(q *Queue) {
			q.Put("a", Entry{ID: id(1)})
			q.Put("a", Entry{ID: id(2), NotBefore: now.Add(time.Hour)})
			q.Shut("a", now, mft.Reason{Code: mft.CodeUnreachable}, 0)
			q.Rouse("a")
		}, 9, []string{"a:1", "a:2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := New()
			tt.setup(q)
			if got := drain(q, now, tt.limit); !slices.Equal(got, tt.want) {
				t.Errorf("taken %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEndedMakesRoom(t *testing.T) {
	q, now := New(), time.Unix(1000, 0)
	q.Put("a", Entry{ID: id(1)})
	q.Put("a", Entry{ID: id(2)})
	if got := drain(q, now, 1); len(got) != 1 {
		t.Fatalf("taken %v, want one", got)
	}
	q.Ended("a")
	if got, want := drain(q, now, 1), []string{"a:2"}; !slices.Equal(got, want) {
		t.Errorf("taken after one ended %v, want %v", got, want)
	}
}

func TestShutLastsLonger(t *testing.T) {
	q, now := New(), time.Unix(1000, 0)
	q.Put("a", Entry{ID: id(1)})
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		q.Shut("a", now, mft.Reason{Code: mft.CodeUnreachable}, 0)
		if got := q.Next(now).Sub(now); got != want*time.Second {
			t.Errorf("shut for %v, want %v", got, want*time.Second)
		}
	}
	q.Open("a")
	if got := q.Next(now); !got.IsZero() {
		t.Errorf("next = %v with an open gate, want never", got)
	}
	q.Shut("a", now, mft.Reason{Code: mft.CodeUnreachable}, 0)
	if got := q.Next(now).Sub(now); got != time.Second {
		t.Errorf("shut for %v after it was open, want a second", got)
	}
}

func TestUntold(t *testing.T) {
	q, now := New(), time.Unix(1000, 0)
	reason := mft.Reason{Code: mft.CodeUnreachable, Detail: "nobody answers"}
	for i := range byte(5) {
		q.Put("a", Entry{ID: id(i + 1)})
	}
	q.Put("a", Entry{ID: id(9), Waiting: mft.CodeNoSpace})
	q.Put("b", Entry{ID: id(10)})
	if got := q.Untold(10); len(got) != 0 {
		t.Errorf("untold with open gates: %v, want none", got)
	}
	q.Shut("a", now, reason, 0)
	first, rest := q.Untold(3), q.Untold(3)
	if len(first) != 3 || len(rest) != 2 || len(q.Untold(3)) != 0 {
		t.Errorf("untold %v, then %v, want three, two and none", first, rest)
	}
	for i, got := range first {
		if got != reason {
			t.Errorf("%v waits for %+v, want %+v", i, got, reason)
		}
	}
}

// TestQueueLosesNothing puts, takes and drops at random and checks against a
// plain list.
func TestQueueLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, now := New(), time.Unix(1000, 0)
		in := map[mft.TransferID]mft.AgentName{}
		running := map[mft.AgentName]int{}
		name := rapid.SampledFrom([]mft.AgentName{"a", "b", "c"})
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				n := byte(rapid.IntRange(0, 30).Draw(t, "id"))
				p := mft.AgentName([]string{"a", "b", "c"}[n%3])
				e := Entry{ID: id(n)}
				if rapid.Bool().Draw(t, "later") {
					e.NotBefore = now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "in")) * time.Second)
				}
				q.Put(p, e)
				in[e.ID] = p
			},
			"take": func(t *rapid.T) {
				p, e, ok := q.Take(now, 3)
				if !ok {
					return
				}
				if in[e.ID] != p {
					t.Fatalf("took %v of %s, which was not put", e.ID, p)
				}
				if e.NotBefore.After(now) {
					t.Fatalf("took %v before its time", e.ID)
				}
				delete(in, e.ID)
				if running[p]++; running[p] > 3 {
					t.Fatalf("%d run of %s, want at most 3", running[p], p)
				}
			},
			"end": func(t *rapid.T) {
				if p := name.Draw(t, "peer"); running[p] > 0 {
					running[p]--
					q.Ended(p)
				}
			},
			"drop": func(t *rapid.T) {
				n := byte(rapid.IntRange(0, 30).Draw(t, "id"))
				p, there := in[id(n)]
				if p == "" {
					p = "a"
				}
				if got := q.Drop(p, id(n)); got != there {
					t.Fatalf("Drop(%d) = %v, want %v", n, got, there)
				}
				delete(in, id(n))
			},
			"shut":  func(t *rapid.T) { q.Shut(name.Draw(t, "peer"), now, mft.Reason{Code: mft.CodeUnreachable}, 0) },
			"open":  func(t *rapid.T) { q.Open(name.Draw(t, "peer")) },
			"rouse": func(t *rapid.T) { q.Rouse(name.Draw(t, "peer")) },
			"wait":  func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "s")) * time.Second) },
		})
		for _, p := range []mft.AgentName{"a", "b", "c"} {
			for range running[p] {
				q.Ended(p)
			}
			q.Rouse(p)
		}
		for p, e, ok := q.Take(now, 100); ok; p, e, ok = q.Take(now, 100) {
			if in[e.ID] != p {
				t.Fatalf("took %v of %s, which was not put", e.ID, p)
			}
			delete(in, e.ID)
		}
		if len(in) != 0 {
			t.Fatalf("lost %v", in)
		}
	})
}
