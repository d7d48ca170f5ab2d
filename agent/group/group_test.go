package group

import (
	"errors"
	"testing"
	"time"

	"mft.dev/mft"
)

func TestDecide(t *testing.T) {
	up, down, unknown := Seen{Known: true, Up: true}, Seen{Known: true, Problem: errors.New("no route")}, Seen{}
	secret := Seen{Known: true, Up: true, Secret: true, Problem: errors.New("not allowed")}
	marked := Seen{Known: true, Up: true, There: true}
	for _, tt := range []struct {
		name   string
		active mft.Activity
		marker string
		a, b   Seen
		last   mft.AgentName
		lately bool
		want   mft.AgentName // empty for none
	}{
		{"the preferred one", mft.ActiveProbe, "", up, up, "", false, "a"},
		{"the other one", mft.ActiveProbe, "", down, up, "", false, "b"},
		{"the one that was active, and answers", mft.ActiveProbe, "", up, up, "b", true, "b"},
		{"the one that was active a moment ago", mft.ActiveProbe, "", down, up, "a", true, "a"},
		{"no longer the one that was", mft.ActiveProbe, "", down, up, "a", false, "b"},
		{"the preferred one may answer in a moment", mft.ActiveProbe, "", down, up, "", true, ""},
		{"the preferred one answers at once", mft.ActiveProbe, "", up, down, "", true, "a"},
		{"none has answered yet", mft.ActiveProbe, "", down, down, "", true, ""},
		{"none answers", mft.ActiveProbe, "", down, down, "", false, ""},
		{"none answers any more", mft.ActiveProbe, "", down, down, "a", false, ""},
		{"not before all are known", mft.ActiveProbe, "", unknown, up, "", false, ""},
		{"the one that was active, before the other is known", mft.ActiveProbe, "", up, unknown, "a", true, "a"},
		{"the first that is ready", mft.ActiveProbe, "/x", up, marked, "", false, "b"},
		{"none is ready", mft.ActiveProbe, "/x", up, up, "", false, ""},

		{"nobody was chosen", mft.ActiveManual, "", up, down, "a", true, ""},
		{"by marker", mft.ActiveMarker, "/x", up, marked, "", false, "b"},
		{"by marker, the other does not answer", mft.ActiveMarker, "/x", down, marked, "a", true, "b"},
		{"by marker, both", mft.ActiveMarker, "/x", marked, marked, "", false, ""},
		{"by marker, both, of which one was", mft.ActiveMarker, "/x", marked, marked, "a", true, ""},
		{"by marker, the other does not let it be looked at", mft.ActiveMarker, "/x", marked, secret, "a", true, ""},
		{"the first that is ready, the other does not let it be looked at", mft.ActiveProbe, "/x", secret, marked, "", false, "b"},
		{"by marker, none", mft.ActiveMarker, "/x", up, up, "a", true, ""},
		{"by marker, none answers", mft.ActiveMarker, "/x", down, down, "a", true, ""},
		{"by marker, the other is not known", mft.ActiveMarker, "/x", marked, unknown, "", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := mft.ServerGroup{Name: "pair", Members: []mft.AgentName{"a", "b"}, Active: tt.active, Marker: tt.marker, After: time.Minute}
			got, err := Decide(g, map[mft.AgentName]Seen{"a": tt.a, "b": tt.b}, tt.last, tt.lately)
			if got != tt.want || (err == nil) != (tt.want != "") || err != nil && mft.CodeOf(err) != mft.CodeNoMember {
				t.Errorf("Decide = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}
