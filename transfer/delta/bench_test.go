package delta

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func BenchmarkMarks(b *testing.B) {
	key, content := testKey(), noise(1, 16<<20)
	for _, block := range []int{2 << 10, 64 << 10, 2 << 20} {
		b.Run(fmt.Sprint(block), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			var marks []byte
			for b.Loop() {
				marks = key.AppendMarks(marks[:0], block, content)
			}
		})
	}
}

func BenchmarkHash(b *testing.B) {
	key, content := testKey(), noise(1, 16<<20)
	b.SetBytes(int64(len(content)))
	var x uint64
	for b.Loop() {
		for p := range slices.Chunk(content, 64<<10) {
			x ^= key.hash(p)
		}
	}
	_ = x
}

func BenchmarkRoll(b *testing.B) {
	const log = 16
	key, content, other := testKey(), noise(1, 16<<20), noise(2, 16<<20)
	var x index
	x.open(1 << 15)
	x.extend(key.AppendMarks(nil, 512, other), 1<<15)
	var s sum
	s.write(content[:1<<log])
	b.SetBytes(int64(len(content) - 1<<log))
	hits := 0
	for b.Loop() {
		hits = 0
		for outs, ins := content[:len(content)-1<<log], content[1<<log:]; len(outs) > 0; hits++ {
			n, _ := s.roll(outs, ins, 1<<log, &x.filter)
			outs, ins = outs[n:], ins[n:]
		}
	}
	b.ReportMetric(float64(len(content))/float64(hits), "B/hit")
}

// edits are what a big file meets.
func edits(old []byte) map[string][]byte {
	scattered := bytes.Clone(old)
	r := rand.New(rand.NewPCG(1, 2))
	block := noise(3, 4<<10)
	for range len(old) / len(block) / 100 {
		r.Shuffle(len(block), func(i, j int) { block[i], block[j] = block[j], block[i] })
		copy(scattered[r.IntN(len(old)/len(block))*len(block):], block)
	}
	return map[string][]byte{
		"same":     old,
		"edited":   scattered,
		"inserted": slices.Concat(old[:64_321], noise(4, 1<<20), old[64_321:]),
		"other":    noise(5, len(old)),
	}
}

// BenchmarkMatch shows what the sender does, refinement included, and how many
// bytes travel.
func BenchmarkMatch(b *testing.B) {
	key, ctx, old := testKey(), context.Background(), noise(1, 256<<20)
	block := BlockSize(int64(len(old)))
	marks := key.AppendMarks(nil, block, old)
	m, fine := NewMatcher(key), NewMatcher(key)
	for name, now := range edits(old) {
		b.Run(name, func(b *testing.B) {
			var literal, asked, gaps int64
			r := bytes.NewReader(now)
			b.SetBytes(int64(len(now)))
			b.ReportAllocs()
			for b.Loop() {
				literal, asked, gaps = 0, 0, 0
				sig, err := NewSignature(int64(len(old)))
				if err != nil {
					b.Fatal(err)
				}
				if err := sig.Add(marks); err != nil {
					b.Fatal(err)
				}
				count := func(p Piece, err error) {
					if err != nil {
						b.Fatal(err)
					}
					if p.Kind == Literal {
						literal += p.New.Length
					}
				}
				for p, err := range m.Match(ctx, sig, r, int64(len(now))) {
					count(p, err)
					if p.Kind != Gap {
						continue
					}
					answer := key.AppendMarks(nil, FineSize(block), old[p.Old.Offset:p.Old.End()])
					asked += int64(len(answer))
					gaps++
					for q, err := range fine.Refine(ctx, sig, p, answer, r) {
						count(q, err)
					}
				}
			}
			b.ReportMetric(float64(literal), "literal-B")
			b.ReportMetric(float64(len(marks)), "marks-B")
			b.ReportMetric(float64(asked), "fine-B")
			b.ReportMetric(float64(gaps), "gaps")
		})
	}
}
