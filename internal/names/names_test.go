package names

import (
	"errors"
	"math"
	"os/user"
	"strconv"
	"testing"
)

func TestLookedUpOnce(t *testing.T) {
	known := map[uint32]string{}
	calls := 0
	lookup := func(id string) (string, error) {
		calls++
		if id == "7" {
			return "", errors.New("nobody has that number")
		}
		return "u" + id, nil
	}
	for range 3 {
		for id, want := range map[uint32]string{1: "u1", 2: "u2", 7: "", math.MaxUint32: ""} {
			if got := remember(&known, id, lookup); got != want {
				t.Errorf("the name of %d is %q, want %q", id, got, want)
			}
		}
	}
	if calls != 3 {
		t.Errorf("three numbers were looked up %d times", calls)
	}
	for id := range uint32(3 * maxNames) {
		remember(&known, id, lookup)
		if len(known) > maxNames {
			t.Fatalf("%d names are remembered, want at most %d", len(known), maxNames)
		}
	}
}

func TestAgreesWithTheSystem(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skipf("this process has no name: %v", err)
	}
	uid, err := strconv.ParseUint(me.Uid, 10, 32)
	if err != nil {
		t.Skip("users have no numbers here")
	}
	var o Names
	if got, _ := o.Of(uint32(uid), math.MaxUint32); got != me.Username {
		t.Errorf("the owner %d is %q, want %q", uid, got, me.Username)
	}
	if got := o.User(uint32(uid)); got != me.Username {
		t.Errorf("the user %d is %q, want %q", uid, got, me.Username)
	}
}
