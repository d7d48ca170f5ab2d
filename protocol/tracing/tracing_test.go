package tracing

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

func reason(t *rapid.T) mft.Reason {
	return mft.Reason{Code: rapid.SampledFrom([]mft.Code{mft.CodeOK, mft.CodeIO, "NOT_KNOWN_HERE"}).Draw(t, "code"), Detail: rapid.StringMatching(`[a-zé ]{0,20}`).Draw(t, "detail")}
}

func moment(t *rapid.T) time.Time {
	return time.UnixMilli(rapid.Int64Range(1, 1<<41).Draw(t, "time")).UTC()
}

func record(t *rapid.T) Record {
	name := rapid.StringMatching(`[a-z]{1,8}`)
	path := rapid.SampledFrom([]string{"", "/srv/in/a", "/srv/\xff\n"})
	r := Record{
		By: mft.AgentName(name.Draw(t, "by")), Peer: mft.AgentName(name.Draw(t, "peer")), Role: rapid.SampledFrom([]mft.Role{mft.RoleSend, mft.RoleReceive}).Draw(t, "role"),
		Channel: rapid.SampledFrom([]string{"", "nightly"}).Draw(t, "channel"), State: rapid.SampledFrom(mft.States()).Draw(t, "state"), Reason: reason(t),
		File: path.Draw(t, "file"), There: path.Draw(t, "there"), Proof: "the transfer names it",
	}
	r.Transfer[0] = byte(rapid.IntRange(1, 255).Draw(t, "transfer"))
	if rapid.Bool().Draw(t, "receipt") {
		r.Receipt = &Receipt{Code: mft.CodeOK, Received: mft.Count{Items: 3, Bytes: 4}, Failed: 1, Verified: rapid.Bool().Draw(t, "verified")}
		if rapid.Bool().Draw(t, "other") {
			r.Receipt.Signed = moment(t)
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "steps") {
		r.Steps = append(r.Steps, Step{moment(t), mft.EventDetected, reason(t)})
	}
	for range rapid.IntRange(0, 3).Draw(t, "exits") {
		r.Exits = append(r.Exits, Exit{mft.ExitPost, "/bin/x", rapid.Bool().Draw(t, "ended"), rapid.IntRange(-1, 255).Draw(t, "status"), reason(t), moment(t)})
	}
	return r
}

// TestBothWays: what is written is read as it was, and nothing can be cut off from it or
// added to it.
func TestBothWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := Question{
			Item: rapid.SampledFrom([]string{"", "a", "sub/é"}).Draw(t, "item"), Records: rapid.IntRange(1, MaxRecords).Draw(t, "records"),
			Depth: rapid.IntRange(0, MaxDepth).Draw(t, "depth"), Wait: time.Duration(rapid.IntRange(0, 30_000).Draw(t, "wait")) * time.Millisecond,
		}
		body := Append(nil, &q)
		if got, err := Parse(body); err != nil || got != q {
			t.Fatalf("Parse = %+v, %v; want %+v", got, err, q)
		}
		refused(t, body, func(b []byte) error { _, err := Parse(b); return err })

		a := &Answer{}
		for range rapid.IntRange(1, 4).Draw(t, "records") {
			if !a.Add(record(t)) {
				t.Fatal("a small record has no room")
			}
		}
		a.Note("store", "it was not asked")
		a.Note("store", "it was not asked")
		body = AppendAnswer(nil, a)
		got, err := ParseAnswer(body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, got, cmpopts.IgnoreUnexported(Answer{}), cmpopts.EquateEmpty()); diff != "" || len(a.Notes) != 1 {
			t.Fatalf("ParseAnswer, -want +got:\n%s", diff)
		}
		refused(t, body, func(b []byte) error { _, err := ParseAnswer(b); return err })
	})
}

func refused(t *rapid.T, body []byte, parse func([]byte) error) {
	cut := body[:rapid.IntRange(0, len(body)-1).Draw(t, "cut")]
	if err := parse(cut); mft.CodeOf(err) != mft.CodeProtocol {
		t.Fatalf("cut after %d of %d bytes: %v", len(cut), len(body), err)
	}
	if err := parse(append(body[:len(body):len(body)], 0)); mft.CodeOf(err) != mft.CodeProtocol {
		t.Fatalf("with another byte: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		q    Question
		code mft.Code
	}{
		"a path that leaves": {Question{Item: "../a", Records: 1}, mft.CodeBadPath},
		"an absolute path":   {Question{Item: "/a", Records: 1}, mft.CodeBadPath},
	} {
		if _, err := Parse(Append(nil, &tt.q)); mft.CodeOf(err) != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
	for name, body := range map[string][]byte{
		"no records":        {0, 0, 0, 0},
		"too many records":  {0, MaxRecords + 1, 0, 0},
		"too deep":          {0, 1, MaxDepth + 1, 0},
		"an endless answer": {0, 1, 0, 0xff, 0xff, 0xff, 0x7f},
	} {
		if _, err := Parse(body); mft.CodeOf(err) != mft.CodeProtocol {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseAnswer([]byte{0, 0}); mft.CodeOf(err) != mft.CodeProtocol {
		t.Errorf("an answer without a record: %v", err)
	}
}

// TestRoom: however much there is to tell, an answer fits into a message.
func TestRoom(t *testing.T) {
	a := &Answer{}
	long := strings.Repeat("é", 300)
	r := Record{
		By: "store", Peer: "erp", Role: mft.RoleSend, State: mft.StateDone, Transfer: mft.TransferID{1}, Proof: long,
		File: "/" + strings.Repeat("x", MaxPlace-1), Channel: strings.Repeat("c", protocol.MaxChannel), Reason: mft.Reason{Code: mft.CodeIO, Detail: long},
	}
	for range 2 * MaxSteps {
		r.Steps = append(r.Steps, Step{time.UnixMilli(1), mft.EventStable, mft.Reason{Detail: long}})
	}
	for range 2 * MaxExits {
		r.Exits = append(r.Exits, Exit{Phase: mft.ExitPost, Command: long, Reason: mft.Reason{Detail: long}, At: time.UnixMilli(1)})
	}
	n := 0
	for a.Add(r) {
		a.Note("store", strings.Repeat("y", 100+n))
		n++
	}
	body := AppendAnswer(nil, a)
	if n < 3 || len(body) > protocol.MaxBody {
		t.Fatalf("%d records and %d notes take %d bytes", n, len(a.Notes), len(body))
	}
	got, err := ParseAnswer(body)
	if err != nil || len(got.Records) != n {
		t.Fatalf("ParseAnswer = %v", err)
	}
	first, last := got.Records[0], got.Records[n-1]
	if len(first.Steps) != MaxSteps || len(first.Exits) != MaxExits || len(last.Steps) != 1 {
		t.Errorf("steps %d, commands %d, steps of the last %d", len(first.Steps), len(first.Exits), len(last.Steps))
	}
	if text := first.Reason.Detail; len(text) > MaxText || !strings.HasPrefix(long, text) {
		t.Errorf("a sentence was cut to %q", text)
	}
}

func FuzzParseAnswer(f *testing.F) {
	a := &Answer{}
	a.Add(Record{By: "store", Peer: "erp", Role: mft.RoleSend, State: mft.StateDone, Transfer: mft.TransferID{1}})
	a.Note("store", "x")
	f.Add(AppendAnswer(nil, a))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := ParseAnswer(body)
		if err != nil {
			return
		}
		if again := AppendAnswer(nil, got); string(again) != string(body) {
			t.Errorf("%x is read as %+v, which is %x", body, got, again)
		}
	})
}
