package owner

import (
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

func TestOf(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skipf("this user has no name: %v", err)
	}
	uid, err := strconv.Atoi(me.Uid)
	if err != nil {
		t.Skipf("users have no numbers here: %v", err)
	}
	const unheard = "nobody-has-this-name"
	for _, tt := range []struct {
		name       string
		privileged bool
		item       mft.Item
		wantUID    int
	}{
		{"by name, whatever the number", true, mft.Item{Owner: me.Username, UID: 4242}, uid},
		{"by number where the name is unknown", true, mft.Item{Owner: unheard, UID: 4242}, 4242},
		{"by number without a name", true, mft.Item{UID: 4243}, 4243},
		{"by name where the number is nobody's", true, mft.Item{Owner: me.Username, UID: math.MaxUint32}, uid},
		{"left alone where it is nobody's", true, mft.Item{UID: math.MaxUint32}, -1},
		{"left alone where it is nobody's, by an unknown name", true, mft.Item{Owner: unheard, UID: math.MaxUint32}, -1},
		{"left alone without privileges", false, mft.Item{Owner: me.Username, UID: 4242}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := New(journal.Landing{})
			m.privileged = tt.privileged
			for range 2 { // the second answer is from memory
				if got, _ := m.Of(&tt.item); got != tt.wantUID {
					t.Errorf("Of = %d, want %d", got, tt.wantUID)
				}
			}
		})
	}
}

// TestCheck: of all owners and bits, each grant.
func TestCheck(t *testing.T) {
	const (
		other  = 4242
		nobody = math.MaxUint32
		plain  = 0o755
	)
	root := os.Geteuid() == 0
	for _, tt := range []struct {
		name       string
		privileged bool
		item       mft.Item
		refused    bool
	}{
		{"plain, of root", true, mft.Item{Mode: plain}, false},
		{"sticky, of root", true, mft.Item{Mode: 0o1755}, false},
		{"setuid of root", true, mft.Item{Mode: 0o4755, GID: other}, true},
		{"setuid of root by name", true, mft.Item{Mode: 0o4755, Owner: "root", UID: other, GID: other}, true},
		{"setuid of root by number, of an unknown name", true, mft.Item{Mode: 0o4755, Owner: "nobody-has-this-name", GID: other}, true},
		{"setuid of another", true, mft.Item{Mode: 0o4755, UID: other}, false},
		{"setgid of root's group", true, mft.Item{Mode: 0o2755, UID: other}, true},
		{"setgid of another group, of root", true, mft.Item{Mode: 0o2755, GID: other}, false},
		{"both, of others", true, mft.Item{Mode: 0o6755, UID: other, GID: other}, false},
		{"both, user root", true, mft.Item{Mode: 0o6755, GID: other}, true},
		{"both, group root", true, mft.Item{Mode: 0o6755, UID: other}, true},
		{"setuid of nobody becomes the receiver's", true, mft.Item{Mode: 0o4755, UID: nobody, GID: other}, root},
		{"setgid of nobody becomes the receiver's", true, mft.Item{Mode: 0o2755, UID: other, GID: nobody}, os.Getegid() == 0},
		{"setuid without privileges is the receiver's", false, mft.Item{Mode: 0o4755, UID: other, GID: other}, root},
		{"setgid without privileges is the receiver's", false, mft.Item{Mode: 0o2755, UID: other, GID: other}, os.Getegid() == 0},
		{"a directory", true, mft.Item{Type: mft.ItemDir, Mode: 0o6755}, false},
		{"a link", true, mft.Item{Type: mft.ItemSymlink, Mode: 0o6777}, false},
	} {
		for _, grant := range []journal.Landing{{}, {AllowRootSetID: true}, {AllowSetID: true}, {AllowSetID: true, AllowRootSetID: true}} {
			t.Run(fmt.Sprintf("%s, %t and %t", tt.name, grant.AllowSetID, grant.AllowRootSetID), func(t *testing.T) {
				it := tt.item
				if it.Type == 0 {
					it.Type = mft.ItemFile
				}
				m := New(grant)
				m.privileged = tt.privileged
				want := tt.refused && grant.AllowSetID && !grant.AllowRootSetID
				if err := m.Check(&it); want != (mft.CodeOf(err) == mft.CodeRootSetID) || !want && err != nil {
					t.Errorf("Check = %v, want a refusal: %t", err, want)
				}
				kept := m.Mode(&it)
				if !grant.AllowSetID && kept&0o7000 != 0 {
					t.Errorf("Mode keeps %04o without a grant", kept)
				}
				// What Check judged is what is set: with a bit, nothing is left to the system.
				if uid, gid := m.Of(&it); it.Type == mft.ItemFile && kept&0o6000 != 0 && (uid < 0 || gid < 0) {
					t.Errorf("Of = %d, %d for a file with mode %04o", uid, gid, kept)
				}
			})
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := New(journal.Landing{})
	m.privileged = true
	for i := range 3 * maxOwners {
		m.Of(&mft.Item{Group: "no-such-group-" + strconv.Itoa(i)})
	}
	if len(m.gids) > maxOwners {
		t.Errorf("%d names are remembered, want at most %d", len(m.gids), maxOwners)
	}
}
