package plain

import (
	"reflect"
	"testing"
)

type inner struct {
	Name string
	N    [3]uint16
}

type outer struct {
	Yes   bool
	Small int8
	Big   uint64
	Bytes []byte
	List  []inner
	One   *inner
	None  *inner
	Key   [16]byte
}

func sample() outer {
	return outer{
		Yes: true, Small: -7, Big: 1 << 63, Bytes: []byte("\xff\x00"), Key: [16]byte{1, 200},
		List: []inner{{"a", [3]uint16{1, 2, 3}}, {"", [3]uint16{}}}, One: &inner{Name: "x\xfe"},
	}
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	var got outer
	b := Append(nil, want)
	if err := Parse(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Parse(Append(%+v)) = %+v, %v", want, got, err)
	}
	for n := range b {
		if err := Parse(b[:n], new(outer)); err == nil {
			t.Errorf("Parse of %d of %d bytes is no error", n, len(b))
		}
	}
	if err := Parse(append(b, 0), new(outer)); err == nil {
		t.Error("Parse of a byte too many is no error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Append(nil, sample()))
	f.Add([]byte{1, 13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var v, again outer
		if Parse(b, &v) != nil {
			return
		}
		if err := Parse(Append(nil, v), &again); err != nil || !reflect.DeepEqual(v, again) {
			t.Errorf("%+v becomes %+v, %v", v, again, err)
		}
	})
}
