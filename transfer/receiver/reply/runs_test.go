package reply

import (
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft/protocol"
)

// TestRunsSayTheSame: what is told in runs is what was added.
func TestRunsSayTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v Verdicts
		var c Committed
		var want []protocol.Verdict
		var done []uint64
		first := uint64(rapid.IntRange(0, 5).Draw(t, "first"))
		for i := range rapid.IntRange(0, 40).Draw(t, "items") {
			verdict := rapid.SampledFrom([]protocol.Verdict{protocol.Send, protocol.Send, protocol.Same, protocol.Same, protocol.Have, HeldBack}).Draw(t, "verdict")
			want = append(want, verdict)
			v.Add(first+uint64(i), protocol.Want{Verdict: verdict})
			if verdict == protocol.Send {
				done = append(done, first+uint64(i))
				c.Add(first + uint64(i))
			}
		}
		wants, err := protocol.ParseWants(v.Take())
		if err != nil {
			t.Fatal(err)
		}
		got := map[uint64]protocol.Verdict{}
		for i, w := range wants {
			for n := w.First; n < w.First+w.Count; n++ {
				got[n] = w.Verdict
			}
			if i > 0 && w.First < wants[i-1].First+wants[i-1].Count {
				t.Fatalf("wants overlap: %+v", wants)
			}
		}
		for i, verdict := range want {
			if w, ok := got[first+uint64(i)]; ok != (verdict != HeldBack) || ok && w != verdict {
				t.Fatalf("item %d has %v, %v, want %v", i, w, ok, verdict)
			}
		}
		ranges, err := protocol.ParseRanges(c.Payload())
		if err != nil {
			t.Fatal(err)
		}
		var all []uint64
		for _, r := range ranges {
			for n := r.First; n < r.First+r.Count; n++ {
				all = append(all, n)
			}
		}
		if len(all) != len(done) {
			t.Fatalf("committed are %v, want %v", all, done)
		}
		if len(v.Take()) != 0 {
			t.Fatal("Take leaves something")
		}
	})
}
