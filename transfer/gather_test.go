package transfer

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// sizes is a writer that counts.
type sizes struct {
	list []int
	all  bytes.Buffer
	err  error
}

func (s *sizes) Write(p []byte) (int, error) {
	s.list = append(s.list, len(p))
	s.all.Write(p)
	return len(p), s.err
}

func TestGatherer(t *testing.T) {
	const large = gatherSize + 1
	for _, tt := range []struct {
		name   string
		writes []int // those below 0 are gathered, 0 is Flush
		want   []int
	}{
		{"nothing", []int{0, 0}, nil},
		{"not gathered", []int{5, 6}, []int{5, 6}},
		{"gathered, and nothing after", []int{-5, -6}, nil},
		{"gathered, and flushed", []int{-5, -6, 0, 0}, []int{11}},
		{"gathered, and one after", []int{-5, -6, 7, 8}, []int{18, 8}},
		{"as much as there is room for", []int{-gatherSize, 0}, []int{gatherSize}},
		{"more than there is room for", []int{-5, -gatherSize, 0}, []int{5, gatherSize}},
		{"large", []int{-5, -large, -6, 0}, []int{5, large, 6}},
		{"large, not gathered", []int{-5, large, 6}, []int{5, large, 6}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var to sizes
			g := NewGatherer(&to)
			var want []byte
			for i, n := range tt.writes {
				p := bytes.Repeat([]byte{byte(i)}, max(n, -n))
				write := func() error { _, err := g.Write(p); return err }
				var err error
				switch {
				case n < 0:
					err = g.Gather(write)
				case n > 0:
					err = write()
				default:
					err = g.Flush()
				}
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, p...)
			}
			if !slices.Equal(to.list, tt.want) {
				t.Errorf("writes of %v bytes, want %v", to.list, tt.want)
			}
			if got := to.all.Bytes(); !bytes.HasPrefix(want, got) {
				t.Error("what was written is not what was to be, or in another order")
			}
		})
	}
}

func TestGathererFails(t *testing.T) {
	broken := errors.New("broken pipe")
	g := NewGatherer(&sizes{err: broken})
	write := func() error { _, err := g.Write([]byte("x")); return err }
	if err := g.Gather(write); err != nil {
		t.Fatal(err)
	}
	if err := g.Flush(); !errors.Is(err, broken) {
		t.Errorf("Flush = %v, want %v", err, broken)
	}
	if err := write(); !errors.Is(err, broken) {
		t.Errorf("Write = %v, want %v", err, broken)
	}
}
