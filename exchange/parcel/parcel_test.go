package parcel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"mft.dev/mft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// object is a container with one object.
type object struct {
	mu     sync.Mutex
	blocks map[int][]byte
	reads  int
	fail   func(number int) error
}

func (o *object) stage(_ context.Context, number int, part []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		if err := o.fail(number); err != nil {
			return err
		}
	}
	if o.blocks == nil {
		o.blocks = map[int][]byte{}
	}
	o.blocks[number] = bytes.Clone(part)
	return nil
}

func (o *object) fetch(_ context.Context, offset int64, p []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reads++
	whole := bytes.Join(slices.Collect(func(yield func([]byte) bool) {
		for _, n := range slices.Sorted(maps.Keys(o.blocks)) {
			if !yield(o.blocks[n]) {
				return
			}
		}
	}), nil)
	if offset > int64(len(whole)) || copy(p, whole[offset:]) < len(p) {
		return mft.Fail(mft.CodeNotFound, "read", "", io.ErrUnexpectedEOF)
	}
	return nil
}

func form(part int) Form {
	return Form{Transfer: mft.TransferID{1}, Key: Key{2}, Part: part}
}

func noise(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(p)
	return p
}

func write(t *testing.T, o *object, f Form, content []byte) Extent {
	t.Helper()
	w := NewWriter(t.Context(), f, 0, 3, o.stage)
	defer w.Close()
	for _, chunk := range slices.Collect(slices.Chunk(content, 7)) {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.Position(); got != int64(len(content)) {
		t.Errorf("Position() = %d, want %d", got, len(content))
	}
	e, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestRoundTrip(t *testing.T) {
	for name, size := range map[string]int{"empty": 0, "one byte": 1, "a part": 32, "a part and a byte": 33, "two parts": 64, "many": 1000} {
		t.Run(name, func(t *testing.T) {
			var o object
			f := form(32)
			content := noise(size)
			e := write(t, &o, f, content)
			if want := max((size+31)/32, 1); e.Parts != want || e.Size != int64(size) || len(o.blocks) != want {
				t.Errorf("the extent is %+v of %d blocks, want %d parts of %d bytes", e, len(o.blocks), want, size)
			}
			if err := e.Check(f.Part); err != nil {
				t.Error(err)
			}
			r := NewReader(t.Context(), f, e, 3, o.fetch)
			defer r.Close()
			if err := r.Range(0, e.Size); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("read %d bytes and %v, want the %d that were written", len(got), err, size)
			}
		})
	}
}

// TestRanges: any ranges in any order read what was written there, and a
// forward run fetches no part twice and none that it does not need.
func TestRanges(t *testing.T) {
	var o object
	f := form(32)
	content := noise(1000)
	e := write(t, &o, f, content)
	rapid.Check(t, func(t *rapid.T) {
		r := NewReader(context.Background(), f, e, rapid.IntRange(1, 4).Draw(t, "at once"), o.fetch)
		defer r.Close()
		o.reads = 0
		parts := map[int64]bool{}
		var pos int64
		for range rapid.IntRange(1, 6).Draw(t, "ranges") {
			from := rapid.Int64Range(pos, e.Size).Draw(t, "from")
			to := rapid.Int64Range(from, e.Size).Draw(t, "to")
			if err := r.Range(from, to); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, content[from:to]) {
				t.Fatalf("bytes %d to %d: read %d and %v", from, to, len(got), err)
			}
			for p := from / 32; from < to && p <= (to-1)/32; p++ {
				parts[p] = true
			}
			pos = to
		}
		if o.reads != len(parts) {
			t.Fatalf("%d fetches for %d parts", o.reads, len(parts))
		}
	})
}

func TestRangeRefused(t *testing.T) {
	r := NewReader(t.Context(), form(32), Extent{Parts: 2, Size: 40}, 1, nil)
	defer r.Close()
	for _, x := range [][2]int64{{-1, 2}, {3, 2}, {0, 41}, {41, 41}} {
		if err := r.Range(x[0], x[1]); mft.CodeOf(err) != mft.CodeProtocol {
			t.Errorf("Range(%d, %d) = %v, want code PROTOCOL", x[0], x[1], err)
		}
	}
}

// TestGoOn: a parcel that was interrupted goes on at the first part that is not
// staged, with other content if need be.
func TestGoOn(t *testing.T) {
	var o object
	f := form(32)
	first := noise(100)
	w := NewWriter(t.Context(), f, 0, 1, o.stage)
	if _, err := w.Write(first); err != nil {
		t.Fatal(err)
	}
	w.hands.Wait()
	if got := w.Staged(); got != 96 {
		t.Fatalf("Staged() = %d, want 96", got)
	}
	w.Close()

	w = NewWriter(t.Context(), f, 3, 2, o.stage)
	defer w.Close()
	rest := noise(50)
	if _, err := w.Write(rest); err != nil {
		t.Fatal(err)
	}
	e, err := w.Finish()
	if err != nil || e != (Extent{Parts: 5, Size: 146}) {
		t.Fatalf("Finish() = %+v, %v", e, err)
	}
	r := NewReader(t.Context(), f, e, 2, o.fetch)
	defer r.Close()
	if err := r.Range(0, e.Size); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, slices.Concat(first[:96], rest)) {
		t.Errorf("read %d bytes and %v", len(got), err)
	}
}

// TestManipulated: whatever the owner of the storage does to a part shows.
func TestManipulated(t *testing.T) {
	for name, spoil := range map[string]func(blocks map[int][]byte, other map[int][]byte){
		"a bit turned":             func(b, _ map[int][]byte) { b[1][30] ^= 1 },
		"the salt turned":          func(b, _ map[int][]byte) { b[1][3] ^= 1 },
		"two parts swapped":        func(b, _ map[int][]byte) { b[1], b[2] = b[2], b[1] },
		"a part repeated":          func(b, _ map[int][]byte) { b[2] = b[1] },
		"a part of another parcel": func(b, other map[int][]byte) { b[1] = other[1] },
		"cut at the end":           func(b, _ map[int][]byte) { last := len(b) - 1; b[last] = b[last][:len(b[last])-1] },
		"the last part missing":    func(b, _ map[int][]byte) { delete(b, len(b)-1) },
		"a part missing":           func(b, _ map[int][]byte) { delete(b, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			var o, other object
			f := form(32)
			e := write(t, &o, f, noise(100))
			f2 := f
			f2.Transfer[5] = 1
			write(t, &other, f2, noise(100))
			spoil(o.blocks, other.blocks)
			r := NewReader(t.Context(), f, e, 2, o.fetch)
			defer r.Close()
			if err := r.Range(0, e.Size); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err == nil || len(got) > 96 {
				t.Errorf("read %d bytes and %v, want an error", len(got), err)
			} else if code := mft.CodeOf(err); code != mft.CodeCorrupt && code != mft.CodeNotFound {
				t.Errorf("the code is %s: %v", code, err)
			}
		})
	}
}

// TestStageFails: the first failure ends writing and comes back from then on.
func TestStageFails(t *testing.T) {
	broken := errors.New("storage is away")
	o := object{fail: func(n int) error {
		if n == 2 {
			return broken
		}
		return nil
	}}
	w := NewWriter(t.Context(), form(32), 0, 2, o.stage)
	defer w.Close()
	var err error
	for range 100 {
		if _, err = w.Write(noise(32)); err != nil {
			break
		}
	}
	if !errors.Is(err, broken) {
		t.Errorf("Write: %v, want the failure of the storage", err)
	}
	if _, err := w.Finish(); !errors.Is(err, broken) {
		t.Errorf("Finish: %v, want the failure of the storage", err)
	}
	w.Close() // what was under way beside it
	if got := w.Staged(); got != 64 {
		t.Errorf("Staged() = %d, want 64", got)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stuck := func(ctx context.Context, _ int, _ []byte) error { <-ctx.Done(); return ctx.Err() }
	w := NewWriter(ctx, form(32), 0, 1, stuck)
	defer w.Close()
	cancel()
	var err error
	for range 10 {
		if _, err = w.Write(noise(64)); err != nil {
			break
		}
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v, want context.Canceled", err)
	}
	r := NewReader(ctx, form(32), Extent{Parts: 1, Size: 9}, 1, func(ctx context.Context, _ int64, _ []byte) error { <-ctx.Done(); return ctx.Err() })
	defer r.Close()
	if err := r.Range(0, 9); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 9)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v, want context.Canceled", err)
	}
}

func TestExtentCheck(t *testing.T) {
	for name, c := range map[string]struct {
		e    Extent
		part int
		ok   bool
	}{
		"empty":               {Extent{1, 0}, 32, true},
		"full parts":          {Extent{2, 64}, 32, true},
		"no parts":            {Extent{0, 0}, 32, false},
		"too few parts":       {Extent{1, 33}, 32, false},
		"too many parts":      {Extent{2, 32}, 32, false},
		"two parts of none":   {Extent{2, 0}, 32, false},
		"negative":            {Extent{1, -1}, 32, false},
		"part of none":        {Extent{1, 1}, 0, false},
		"part too large":      {Extent{1, 1}, MaxPart + 1, false},
		"beyond what may be":  {Extent{MaxParts + 1, 32 * (MaxParts + 1)}, 32, false},
		"as much as there is": {Extent{MaxParts, 32 * MaxParts}, 32, true},
	} {
		if err := c.e.Check(c.part); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPartSize(t *testing.T) {
	for _, c := range []struct {
		size   int64
		blocks int
		want   int64
	}{
		{0, 50_000, 16 << 20},
		{1 << 30, 50_000, 16 << 20},
		{1 << 40, 50_000, 27 << 20},
		{40 << 40, 50_000, 1 << 30},
		{100 << 30, 10_000, 16 << 20},
		{1 << 40, 10_000, 132 << 20},
		{5 << 40, 10_000, 656 << 20},
		{1, 0, 16 << 20},
	} {
		got := int64(PartSize(c.size, c.blocks))
		if got != c.want {
			t.Errorf("PartSize(%d, %d) = %d, want %d", c.size, c.blocks, got, c.want)
		}
		if c.blocks > 0 && c.size/got > int64(c.blocks) {
			t.Errorf("%d bytes are %d parts of at most %d", c.size, c.size/got, c.blocks)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	f := form(DefaultPart)
	w := NewWriter(b.Context(), f, 0, 2, func(context.Context, int, []byte) error { return nil })
	defer w.Close()
	chunk := noise(256 << 10)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		if w.next > MaxParts/2 {
			w.next = 0
		}
		if _, err := w.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSealedTwice: a part that is sealed again, as after a crash, shares no
// keystream with the first.
func TestSealedTwice(t *testing.T) {
	f := form(32)
	plain := noise(32)
	one, err := f.Seal(nil, 3, plain)
	if err != nil {
		t.Fatal(err)
	}
	two, err := f.Seal(nil, 3, plain)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one[:saltSize], two[:saltSize]) || bytes.Equal(one[saltSize:], two[saltSize:]) {
		t.Errorf("sealed twice it is %x and %x, want another salt and with it another keystream", one, two)
	}
}
