package exchangetest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

var queueTests = []test{
	{"a letter is put, taken and removed", letterLives},
	{"sizes", letterSizes},
	{"more letters than are taken at once", manyLetters},
	{"a lease ends", leaseEnds},
	{"a lease is renewed", leaseRenewed},
	{"takings are counted", takingsCounted},
	{"whose queue", whoseQueue},
	{"no such queue", noQueue},
	{"several processes take", severalTake},
}

// put puts letters into a queue.
func (s *suite) put(from exchange.Exchange, to mft.AgentName, bodies ...string) {
	s.Helper()
	for _, body := range bodies {
		s.ok(from.Queue.Put(s.ctx, to, []byte(body)), "Put(%q)", to)
	}
}

// take takes until it has n letters. A storage may be slow to show what was
// put, so it asks more than once.
func (s *suite) take(x exchange.Exchange, n int, lease time.Duration) []exchange.Letter {
	s.Helper()
	var out []exchange.Letter
	for range 40 + n {
		if len(out) == n {
			break
		}
		ask := min(n-len(out), exchange.MaxTake)
		got, err := x.Queue.Take(s.ctx, ask, lease)
		s.ok(err, "Take(%d)", ask)
		if len(got) > ask {
			s.Fatalf("Take(%d) returned %d letters", ask, len(got))
		}
		out = append(out, got...)
	}
	if len(out) != n {
		s.Fatalf("took %d letters, want %d", len(out), n)
	}
	for _, l := range out {
		if l.ID == "" || l.Claim == "" || l.Taken < 1 {
			s.Errorf("Take returned a letter with ID %q, claim of %d bytes, taken %d times", l.ID, len(l.Claim), l.Taken)
		}
	}
	return out
}

// nothing complains when there is a letter to take.
func (s *suite) nothing(x exchange.Exchange, when string) {
	s.Helper()
	got, err := x.Queue.Take(s.ctx, exchange.MaxTake, long)
	s.ok(err, "Take %s", when)
	if len(got) != 0 {
		s.Errorf("%s: took %d letters, the first taken %d times; want none", when, len(got), got[0].Taken)
	}
}

// remove removes a letter.
func (s *suite) remove(x exchange.Exchange, l exchange.Letter) {
	s.Helper()
	s.ok(x.Queue.Remove(s.ctx, &l), "Remove of a letter")
}

func letterLives(s *suite) {
	s.nothing(s.B, "before anything was put")
	s.put(s.A, s.NameB, "hello")
	l := s.take(s.B, 1, s.Lease)[0]
	if string(l.Body) != "hello" || l.Taken != 1 {
		s.Errorf("took %q, taken %d times; want hello, once", l.Body, l.Taken)
	}
	s.nothing(s.B, "while it is leased")
	s.nothing(s.Twin, "while it is leased to the other process")
	s.remove(s.B, l)
	s.remove(s.B, l)
	s.Elapse(s.Lease + s.Lease/2)
	s.nothing(s.B, "after it was removed")
	s.fails(s.B.Queue.Renew(s.ctx, &l, s.Lease), only(mft.CodeNotFound), "Renew of a letter that is gone")
}

func letterSizes(s *suite) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, body := range [][]byte{{0}, []byte("\r\n"), []byte("<a>&amp;\xff"), every, content(1, exchange.MaxLetter)} {
		s.ok(s.A.Queue.Put(s.ctx, s.NameB, body), "Put of %d bytes", len(body))
		l := s.take(s.B, 1, long)[0]
		if !bytes.Equal(l.Body, body) {
			s.Errorf("put %d bytes and took %d others", len(body), len(l.Body))
		}
		s.remove(s.B, l)
	}
	s.fails(s.A.Queue.Put(s.ctx, s.NameB, content(2, exchange.MaxLetter+1)), only(mft.CodeTooLarge), "Put of a byte too much")
	s.fails(s.A.Queue.Put(s.ctx, s.NameB, nil), only(mft.CodeUsage), "Put of nothing")
	s.nothing(s.B, "after what was refused")
}

func manyLetters(s *suite) {
	const n = exchange.MaxTake + 8
	want := map[string]bool{}
	for i := range n {
		body := fmt.Sprintf("letter %d", i)
		want[body] = true
		s.put(s.A, s.NameB, body)
	}
	ids := map[string]bool{}
	for _, l := range append(s.take(s.B, 1, long), s.take(s.Twin, n-1, long)...) {
		if !want[string(l.Body)] || ids[l.ID] {
			s.Errorf("took %q with ID %q, which was not expected or came before", l.Body, l.ID)
		}
		delete(want, string(l.Body))
		ids[l.ID] = true
		s.remove(s.B, l) // also what the twin took: the claim is what counts
	}
	s.nothing(s.B, "after all were removed")
}

func leaseEnds(s *suite) {
	s.put(s.A, s.NameB, "again")
	first := s.take(s.B, 1, s.Lease)[0]
	s.nothing(s.Twin, "while it is leased")
	s.Elapse(s.Lease + s.Lease/2)
	second := s.take(s.Twin, 1, long)[0]
	if second.ID != first.ID || !bytes.Equal(second.Body, first.Body) {
		s.Errorf("after the lease came %q with ID %q, want %q, %q", second.Body, second.ID, first.Body, first.ID)
	}
	if second.Claim == first.Claim {
		s.Error("the second claim is the first")
	}
	old := first
	s.fails(s.B.Queue.Renew(s.ctx, &old, s.Lease), only(mft.CodeNotFound), "Renew when another has it")
	s.fails(s.B.Queue.Remove(s.ctx, &first), only(mft.CodeNotFound), "Remove when another has it")
	s.ok(s.Twin.Queue.Renew(s.ctx, &second, long), "Renew by the one who has it")
	s.nothing(s.B, "while it is leased to the other")
	s.remove(s.Twin, second)
	s.nothing(s.B, "after it was removed")
	s.remove(s.B, first) // gone is no error, whoever had it
}

func leaseRenewed(s *suite) {
	s.put(s.A, s.NameB, "slow work")
	l := s.take(s.B, 1, s.Lease)[0]
	before := l
	s.ok(s.B.Queue.Renew(s.ctx, &l, long), "Renew")
	if l.Claim == before.Claim {
		s.Error("Renew did not change the claim")
	}
	if l.ID != before.ID || !bytes.Equal(l.Body, before.Body) {
		s.Error("Renew changed more than the claim")
	}
	s.Elapse(s.Lease + s.Lease/2)
	s.nothing(s.Twin, "after the first lease, which was renewed")
	stale := before
	s.fails(s.B.Queue.Renew(s.ctx, &stale, s.Lease), only(mft.CodeNotFound), "Renew by the old claim")
	s.fails(s.B.Queue.Remove(s.ctx, &before), only(mft.CodeNotFound), "Remove by the old claim")
	s.ok(s.B.Queue.Renew(s.ctx, &l, s.Lease), "second Renew")
	s.Elapse(s.Lease + s.Lease/2)
	again := s.take(s.Twin, 1, long)[0] // the lease counts from the last renewal
	if again.ID != l.ID {
		s.Errorf("after the last lease came ID %q, want %q", again.ID, l.ID)
	}
	s.remove(s.Twin, again)
}

func takingsCounted(s *suite) {
	if s.Uncounted {
		s.Skip("the storage does not count")
	}
	s.put(s.A, s.NameB, "poison")
	for want := 1; want <= 3; want++ {
		l := s.take(s.B, 1, s.Lease)[0]
		if l.Taken != want {
			s.Errorf("taken %d times, want %d", l.Taken, want)
		}
		if want == 2 {
			s.ok(s.B.Queue.Renew(s.ctx, &l, s.Lease), "Renew") // is no taking
		}
		s.Elapse(s.Lease + s.Lease/2)
	}
}

func whoseQueue(s *suite) {
	s.put(s.A, s.NameB, "to b")
	s.put(s.A, s.NameA, "to myself")
	s.put(s.Twin, s.NameA, "to a")
	b := s.take(s.B, 1, long)[0]
	if string(b.Body) != "to b" {
		s.Errorf("B took %q, want what is to B", b.Body)
	}
	for _, l := range s.take(s.A, 2, long) {
		if !strings.HasPrefix(string(l.Body), "to a") && string(l.Body) != "to myself" {
			s.Errorf("A took %q, which is not to A", l.Body)
		}
	}
	s.nothing(s.B, "when all is taken")
}

func noQueue(s *suite) {
	s.fails(s.A.Queue.Put(s.ctx, s.Absent, []byte("x")), only(mft.CodeNotFound), "Put to an agent that never was there")
	for _, name := range []mft.AgentName{"", ".", "..", "../" + s.NameB, "A", s.NameB + "/queue", s.NameB + "\x00", "a--b", "publickeys"} {
		s.fails(s.A.Queue.Put(s.ctx, name, []byte("x")), only(mft.CodeBadName), "Put(%q)", name)
	}
	s.nothing(s.B, "after what was refused")
	s.nothing(s.A, "after what was refused")
}

// severalTake has every letter taken by exactly one of several takers while
// others still put.
func severalTake(s *suite) {
	const putters, each = 3, 8
	var group, putting sync.WaitGroup
	for i := range putters {
		putting.Go(func() {
			for k := range each {
				if err := s.A.Queue.Put(s.ctx, s.NameB, fmt.Appendf(nil, "%d/%d", i, k)); err != nil {
					s.Errorf("Put: %v", err)
				}
			}
		})
	}
	var mu sync.Mutex
	taken := map[string]int{}
	var put atomic.Bool
	group.Go(func() {
		putting.Wait()
		put.Store(true)
	})
	for _, x := range []exchange.Exchange{s.B, s.Twin, s.B} {
		group.Go(func() {
			// A storage may be slow to show what was put last.
			for tries, all := 0, false; tries < 20 && !all; {
				if put.Load() {
					tries++
				}
				letters, err := x.Queue.Take(s.ctx, 3, long)
				if err != nil {
					s.Errorf("Take: %v", err)
					return
				}
				mu.Lock()
				for _, l := range letters {
					taken[string(l.Body)]++
				}
				all = len(taken) == putters*each
				mu.Unlock()
				for _, l := range letters {
					if err := x.Queue.Remove(s.ctx, &l); err != nil {
						s.Errorf("Remove: %v", err)
					}
				}
			}
		})
	}
	group.Wait()
	if len(taken) != putters*each {
		s.Errorf("took %d letters, want %d", len(taken), putters*each)
	}
	for body, n := range taken {
		if n != 1 {
			s.Errorf("letter %q was taken %d times within one lease", body, n)
		}
	}
}
