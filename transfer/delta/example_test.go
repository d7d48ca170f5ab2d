package delta_test

import (
	"bytes"
	"context"
	"fmt"

	"mft.dev/mft/transfer/delta"
)

// Both ends in one: what is asked of the other end is done on the spot.
func Example() {
	old := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog.\n"), 1000)
	now := append([]byte("Once upon a time:\n"), old...)
	seed := delta.Seed{} // drawn by the receiver, from crypto/rand

	// The receiver.
	block := delta.BlockSize(int64(len(old)))
	marks := delta.NewKey(seed).AppendMarks(nil, block, old)

	// The sender.
	key := delta.NewKey(seed)
	sig, err := delta.NewSignature(int64(len(old)))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := sig.Add(marks); err != nil {
		fmt.Println(err)
		return
	}
	var join delta.Joiner
	show := func(p delta.Piece) {
		if p.New.Length > 0 {
			fmt.Printf("%v of %d bytes\n", p.Kind, p.New.Length)
		}
	}
	matcher, refiner, r := delta.NewMatcher(key), delta.NewMatcher(key), bytes.NewReader(now)
	for p, err := range matcher.Match(context.Background(), sig, r, int64(len(now))) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if p.Kind != delta.Gap {
			show(join.Join(p))
			continue
		}
		fine := delta.NewKey(seed).AppendMarks(nil, delta.FineSize(block), old[p.Old.Offset:p.Old.End()])
		for q, err := range refiner.Refine(context.Background(), sig, p, fine, r) {
			if err != nil {
				fmt.Println(err)
				return
			}
			show(join.Join(q))
		}
	}
	show(join.Flush())
	// Output:
	// literal of 18 bytes
	// copy of 45000 bytes
}
