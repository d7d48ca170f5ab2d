package marking

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

func drawQuestions(t *rapid.T) Questions {
	q := Questions{Wait: time.Duration(rapid.IntRange(0, int(MaxWait.Milliseconds())).Draw(t, "wait")) * time.Millisecond}
	for range rapid.IntRange(0, 5).Draw(t, "questions") {
		one := Question{
			Deed: Deed(rapid.IntRange(0, int(Try)).Draw(t, "deed")), Kind: rapid.SampledFrom(kinds[1:]).Draw(t, "kind"),
			Channel: rapid.StringMatching(`[a-z]{1,9}`).Draw(t, "channel"), Path: rapid.StringMatching(`/[^\x00]{0,9}`).Draw(t, "path"),
		}
		if q.Wait > 0 {
			one.Deed = Look
		}
		if one.Deed == Look {
			one.Known = State(rapid.IntRange(0, int(Failed)).Draw(t, "known"))
		}
		q.List = append(q.List, one)
	}
	return q
}

func TestQuestionsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawQuestions(t)
		got, err := Parse(Append(nil, &want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAnswersSurvive(t *testing.T) {
	asked := []Question{{Deed: Look}, {Deed: Look}, {Deed: Take}, {Deed: Place}, {Deed: Drop}}
	want := []Answer{
		{State: There}, {State: Failed, Reason: mft.Reason{Code: mft.CodeNotFound, Detail: "no directory"}}, {State: Taken}, {State: Done}, {State: Done},
	}
	got, err := ParseAnswers(AppendAnswers(nil, want), asked)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// TestEverythingFits fills a message with answers that are as long as they get.
func TestEverythingFits(t *testing.T) {
	var list []Answer
	for range MaxQuestions {
		list = append(list, Answer{State: Failed, Reason: mft.Reason{Code: mft.Code(strings.Repeat("X", protocol.MaxCode)), Detail: strings.Repeat("\xff", 1000)}})
	}
	if n := len(AppendAnswers(nil, list)); n > protocol.MaxBody {
		t.Errorf("the answers have %d bytes, of at most %d", n, protocol.MaxBody)
	}
}

func TestRefused(t *testing.T) {
	good := func() *Questions {
		return &Questions{List: []Question{{Kind: mft.MarkerBlock, Channel: "nightly", Path: "/srv/in/.busy", Known: There}}}
	}
	for name, spoil := range map[string]func(q *Questions) []byte{
		"no marker":        func(q *Questions) []byte { q.List[0].Kind = "flag"; return Append(nil, q) },
		"no deed":          func(q *Questions) []byte { q.List[0].Deed, q.List[0].Known = 9, Done; return Append(nil, q) },
		"no channel":       func(q *Questions) []byte { q.List[0].Channel = ""; return Append(nil, q) },
		"a long channel":   func(q *Questions) []byte { q.List[0].Channel = strings.Repeat("x", 256); return Append(nil, q) },
		"no path":          func(q *Questions) []byte { q.List[0].Path = ""; return Append(nil, q) },
		"a NUL in it":      func(q *Questions) []byte { q.List[0].Path = "/a\x00"; return Append(nil, q) },
		"an unknown state": func(q *Questions) []byte { q.List[0].Known = 9; return Append(nil, q) },
		"known of a place": func(q *Questions) []byte { q.List[0].Deed = Place; return Append(nil, q) },
		"a place that waits": func(q *Questions) []byte {
			q.Wait, q.List[0].Deed, q.List[0].Known = 5000000, Place, Done
			return Append(nil, q)
		},
		"too many": func(q *Questions) []byte {
			for range MaxQuestions {
				q.List = append(q.List, q.List[0])
			}
			return Append(nil, q)
		},
		"cut":         func(q *Questions) []byte { b := Append(nil, q); return b[:len(b)-1] },
		"more behind": func(q *Questions) []byte { return append(Append(nil, q), 0) },
		"nothing":     func(*Questions) []byte { return nil },
	} {
		if q, err := Parse(spoil(good())); err == nil || mft.CodeOf(err) != mft.CodeProtocol && mft.CodeOf(err) != mft.CodeBadPath {
			t.Errorf("%s: %+v, %v, want it refused", name, q, err)
		}
	}
	for name, c := range map[string]struct {
		asked Deed
		said  []Answer
	}{
		"too few":                  {Look, nil},
		"too many":                 {Look, []Answer{{State: There}, {State: There}}},
		"done, to a look":          {Look, []Answer{{State: Done}}},
		"there, to a take":         {Take, []Answer{{State: There}}},
		"taken, to a drop":         {Drop, []Answer{{State: Taken}}},
		"a failure without reason": {Look, []Answer{{State: Failed}}},
		"an unknown state":         {Place, []Answer{{State: 9}}},
	} {
		if a, err := ParseAnswers(AppendAnswers(nil, c.said), []Question{{Deed: c.asked}}); mft.CodeOf(err) != mft.CodeProtocol {
			t.Errorf("%s: %+v, %v, want it refused", name, a, err)
		}
	}
}

// TestAllows has every deed that is not listed refused.
func TestAllows(t *testing.T) {
	want := map[mft.MarkerKind][]Deed{
		mft.MarkerTrigger: {Look, Take, Drop, Try}, mft.MarkerBlock: {Look}, mft.MarkerActivity: {Place, Remove, Try},
		mft.MarkerCompletion: {Place, Try}, mft.MarkerFailure: {Place, Remove, Try}, mft.MarkerSilence: {Place, Remove, Try}, mft.MarkerActive: {Look}, "flag": nil,
	}
	for kind, deeds := range want {
		for d := Look; d <= Try+1; d++ {
			is := bytes.IndexByte(bytesOf(deeds), byte(d)) >= 0
			if got := Allows(kind, d); got != is {
				t.Errorf("Allows(%s, %v) = %v", kind, d, got)
			}
		}
	}
}

func bytesOf(deeds []Deed) (out []byte) {
	for _, d := range deeds {
		out = append(out, byte(d))
	}
	return out
}

func FuzzQuestions(f *testing.F) {
	seed := rapid.Custom(drawQuestions)
	for i := range 20 {
		q := seed.Example(i)
		f.Add(Append(nil, &q))
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, p []byte) {
		q, err := Parse(p)
		if err == nil && !bytes.Equal(Append(nil, &q), p) {
			t.Fatalf("Append(Parse(%x)) = %x", p, Append(nil, &q))
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte{2, 2, 1}, uint8(Look))
	f.Add(AppendAnswers(nil, []Answer{{State: Failed, Reason: mft.Reason{Code: mft.CodeNotAllowed, Detail: "why"}}, {State: Absent}}), uint8(Look))
	f.Add([]byte{2, 3, 1}, uint8(Take))
	f.Add([]byte{2, 0, 0}, uint8(Place))
	f.Fuzz(func(t *testing.T, p []byte, deed uint8) {
		asked := []Question{{Deed: Deed(deed)}, {Deed: Deed(deed)}}
		list, err := ParseAnswers(p, asked)
		if err != nil {
			return
		}
		for _, a := range list {
			if len(a.Reason.Detail) > MaxDetail {
				return // it is read, and not written
			}
		}
		if !bytes.Equal(AppendAnswers(nil, list), p) {
			t.Fatalf("AppendAnswers(ParseAnswers(%x)) = %x", p, AppendAnswers(nil, list))
		}
	})
}
