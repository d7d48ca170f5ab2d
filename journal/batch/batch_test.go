package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

// hostile is a name that is no UTF-8 and would end a C string.
const hostile = "a\x00b\xff'\n\xc3"

func key(n int) (k [16]byte) {
	binary.BigEndian.PutUint64(k[:], uint64(n))
	return k
}

func digest(n int) (d mft.Digest) {
	binary.BigEndian.PutUint64(d[24:], uint64(n))
	return d
}

func entries(from, to int) []Entry {
	var out []Entry
	for k := from; k < to; k++ {
		out = append(out, Entry{
			Key: key(k), Digest: digest(k), Size: int64(k), Type: mft.ItemFile, Overwrite: mft.OverwriteReplace,
			Temp:  fmt.Sprintf("in/.mft-%s.part/%x", hostile, key(k)),
			Final: fmt.Sprintf("in/%s/report-%d.csv", hostile, k),
		})
	}
	return out
}

func testCodec(t testing.TB) *Codec {
	t.Helper()
	b, err := New()
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func TestBatchRoundTrip(t *testing.T) {
	b := testCodec(t)
	path := rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"a/b", "a/bc", hostile, string(make([]byte, 3000))}),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	entry := rapid.Custom(func(rt *rapid.T) Entry {
		return Entry{
			Key: key(rapid.Int().Draw(rt, "key")), Digest: digest(rapid.Int().Draw(rt, "digest")),
			Temp: path.Draw(rt, "temp"), Final: path.Draw(rt, "final"),
			Size: rapid.Int64Min(0).Draw(rt, "size"), Type: mft.ItemType(rapid.Byte().Draw(rt, "type")),
			Overwrite: rapid.SampledFrom(slices.Clone([]mft.Overwrite{
				"", mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion, mft.OverwriteBounded,
			})).Draw(rt, "overwrite"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.SliceOfN(entry, 1, 30).Draw(rt, "entries")
		keys, names, err := b.Encode(want)
		if err != nil {
			rt.Fatalf("encode: %v", err)
		}
		if got, err := b.Decode(keys, names); err != nil || !reflect.DeepEqual(got, want) {
			rt.Fatalf("decode(encode(x)) = %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestBatchIsCompact(t *testing.T) {
	b := testCodec(t)
	const n = 4096
	keys, names, err := b.Encode(entries(0, n))
	if err != nil || len(keys) != n*KeySize || names[0] != formZstd || len(names) > 20*n {
		t.Errorf("encode: %d bytes of keys, %d of names in form %d, %v", len(keys), len(names), names[0], err)
	}
}

func TestDecodeRefusesABomb(t *testing.T) {
	b := testCodec(t)
	bomb := b.enc.EncodeAll(make([]byte, MaxNames+1), []byte{formZstd})
	if _, err := b.Decode(nil, bomb); err == nil {
		t.Errorf("decode took %d bytes that stand for %d", len(bomb), MaxNames+1)
	}
}

// TestDecodeRefusesAmplification gives it a short list in which every path
// repeats the long one before it.
func TestDecodeRefusesAmplification(t *testing.T) {
	b := testCodec(t)
	amplified := func(n int) (keys, names []byte) {
		list := binary.AppendUvarint(nil, uint64(n))
		list = append(appendPath(append(list, 1, 1, 0), "", string(make([]byte, MaxPath))), 0, 0)
		for range n - 1 {
			list = binary.AppendUvarint(append(list, 1, 1, 0), MaxPath)
			list = append(list, 0, 0, 0)
		}
		return make([]byte, n*KeySize), b.enc.EncodeAll(list, []byte{formZstd})
	}
	const most = MaxNames / MaxPath
	if got, err := b.Decode(amplified(most)); err != nil || len(got) != most {
		t.Errorf("decode of as much as is allowed: %d entries, %v", len(got), err)
	}
	if _, err := b.Decode(amplified(most + 1)); err == nil {
		t.Error("decode takes more than is allowed")
	}
}

func FuzzDecodeBatch(f *testing.F) {
	b := testCodec(f)
	for _, n := range []int{1, 2, 100} {
		keys, names, err := b.Encode(entries(0, n))
		if err != nil {
			f.Fatal(err)
		}
		keys, names = slices.Clone(keys), slices.Clone(names)
		f.Add(keys, names)
		f.Add(keys[KeySize:], names)
		f.Add(keys, names[:len(names)-1])
		f.Add(keys, append(slices.Clone(names), 0))
	}
	f.Add([]byte{}, []byte{})
	f.Add([]byte{}, []byte{formPlain, 0})
	f.Add([]byte{}, []byte{7, 0})
	f.Add(make([]byte, KeySize), []byte{formPlain, 1, 1, 9, 0, 0, 0, 0, 0})
	f.Add(make([]byte, KeySize), []byte{formPlain, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, keys, names []byte) {
		first, err := b.Decode(keys, names)
		if err != nil || len(first) == 0 {
			return
		}
		// What is taken at all has one meaning.
		again, names, err := b.Encode(first)
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		second, err := b.Decode(again, names)
		if err != nil || !bytes.Equal(keys, again) || !reflect.DeepEqual(first, second) {
			t.Errorf("decoded again: %+v, %v; want %+v", second, err, first)
		}
	})
}
