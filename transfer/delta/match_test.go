package delta

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"mft.dev/mft"
)

// TestForgedSums: a peer whose marks have the sum of every block of ours, and the
// hash of none, does not make us hash a block for every byte.
func TestForgedSums(t *testing.T) {
	const block = 16 << 10
	key, now := testKey(), bytes.Repeat([]byte{7}, 1<<20)
	forged := key.AppendMarks(nil, block, now[:block])
	forged[MarkSize-1]++
	sig := newSignature(Range{0, block}, block)
	if err := sig.Add(forged); err != nil {
		t.Fatal(err)
	}
	m := NewMatcher(key)
	for p, err := range m.Match(context.Background(), sig, bytes.NewReader(now), int64(len(now))) {
		if err != nil || p.Kind == Copy {
			t.Fatalf("Match: piece %+v, error %v", p, err)
		}
	}
	if !m.weary {
		t.Error("Match searched to the end")
	}
}

// TestWhileArriving: matching an unmoved content keeps step with its marks.
func TestWhileArriving(t *testing.T) {
	const block = 16 << 10
	old := noise(1, 64*block)
	new := bytes.Clone(old)
	new[10*block]++
	key := testKey()
	marks := key.AppendMarks(nil, block, old)
	sig := newSignature(Range{0, int64(len(old))}, block)
	if err := sig.Add(marks[:12*MarkSize]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var kinds []Kind
	var last error
	for p, err := range NewMatcher(key).Match(ctx, sig, bytes.NewReader(new), int64(len(new))) {
		if last = err; err == nil {
			kinds = append(kinds, p.Kind)
		}
		if len(kinds) == 2 {
			cancel() // no more marks will come
		}
	}
	if want := []Kind{Copy, Gap}; !slices.Equal(kinds, want) || !errors.Is(last, context.Canceled) {
		t.Errorf("Match with 12 marks of 64: %v and %v, want %v and %v", kinds, last, want, context.Canceled)
	}

	sig = newSignature(Range{0, int64(len(old))}, block)
	done := make(chan error)
	go func() {
		for p := marks; len(p) > 0; p = p[min(7, len(p)):] {
			if err := sig.Add(p[:min(7, len(p))]); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	kinds = nil
	for p, err := range NewMatcher(key).Match(context.Background(), sig, bytes.NewReader(new), int64(len(new))) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, p.Kind)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if want := []Kind{Copy, Gap, Copy}; !slices.Equal(kinds, want) || !sig.Complete() {
		t.Errorf("Match while marks arrive: %v, want %v", kinds, want)
	}
}

// TestMovedWhileArriving: what moved by a little is found with the marks that
// are near, what came from far with all of them, and copies are passed on
// before the end of the file.
func TestMovedWhileArriving(t *testing.T) {
	const block = 16 << 10
	old := noise(1, 3*near*block)
	far := old[2*near*block : (2*near+haste+2)*block]
	for name, tc := range map[string]struct {
		new         []byte
		first, then []Kind // before all marks have come, and with them
	}{
		"inserted": {splice(old, 5*block+7, 5*block+7, noise(2, 99_999)), []Kind{Copy, Gap, Copy}, []Kind{Copy}},
		"removed":  {splice(old, 5*block+7, 300*block+9, nil), []Kind{Copy, Gap, Copy}, []Kind{Copy}},
		"from far": {splice(old, 5*block, 5*block, far), nil, []Kind{Copy, Copy, Copy}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sig, key := newSignature(Range{0, int64(len(old))}, block), testKey()
				marks := key.AppendMarks(nil, block, old)
				some := 2 * near * MarkSize
				if err := sig.Add(marks[:some]); err != nil {
					t.Fatal(err)
				}
				var kinds []Kind
				go func() {
					for p, err := range NewMatcher(key).Match(context.Background(), sig, bytes.NewReader(tc.new), int64(len(tc.new))) {
						if err != nil {
							t.Error(err)
							return
						}
						if n := len(kinds); n == 0 || kinds[n-1] != Copy || p.Kind != Copy || p.New.Length != maxJoined {
							kinds = append(kinds, p.Kind)
						}
					}
				}()
				synctest.Wait()
				first := kinds
				if err := sig.Add(marks[some:]); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if then := kinds[len(first):]; !slices.Equal(first, tc.first) || !slices.Equal(then, tc.then) {
					t.Errorf("Match: %v without all marks and %v with them, want %v and %v", first, then, tc.first, tc.then)
				}
			})
		})
	}
}

func TestMatchErrors(t *testing.T) {
	old := noise(1, 1<<20)
	key := testKey()
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		r    io.ReaderAt
		want error
	}{
		"shorter than announced": {bytes.NewReader(old[:1000]), io.ErrUnexpectedEOF},
		"unreadable":             {readerAt{iotest.ErrReader(boom)}, boom},
	} {
		t.Run(name, func(t *testing.T) {
			sig, err := NewSignature(int64(len(old)))
			if err != nil {
				t.Fatal(err)
			}
			if err := sig.Add(key.AppendMarks(nil, BlockSize(1<<20), old)); err != nil {
				t.Fatal(err)
			}
			var got error
			for _, got = range NewMatcher(key).Match(context.Background(), sig, tc.r, 1<<20) {
			}
			if !errors.Is(got, tc.want) {
				t.Errorf("Match: error %v, want %v", got, tc.want)
			}
		})
	}
}

type readerAt struct{ io.Reader }

func (r readerAt) ReadAt(p []byte, _ int64) (int, error) { return r.Read(p) }

func TestRefuses(t *testing.T) {
	const big = 1 << 30
	refine := func(marks int) error {
		sig, err := NewSignature(big)
		if err != nil {
			return err
		}
		gap := Piece{Gap, Range{0, 4096}, Range{0, 4096}}
		for _, err = range NewMatcher(testKey()).Refine(context.Background(), sig, gap, make([]byte, marks), bytes.NewReader(make([]byte, 4096))) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	add := func(size int64, n int) error {
		sig, err := NewSignature(size)
		if err != nil {
			return err
		}
		return sig.Add(make([]byte, n))
	}
	for name, tc := range map[string]struct {
		err  error
		want mft.Code
	}{
		"negative size":       {add(-1, 0), mft.CodeProtocol},
		"size beyond limit":   {add(MaxSize+1, 0), mft.CodeProtocol},
		"largest size":        {add(MaxSize, 0), mft.CodeOK},
		"all marks":           {add(4097, 3*MarkSize), mft.CodeOK},
		"one byte too many":   {add(4097, 3*MarkSize+1), mft.CodeProtocol},
		"copy":                {CheckCopy(Range{10, 20}, 30), mft.CodeOK},
		"copy of nothing":     {CheckCopy(Range{10, 0}, 30), mft.CodeProtocol},
		"copy before":         {CheckCopy(Range{-1, 20}, 30), mft.CodeProtocol},
		"copy beyond":         {CheckCopy(Range{10, 21}, 30), mft.CodeProtocol},
		"copy far beyond":     {CheckCopy(Range{1<<63 - 1, 1<<63 - 1}, 30), mft.CodeProtocol},
		"ask":                 {CheckAsk(Range{5, 1 << 20}, big), mft.CodeOK},
		"ask too much":        {CheckAsk(Range{5, 1<<20 + 1}, big), mft.CodeProtocol},
		"ask beyond":          {CheckAsk(Range{big - 5, 6}, big), mft.CodeProtocol},
		"ask of a small file": {CheckAsk(Range{0, 6}, 1<<20), mft.CodeProtocol},
		"fine marks":          {refine(2 * MarkSize), mft.CodeOK},
		"too few fine marks":  {refine(2*MarkSize - 1), mft.CodeProtocol},
		"too many fine marks": {refine(3 * MarkSize), mft.CodeProtocol},
	} {
		if got := mft.CodeOf(tc.err); got != tc.want {
			t.Errorf("%s: %v has code %s, want %s", name, tc.err, got, tc.want)
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	old := noise(1, 1<<20)
	new := bytes.Clone(old)
	new[77_777]++
	key := testKey()
	marks := key.AppendMarks(nil, 2<<10, old)
	if n := testing.AllocsPerRun(10, func() { marks = key.AppendMarks(marks[:0], 2<<10, old) }); n != 0 {
		t.Errorf("AppendMarks allocates %v times", n)
	}
	coarse := newSignature(Range{0, 1 << 20}, 16<<10)
	gap := Piece{Gap, Range{0, 1 << 20}, Range{0, 1 << 20}}
	m, r := NewMatcher(key), bytes.NewReader(new)
	if n := testing.AllocsPerRun(10, func() {
		for _, err := range m.Refine(context.Background(), coarse, gap, marks, r) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}); n > 2 { // the loop
		t.Errorf("Refine allocates %v times", n)
	}
}
