package errand

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer"
)

// BenchmarkPrepare is what it costs to tell of the largest batch, at both ends.
func BenchmarkPrepare(b *testing.B) {
	var entries []journal.Entry
	for i := range journal.MaxBatch {
		entries = append(entries, journal.Entry{
			Key: [16]byte{byte(i)}, Temp: fmt.Sprintf("dir/.mft-0123456789abcdef0123456789abcdef.part/%032x", i), Final: fmt.Sprintf("dir/below/f%d", i),
			Size: 1000, Type: mft.ItemFile, Overwrite: mft.OverwriteReplace,
		})
	}
	for b.Loop() {
		var out Prepare
		if err := plain.Parse(plain.Append(nil, PrepareOf(entries)), &out); err != nil {
			b.Fatal(err)
		}
		if got, err := out.List(); err != nil || len(got) != len(entries) {
			b.Fatal(err)
		}
	}
}

func TestPrepare(t *testing.T) {
	want := []journal.Entry{
		{Key: [16]byte{1}, Digest: mft.Digest{2}, Temp: "t", Final: "f\xff/g", Size: 1 << 40, Type: mft.ItemFile, Overwrite: mft.OverwriteVersion},
		{Final: "only", Type: mft.ItemDir},
	}
	p := PrepareOf(want)
	if got, err := p.List(); err != nil || !slices.Equal(got, want) {
		t.Errorf("List = %+v, %v, want %+v", got, err, want)
	}
	for n := 1; n < len(p.Entries); n++ {
		if got, err := (&Prepare{Entries: p.Entries[:n]}).List(); err == nil && len(got) != 1 {
			t.Errorf("List of %d bytes = %+v", n, got)
		}
	}
}

func FuzzPrepare(f *testing.F) {
	p := PrepareOf([]journal.Entry{{Temp: "t", Final: "f", Size: 7, Overwrite: mft.OverwriteNever}})
	f.Add(p.Entries)
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := (&Prepare{Entries: b}).List()
		if err != nil {
			return
		}
		again := PrepareOf(entries)
		if got, err := again.List(); err != nil || !slices.Equal(got, entries) {
			t.Errorf("%+v becomes %+v, %v", entries, got, err)
		}
	})
}

// TestFailure: what decides about what follows an error survives the way between two
// processes.
func TestFailure(t *testing.T) {
	for _, err := range []error{
		mft.Fail(mft.CodeNoSpace, "receive into", "/srv/in", errors.New("full")),
		fmt.Errorf("offering: %w", &transfer.Refused{Decision: mft.Decision{Code: mft.CodeBusy, RetryIn: 3 * time.Second}}),
		fmt.Errorf("waiting: %w", context.Canceled),
		mft.Fail(mft.CodeTimeout, "wait", "", context.DeadlineExceeded),
		errors.New("without a code"),
	} {
		var f Failure
		if perr := plain.Parse(plain.Append(nil, *FailureOf(err)), &f); perr != nil {
			t.Fatal(perr)
		}
		got := f.Err()
		if got == nil || got.Error() != err.Error() || mft.CodeOf(got) != mft.CodeOf(err) {
			t.Errorf("%v [%s] becomes %v [%s]", err, mft.CodeOf(err), got, mft.CodeOf(got))
		}
		for _, is := range []error{context.Canceled, context.DeadlineExceeded} {
			if errors.Is(got, is) != errors.Is(err, is) {
				t.Errorf("%v: errors.Is(%v) is %v", err, is, errors.Is(got, is))
			}
		}
		var was, refused *transfer.Refused
		if errors.As(err, &was) && (!errors.As(got, &refused) || refused.Decision.RetryIn != was.Decision.RetryIn) {
			t.Errorf("%v is no refusal any more: %+v", err, refused)
		}
	}
	if FailureOf(nil).Err() != nil {
		t.Error("nothing becomes a failure")
	}
	if (&Failure{}).Err() == nil {
		t.Error("a failure without a code is none")
	}
}
