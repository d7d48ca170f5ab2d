package journal

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func testBlobs(t testing.TB) *blobs {
	t.Helper()
	b, err := newBlobs()
	if err != nil {
		t.Fatalf("newBlobs: %v", err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func TestBatchRoundTrip(t *testing.T) {
	b := testBlobs(t)
	path := rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"a/b", "a/bc", hostile, string(make([]byte, 3000))}),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	entry := rapid.Custom(func(rt *rapid.T) Entry {
		return Entry{
			Key: key(rapid.Int().Draw(rt, "key")), Digest: digest(rapid.Int().Draw(rt, "digest")),
			Temp: path.Draw(rt, "temp"), Final: path.Draw(rt, "final"),
			Size: rapid.Int64Min(0).Draw(rt, "size"), Type: mft.ItemType(rapid.Byte().Draw(rt, "type")),
			Overwrite: rapid.SampledFrom(slices.Clone([]mft.Overwrite{
				"", mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion,
			})).Draw(rt, "overwrite"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.SliceOfN(entry, 1, 30).Draw(rt, "entries")
		keys, names, err := b.encode(want)
		if err != nil {
			rt.Fatalf("encode: %v", err)
		}
		if got, err := b.decode(keys, names); err != nil || !reflect.DeepEqual(got, want) {
			rt.Fatalf("decode(encode(x)) = %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestBatchIsCompact(t *testing.T) {
	b := testBlobs(t)
	const n = 4096
	keys, names, err := b.encode(entries(0, n))
	if err != nil || len(keys) != n*keySize || names[0] != formZstd || len(names) > 20*n {
		t.Errorf("encode: %d bytes of keys, %d of names in form %d, %v", len(keys), len(names), names[0], err)
	}
}

func TestDecodeRefusesABomb(t *testing.T) {
	b := testBlobs(t)
	bomb := b.enc.EncodeAll(make([]byte, maxNames+1), []byte{formZstd})
	if _, err := b.decode(nil, bomb); err == nil {
		t.Errorf("decode took %d bytes that stand for %d", len(bomb), maxNames+1)
	}
}

// TestDecodeRefusesAmplification gives it a short list in which every path
// repeats the long one before it.
func TestDecodeRefusesAmplification(t *testing.T) {
	b := testBlobs(t)
	amplified := func(n int) (keys, names []byte) {
		list := binary.AppendUvarint(nil, uint64(n))
		list = append(appendPath(append(list, 1, 1, 0), "", string(make([]byte, maxPath))), 0, 0)
		for range n - 1 {
			list = binary.AppendUvarint(append(list, 1, 1, 0), maxPath)
			list = append(list, 0, 0, 0)
		}
		return make([]byte, n*keySize), b.enc.EncodeAll(list, []byte{formZstd})
	}
	const most = maxNames / maxPath
	if got, err := b.decode(amplified(most)); err != nil || len(got) != most {
		t.Errorf("decode of as much as is allowed: %d entries, %v", len(got), err)
	}
	if _, err := b.decode(amplified(most + 1)); err == nil {
		t.Error("decode takes more than is allowed")
	}
}

func FuzzDecodeBatch(f *testing.F) {
	b := testBlobs(f)
	for _, n := range []int{1, 2, 100} {
		keys, names, err := b.encode(entries(0, n))
		if err != nil {
			f.Fatal(err)
		}
		keys, names = slices.Clone(keys), slices.Clone(names)
		f.Add(keys, names)
		f.Add(keys[keySize:], names)
		f.Add(keys, names[:len(names)-1])
		f.Add(keys, append(slices.Clone(names), 0))
	}
	f.Add([]byte{}, []byte{})
	f.Add([]byte{}, []byte{formPlain, 0})
	f.Add([]byte{}, []byte{7, 0})
	f.Add(make([]byte, keySize), []byte{formPlain, 1, 1, 9, 0, 0, 0, 0, 0})
	f.Add(make([]byte, keySize), []byte{formPlain, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, keys, names []byte) {
		first, err := b.decode(keys, names)
		if err != nil || len(first) == 0 {
			return
		}
		// What is taken at all has one meaning.
		again, names, err := b.encode(first)
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		second, err := b.decode(again, names)
		if err != nil || !bytes.Equal(keys, again) || !reflect.DeepEqual(first, second) {
			t.Errorf("decoded again: %+v, %v; want %+v", second, err, first)
		}
	})
}

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
