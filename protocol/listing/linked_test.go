package listing

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func TestLinkedSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Linked{First: drawPath(t)}
		for range rapid.IntRange(1, 5).Draw(t, "others") {
			want.Others = append(want.Others, drawPath(t))
		}
		p := AppendLinked(nil, &want)
		if got, err := ParseLinked(p); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("read back: %+v, %v, want %+v", got, err, want)
		}
		cut := rapid.IntRange(0, len(p)-1).Draw(t, "cut")
		if got, err := ParseLinked(p[:cut]); err == nil && string(AppendLinked(nil, &got)) != string(p[:cut]) {
			t.Fatalf("%d of %d bytes are taken for %+v", cut, len(p), got)
		}
	})
}

func TestLinkedRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    Linked
		code mft.Code
	}{
		{"outside", Linked{"a", []string{"../b"}}, mft.CodeBadPath},
		{"from outside", Linked{"/a", []string{"b"}}, mft.CodeBadPath},
		{"with nothing", Linked{"a", nil}, mft.CodeProtocol},
		{"with no name", Linked{"a", []string{""}}, mft.CodeBadPath},
		{"from no name", Linked{"", []string{"a"}}, mft.CodeBadPath},
	} {
		if _, err := ParseLinked(AppendLinked(nil, &tt.l)); mft.CodeOf(err) != tt.code {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.code)
		}
	}
}

func FuzzLinked(f *testing.F) {
	f.Add(AppendLinked(nil, &Linked{"a", []string{"b/c", "d"}}))
	f.Fuzz(func(t *testing.T, p []byte) {
		l, err := ParseLinked(p)
		if err == nil && string(AppendLinked(nil, &l)) != string(p) {
			t.Errorf("%x becomes %+v", p, l)
		}
	})
}
