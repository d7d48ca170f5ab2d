package route

import (
	"testing"
	"time"

	"mft.dev/mft"
)

func TestTable(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		name            string
		exchange        bool
		path, want      mft.Path
		direct          bool // at first
		through, redial bool // when the link could not be had; at once after it
	}{
		{"auto with an exchange", true, "", mft.PathAuto, true, true, false},
		{"auto, said", true, mft.PathAuto, mft.PathAuto, true, true, false},
		{"auto without one", false, mft.PathAuto, mft.PathDirect, true, false, true},
		{"direct with an exchange", true, mft.PathDirect, mft.PathDirect, true, false, true},
		{"relay", true, mft.PathRelay, mft.PathRelay, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := New(c.exchange, map[mft.AgentName]mft.Path{"beta": c.path})
			if got := table.Path("beta"); got != c.want {
				t.Errorf("Path is %q, want %q", got, c.want)
			}
			if got := table.Direct("beta", mft.TransferID{}, now); got != c.direct {
				t.Errorf("Direct is %v, want %v", got, c.direct)
			}
			if got := table.Apart("beta", mft.TransferID{}, now); got != c.through {
				t.Errorf("Apart is %v, want %v", got, c.through)
			}
			if got := table.Direct("beta", mft.TransferID{}, now.Add(Wait-1)); got != c.redial {
				t.Errorf("Direct soon after is %v, want %v", got, c.redial)
			}
			if got := table.Direct("beta", mft.TransferID{}, now.Add(Wait)); got != c.direct {
				t.Errorf("Direct later is %v, want %v", got, c.direct)
			}
			table.Up("beta")
			if got := table.Direct("beta", mft.TransferID{}, now); got != c.direct {
				t.Errorf("Direct after Up is %v, want %v", got, c.direct)
			}
		})
	}
}
