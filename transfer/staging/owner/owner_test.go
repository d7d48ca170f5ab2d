package owner

import (
	"os/user"
	"strconv"
	"testing"

	"mft.dev/mft"
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
		{"left alone without privileges", false, mft.Item{Owner: me.Username, UID: 4242}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := New()
			m.privileged = tt.privileged
			for range 2 { // the second answer is from memory
				if got, _ := m.Of(&tt.item); got != tt.wantUID {
					t.Errorf("Of = %d, want %d", got, tt.wantUID)
				}
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := New()
	m.privileged = true
	for i := range 3 * maxOwners {
		m.Of(&mft.Item{Group: "no-such-group-" + strconv.Itoa(i)})
	}
	if len(m.gids) > maxOwners {
		t.Errorf("%d names are remembered, want at most %d", len(m.gids), maxOwners)
	}
}
