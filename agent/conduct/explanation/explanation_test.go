package explanation

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mft.dev/mft"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/trigger"
)

func TestLinksThatLeadOut(t *testing.T) {
	file := func(why trigger.Why, size int64, err error) File {
		return File{Explained: arrival.Explained{Choice: trigger.Choice{Moves: why == trigger.WhyMirror, Why: why}, Size: size}, Unreadable: err}
	}
	out := mft.Fail(mft.CodeSymlink, "scan", "l", errors.New("the link leads out of the tree"))
	e := Explanation{
		Moving: mft.Count{Items: 3, Bytes: 111},
		Counts: map[trigger.Why]mft.Count{trigger.WhyMirror: {Items: 3, Bytes: 111}, trigger.WhyNew: {Items: 1, Bytes: 5}},
		Files: []File{
			file(trigger.WhyMirror, 1, nil), file(trigger.WhyMirror, 10, out),
			file(trigger.WhyMirror, 100, mft.Fail(mft.CodePermission, "open", "f", errors.New("no"))), file(trigger.WhyNew, 5, out),
		},
	}
	e.leadOut()
	got := []trigger.Why{}
	for _, f := range e.Files {
		got = append(got, f.Choice.Why)
	}
	if diff := cmp.Diff([]trigger.Why{trigger.WhyMirror, trigger.WhyLeadsOut, trigger.WhyMirror, trigger.WhyNew}, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	want := map[trigger.Why]mft.Count{trigger.WhyMirror: {Items: 2, Bytes: 101}, trigger.WhyLeadsOut: {Items: 1, Bytes: 10}, trigger.WhyNew: {Items: 1, Bytes: 5}}
	if diff := cmp.Diff(want, e.Counts); diff != "" || e.Moving != (mft.Count{Items: 2, Bytes: 101}) {
		t.Errorf("moving %+v, counts (-want +got):\n%s", e.Moving, diff)
	}
}
