package journal

import (
	"slices"
	"testing"
)

func FuzzDecodeStrings(f *testing.F) {
	f.Add(encodeStrings([]string{"", "a", hostile}))
	f.Add([]byte{1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeStrings(b)
		if err != nil {
			return
		}
		if again, err := decodeStrings(encodeStrings(list)); err != nil || !slices.Equal(again, list) {
			t.Errorf("decoded again: %q, %v; want %q", again, err, list)
		}
	})
}
