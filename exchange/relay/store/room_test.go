package store

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/internal/confine"
)

// a disk has as much room as a test says.
type disk struct {
	bytes, inodes atomic.Int64
	err           error
}

func (d *disk) free() (confine.Space, error) {
	return confine.Space{Bytes: d.bytes.Load(), Inodes: d.inodes.Load()}, d.err
}

func crowded(t *testing.T, total int64) (s *Store, d *disk, told *int) {
	t.Helper()
	d, told = &disk{}, new(int)
	d.bytes.Store(1000)
	d.inodes.Store(-1)
	s, err := Open(t.Context(), Config{
		Dir: filepath.Join(t.TempDir(), "relay"), Total: total, Reserve: 400, Free: d.free, Full: func(error) { *told++ },
		Quota: func(mft.AgentName) wire.Quota { return wire.Quota{Letters: 10, Objects: 10, Bytes: 300} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, d, told
}

// put stages a block of an agent and returns the code.
func put(t *testing.T, s *Store, owner mft.AgentName, name string, size int) mft.Code {
	t.Helper()
	return mft.CodeOf(s.Stage(t.Context(), Block{Owner: owner, Name: name, Size: int64(size)}, strings.NewReader(strings.Repeat("x", size))))
}

// TestTotal: agents that each have less than they may are held to what all may have.
func TestTotal(t *testing.T) {
	s, _, told := crowded(t, 500)
	for _, step := range []struct {
		name  string
		owner mft.AgentName
		size  int
		want  mft.Code
		told  int
	}{
		{"first of erp", "erp", 250, mft.CodeOK, 0},
		{"more than erp may have", "erp", 60, mft.CodeQuota, 0},
		{"of ledger", "ledger", 200, mft.CodeOK, 0},
		{"more than all may have", "ledger", 60, mft.CodeNoSpace, 1},
		{"again", "ledger", 60, mft.CodeNoSpace, 1},
		{"what is left", "crm", 50, mft.CodeOK, 1},
		{"one more", "crm", 1, mft.CodeNoSpace, 2},
	} {
		if got := put(t, s, step.owner, strings.ReplaceAll(step.name, " ", "-"), step.size); got != step.want || *told != step.told {
			t.Errorf("%s: code %s, the operator was told %d times; want %s and %d", step.name, got, *told, step.want, step.told)
		}
	}
	if err := s.RemoveObject(t.Context(), "erp", "first-of-erp"); err != nil {
		t.Fatal(err)
	}
	if got := put(t, s, "ledger", "after-one-was-fetched", 60); got != mft.CodeOK {
		t.Errorf("after something was removed: code %s", got)
	}
	if len(s.coming) != 0 {
		t.Errorf("%v are under way, want nothing", s.coming)
	}
}

// TestReserve: blocks leave the reserve free, letters half of it.
func TestReserve(t *testing.T) {
	for _, tt := range []struct {
		name          string
		bytes, inodes int64
		err           error
		block, letter mft.Code
	}{
		{"room", 500, -1, nil, mft.CodeOK, mft.CodeOK},
		{"as much as is reserved", 499, 5, nil, mft.CodeNoSpace, mft.CodeOK},
		{"half of that", 201, 5, nil, mft.CodeNoSpace, mft.CodeOK},
		{"less", 200, 5, nil, mft.CodeNoSpace, mft.CodeNoSpace},
		{"no room for names", 1000, 0, nil, mft.CodeNoSpace, mft.CodeNoSpace},
		{"a disk that does not answer", 1000, -1, mft.Fail(mft.CodeIO, "", "", nil), mft.CodeIO, mft.CodeIO},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, d, _ := crowded(t, 0)
			d.bytes.Store(tt.bytes)
			d.inodes.Store(tt.inodes)
			d.err = tt.err
			if got := put(t, s, "erp", "o", 100); got != tt.block {
				t.Errorf("a block: code %s, want %s", got, tt.block)
			}
			if _, err := s.Put(t.Context(), Put{From: "erp", To: "ledger", Body: []byte("l")}); mft.CodeOf(err) != tt.letter {
				t.Errorf("a letter: %v, want code %s", err, tt.letter)
			}
		})
	}
}

// TestUnderWay: what is on its way counts as if it were there.
func TestUnderWay(t *testing.T) {
	s, _, _ := crowded(t, 300)
	r, w := io.Pipe()
	first := make(chan error, 1)
	go func() {
		first <- s.Stage(t.Context(), Block{Owner: "erp", Name: "slow", Size: 200}, r)
	}()
	if _, err := w.Write([]byte("x")); err != nil { // it has been let in
		t.Fatal(err)
	}
	if got := put(t, s, "ledger", "meanwhile", 150); got != mft.CodeNoSpace {
		t.Errorf("a block beside one that is under way: code %s, want %s", got, mft.CodeNoSpace)
	}
	w.CloseWithError(errors.New("broken off"))
	if err := <-first; err == nil {
		t.Error("half a block was kept")
	}
	if got := put(t, s, "ledger", "afterwards", 150); got != mft.CodeOK {
		t.Errorf("a block after that: code %s", got)
	}
}

// TestFree: a real disk answers.
func TestFree(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "relay"), &shift{})
	if free, err := s.c.Free(); err != nil || free.Bytes <= 0 {
		t.Errorf("Free = %+v, %v", free, err)
	}
}
