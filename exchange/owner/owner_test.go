package owner_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/exchange/owner"
)

// open returns an exchange in a folder, as another process would each time.
func open(t *testing.T) func() exchange.Exchange {
	t.Helper()
	path := t.TempDir()
	if _, err := dir.Setup(t.Context(), path, "edi"); err != nil {
		t.Fatal(err)
	}
	return func() exchange.Exchange {
		x, err := dir.New(dir.Config{Path: path, Agent: "edi", Wait: -1})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

func newID(t *testing.T) (id mft.TransferID) {
	t.Helper()
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatal(err)
	}
	return id
}

func member(i int) string { return fmt.Sprintf("member%c%c2345", 'a'+i/26%26, 'a'+i%26)[:12] }

func TestOneOwner(t *testing.T) {
	x := open(t)
	id := newID(t)
	if who, err := owner.Of(t.Context(), x(), id); who != "" || err != nil {
		t.Fatalf("owner of a transfer that nobody took: %q, %v", who, err)
	}
	for i := range 3 {
		who, err := owner.Take(t.Context(), x(), id, member(i))
		if err != nil || who != member(0) {
			t.Errorf("member %d is told %q, %v; want the first", i, who, err)
		}
	}
	if who, err := owner.Take(t.Context(), x(), newID(t), member(2)); err != nil || who != member(2) {
		t.Errorf("owner of another transfer: %q, %v", who, err)
	}
}

// TestEveryoneIsToldTheSame has many members take many transfers at once.
func TestEveryoneIsToldTheSame(t *testing.T) {
	x := open(t)
	const members, transfers = 6, 30
	for range transfers {
		id := newID(t)
		told := make([]string, members)
		var all sync.WaitGroup
		for i := range members {
			all.Go(func() {
				mine := x()
				for range 20 { // another's publishing may get between
					who, err := owner.Take(t.Context(), mine, id, member(i))
					if err == nil {
						told[i] = who
						return
					}
					if code := mft.CodeOf(err); !code.Retryable() && code != mft.CodeExists {
						t.Errorf("take: %v", err)
						return
					}
				}
			})
		}
		all.Wait()
		for i, who := range told {
			if who == "" || who != told[0] {
				t.Fatalf("member %d is told %q, and member 0 %q", i, who, told[0])
			}
		}
	}
}

// TestBetween stops a member at each step, and has another take the transfer.
func TestBetween(t *testing.T) {
	for name, before := range map[string]func(x exchange.Exchange, object string) error{
		"staged": func(x exchange.Exchange, object string) error {
			return x.Container.Stage(t.Context(), object, 0, []byte(member(0)))
		},
		"published": func(x exchange.Exchange, object string) error {
			if err := x.Container.Stage(t.Context(), object, 0, []byte(member(0))); err != nil {
				return err
			}
			return x.Container.Publish(t.Context(), object, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			x, id := open(t), newID(t)
			if err := before(x(), "owner-"+id.String()); err != nil {
				t.Fatal(err)
			}
			first, err := owner.Take(t.Context(), x(), id, member(1))
			if err != nil {
				t.Fatal(err)
			}
			second, err := owner.Take(t.Context(), x(), id, member(0))
			if err != nil || second != first {
				t.Errorf("told %q, then %q (%v)", first, second, err)
			}
			if name == "published" && first != member(0) {
				t.Errorf("what was published is overruled: %q", first)
			}
		})
	}
}

func TestWhatNoMemberWrote(t *testing.T) {
	x, id := open(t)(), newID(t)
	name := "owner-" + id.String()
	if err := x.Container.Stage(t.Context(), name, 0, []byte("NOT A MEMBER, BUT LONG")); err != nil {
		t.Fatal(err)
	}
	if err := x.Container.Publish(t.Context(), name, 1); err != nil {
		t.Fatal(err)
	}
	if who, err := owner.Take(t.Context(), x, id, member(0)); mft.CodeOf(err) != mft.CodeCorrupt {
		t.Errorf("take: %q, %v; want code CORRUPT", who, err)
	}
	if _, err := owner.Take(t.Context(), x, id, "me"); mft.CodeOf(err) != mft.CodeUsage {
		t.Errorf("take as nobody: %v; want code USAGE", err)
	}
}

func TestStorageAway(t *testing.T) {
	x, err := dir.New(dir.Config{Path: t.TempDir(), Agent: "edi", Wait: -1}) // never set up
	if err != nil {
		t.Fatal(err)
	}
	if who, err := owner.Take(t.Context(), x, newID(t), member(0)); err == nil {
		t.Errorf("a folder that is not mounted says that %q owns it", who)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if who, err := owner.Take(done, open(t)(), newID(t), member(0)); err == nil {
		t.Errorf("took as %q when it was over", who)
	}
}

func TestOver(t *testing.T) {
	x, id := open(t)(), newID(t)
	if _, err := owner.Take(t.Context(), x, id, member(0)); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := x.Container.List(t.Context(), func(o exchange.Object) bool {
		seen++
		if owner.Over(o, o.Changed.Add(owner.Life)) {
			t.Error("it is over when letters may still come")
		}
		if !owner.Over(o, o.Changed.Add(owner.Life+time.Second)) {
			t.Error("it is never over")
		}
		o.Name = "abcdefabcdef-" + id.String() + "-0"
		if owner.Over(o, o.Changed.Add(2*owner.Life)) {
			t.Error("a parcel is taken for a decision")
		}
		return true
	})
	if err != nil || seen != 1 {
		t.Errorf("%d objects, %v", seen, err)
	}
}
