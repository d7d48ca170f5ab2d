package rehearsal

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

func names(t *rapid.T, what string) []string {
	list := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z.\x{e9}-]{0,12}`), 0, 12, rapid.ID[string]).Draw(t, what)
	slices.Sort(list)
	return list
}

func question(t *rapid.T) Question {
	q := Question{
		Destination: rapid.StringMatching(`/[a-z/]{0,20}`).Draw(t, "destination"), Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick,
	}
	if rapid.Bool().Draw(t, "mirror") {
		q.Mirror = mft.Mirror{On: true, MaxFiles: 10, MaxPercent: 50}
		q.Rules = rapid.SliceOfN(rapid.StringMatching(`[+-] [a-z*]{1,9}`), 0, 4).Draw(t, "rules")
	}
	for range rapid.IntRange(0, 4).Draw(t, "portions") {
		p := Portion{Dir: rapid.SampledFrom([]string{"", "a", "a/b"}).Draw(t, "dir"), Last: rapid.Bool().Draw(t, "last")}
		for _, name := range names(t, "items") {
			p.Items = append(p.Items, mft.Item{Path: path.Join(p.Dir, name), Type: mft.ItemFile, Size: rapid.Int64Range(0, 1<<40).Draw(t, "size"), MTime: 7})
		}
		if len(p.Items) > 0 && rapid.Bool().Draw(t, "after") {
			p.After = path.Base(p.Items[0].Path)
			p.Items = p.Items[1:]
		}
		p.Stays = names(t, "stays")
		q.Portions = append(q.Portions, p)
	}
	return q
}

func answers(t *rapid.T, q *Question) []Answer {
	out := make([]Answer, len(q.Portions))
	for i := range out {
		a := &out[i]
		for range q.Portions[i].Items {
			a.Verdicts = append(a.Verdicts, Verdict(rapid.IntRange(int(New), int(Blocked)).Draw(t, "verdict")))
		}
		for _, name := range names(t, "extras") {
			n := rapid.Int64Range(0, 1000).Draw(t, "entries")
			a.Extras = append(a.Extras, Extra{Name: name, Dir: n > 1, Count: mft.Count{Items: n, Bytes: 5}, Files: n / 2})
		}
		a.Rest = Extra{Count: mft.Count{Items: 3, Bytes: 4}, Files: 2}
		a.Unseen = rapid.Bool().Draw(t, "unseen")
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := question(t)
		body := Append(nil, &q)
		got, err := Parse(body)
		if diff := cmp.Diff(q, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("Parse: %v\n%s", err, diff)
		}
		want := answers(t, &q)
		said, err := ParseAnswers(AppendAnswers(nil, want), q.Portions)
		if diff := cmp.Diff(want, said, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("ParseAnswers: %v\n%s", err, diff)
		}
	})
}

// TestSizes: what the sizes say is never less than what is written.
func TestSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := question(t)
		most := 0
		for _, p := range q.Portions {
			most += SizeOfName(p.Dir) + SizeOfName(p.After)
			for i := range p.Items {
				most += SizeOf(&p.Items[i])
			}
			for _, name := range p.Stays {
				most += SizeOfName(name)
			}
		}
		bare := q
		bare.Portions = nil
		if got := len(Append(nil, &q)) - len(Append(nil, &bare)); got > most {
			t.Fatalf("the portions take %d bytes, SizeOf said %d", got, most)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	item := func(p string) mft.Item { return mft.Item{Path: p, Type: mft.ItemFile} }
	for what, p := range map[string]Portion{
		"an item of another directory": {Dir: "a", Items: []mft.Item{item("b/x")}},
		"items out of turn":            {Items: []mft.Item{item("b"), item("a")}},
		"an item twice":                {Items: []mft.Item{item("a"), item("a")}},
		"an item before the portion":   {After: "m", Items: []mft.Item{item("a")}},
		"a directory above":            {Dir: "../a"},
		"an absolute directory":        {Dir: "/a"},
		"a path as a name that stays":  {Stays: []string{"a/b"}},
		"dots as a name that stays":    {Stays: []string{".."}},
		"a path before the portion":    {After: "a/b"},
	} {
		q := Question{Destination: "/in", Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Portions: []Portion{p}}
		if _, err := Parse(Append(nil, &q)); mft.CodeOf(err) != mft.CodeProtocol && mft.CodeOf(err) != mft.CodeBadPath {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	asked := []Portion{{Items: []mft.Item{item("a")}}}
	for what, list := range map[string][]Answer{
		"no answer":             {},
		"no verdict":            {{}},
		"a verdict too many":    {{Verdicts: []Verdict{New, New}}},
		"a verdict of no kind":  {{Verdicts: []Verdict{Blocked + 1}}},
		"a path as an extra":    {{Verdicts: []Verdict{New}, Extras: []Extra{{Name: "a/b"}}}},
		"more files than there": {{Verdicts: []Verdict{New}, Rest: Extra{Files: 1}}},
	} {
		if _, err := ParseAnswers(AppendAnswers(nil, list), asked); mft.CodeOf(err) != mft.CodeProtocol {
			t.Errorf("%s: %v, want PROTOCOL", what, err)
		}
	}
	many := make([]string, MaxNames+1)
	for i := range many {
		many[i] = strings.Repeat("a", 1+i%9)
	}
	q := Question{Destination: "/in", Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Portions: []Portion{{Stays: many[:MaxNames]}, {Stays: many[:1]}}}
	if _, err := Parse(Append(nil, &q)); mft.CodeOf(err) != mft.CodeProtocol {
		t.Errorf("more than %d names: %v, want PROTOCOL", MaxNames, err)
	}
}

func FuzzParse(f *testing.F) {
	q := Question{
		Destination: "/in/", Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick, Mirror: mft.Mirror{On: true, MaxFiles: 3, MaxPercent: 9}, Rules: []string{"- *.tmp"},
		Portions: []Portion{{Last: true, Items: []mft.Item{{Path: "a", Type: mft.ItemFile, Size: 3}}, Stays: []string{"b"}}, {Dir: "d", After: "x"}},
	}
	f.Add(Append(nil, &q))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := Parse(body)
		if err != nil {
			return
		}
		if again := Append(nil, &q); !bytes.Equal(again, body) {
			t.Errorf("%x is read, and written as %x", body, again)
		}
	})
}

func FuzzParseAnswers(f *testing.F) {
	asked := []Portion{{Items: []mft.Item{{Path: "a"}}}, {}}
	f.Add(AppendAnswers(nil, []Answer{{Verdicts: []Verdict{Same}, Extras: []Extra{{Name: "x", Dir: true, Count: mft.Count{Items: 2}, Files: 1}}}, {Unseen: true}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := ParseAnswers(body, asked)
		if err != nil {
			return
		}
		if again := AppendAnswers(nil, list); !bytes.Equal(again, body) {
			t.Errorf("%x is read, and written as %x", body, again)
		}
	})
}

// TestLimits: the longest answer fits into an envelope.
func TestLimits(t *testing.T) {
	huge := Extra{Count: mft.Count{Items: 1 << 62, Bytes: 1 << 62}, Files: 1 << 62}
	list := make([]Answer, MaxPortions)
	for i := range list {
		list[i] = Answer{Verdicts: slices.Repeat([]Verdict{Same}, MaxNames/MaxPortions), Rest: huge, Unseen: true}
	}
	one := huge
	one.Name, one.Dir = strings.Repeat("n", 255), true
	for size := SizeOfExtra(one.Name); size <= MaxBytes; size += SizeOfExtra(one.Name) {
		list[0].Extras = append(list[0].Extras, one)
	}
	if n := len(AppendAnswers(nil, list)); n > protocol.MaxBody {
		t.Errorf("an answer can have %d bytes, an envelope has room for %d", n, protocol.MaxBody)
	}
}
