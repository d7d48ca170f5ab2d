package journal

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
)

func TestMain(m *testing.M) {
	if child := childMain(); child != nil {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// hostile is a name that is no UTF-8 and would end a C string.
const hostile = "a\x00b\xff'\n\xc3"

// at returns a moment, so many seconds after a fixed one.
func at(s int) time.Time { return time.Unix(1_800_000_000+int64(s), 123456789).UTC() }

// id returns the id that n stands for.
func id(n int) mft.TransferID {
	var out mft.TransferID
	binary.BigEndian.PutUint64(out[8:], uint64(n)+1)
	return out
}

func key(n int) (k [16]byte) {
	binary.BigEndian.PutUint64(k[:], uint64(n))
	return k
}

func digest(n int) (d mft.Digest) {
	binary.BigEndian.PutUint64(d[24:], uint64(n))
	return d
}

// planned returns a transfer with every field set.
func planned(n int) mft.Transfer {
	return mft.Transfer{
		ID: id(n), Role: mft.RoleSend, Peer: "ledger", Channel: "nightly", State: mft.StatePlanned,
		Reason:  mft.Reason{Code: mft.CodeBusy, Detail: hostile},
		Sources: []string{"/srv/out/", hostile, ""}, Destination: "/srv/in/" + hostile,
		Overwrite: mft.OverwriteVersion, Requested: true,
		Totals: mft.Count{Items: 4, Bytes: 1 << 40}, Moved: mft.Count{Items: 1, Bytes: 2},
		Compare: mft.CompareContent, Mirror: mft.Mirror{On: true, MaxFiles: -1, MaxPercent: 7},
		Unchanged: mft.Count{Items: 8, Bytes: 9}, Removed: 10, Compress: mft.CompressNever,
		Created: at(n), Updated: at(n + 1), Attempts: 3,
	}
}

func openAt(t testing.TB, path string) *Journal {
	t.Helper()
	j, err := Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return j
}

func newJournal(t testing.TB) *Journal {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "journal.db"))
}

// update runs f and fails the test when it fails.
func update(t testing.TB, j *Journal, f func(*Tx) error) {
	t.Helper()
	if err := j.Update(t.Context(), f); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// create adds planned(0) and so on.
func create(t testing.TB, j *Journal, n int) {
	t.Helper()
	update(t, j, func(tx *Tx) error {
		for i := range n {
			if err := tx.Create(planned(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// refused runs f and fails the test unless its error has the code.
func refused(t testing.TB, j *Journal, what string, want mft.Code, f func(*Tx) error) {
	t.Helper()
	err := j.Update(context.WithoutCancel(t.Context()), f)
	if got := mft.CodeOf(err); got != want {
		t.Errorf("%s: got code %s (%v), want %s", what, got, err, want)
	}
}
