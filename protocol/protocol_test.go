package protocol

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol/xattr"
)

// A codec is one AppendX and ParseX pair, with its type hidden so that tables
// can hold all of them.
type codec struct {
	name string
	// list is true when a message may be cut off between two entries, or before what it need
	// not have.
	list bool
	// draw makes a value that the pair must carry unchanged.
	draw func(t *rapid.T) any
	// encode appends what draw or decode made.
	encode func(v any) []byte
	decode func(p []byte) (any, error)
}

func codecOf[T any](name string, draw func(t *rapid.T) T, add func([]byte, *T) []byte, parse func([]byte) (T, error)) codec {
	return codec{
		name: name,
		draw: func(t *rapid.T) any { return draw(t) },
		encode: func(v any) []byte {
			x := v.(T)
			return add(nil, &x)
		},
		decode: func(p []byte) (any, error) { return parse(p) },
	}
}

// withEnd is codecOf for a message that need not have its last field.
func withEnd(c codec) codec {
	c.list = true
	return c
}

func listOf[T any](name string, draw func(t *rapid.T) T, add func([]byte, *T) []byte, parse func([]byte) ([]T, error)) codec {
	return codec{
		name: name, list: true,
		draw: func(t *rapid.T) any { return slice(t, draw) },
		encode: func(v any) []byte {
			var b []byte
			for _, x := range v.([]T) {
				b = add(b, &x)
			}
			return b
		},
		decode: func(p []byte) (any, error) { return parse(p) },
	}
}

// slice draws some values, and nil for none as the parsers do.
func slice[T any](t *rapid.T, draw func(t *rapid.T) T) []T {
	return append([]T(nil), rapid.SliceOfN(rapid.Custom(draw), 0, 5).Draw(t, "list")...)
}

type itemsFrame struct {
	first uint64
	items []mft.Item
}

type packEntry struct {
	index   uint64
	digest  mft.Digest
	content string
}

func parsePack(p []byte) (out []packEntry, err error) {
	err = WalkPack(p, func(index uint64, digest mft.Digest, content []byte) error {
		out = append(out, packEntry{index, digest, string(content)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func parseItemsFrame(p []byte) (itemsFrame, error) {
	first, items, err := ParseItems(p)
	return itemsFrame{first, items}, err
}

func parseEnvelopeValue(p []byte) (Envelope, error) {
	e, err := ParseEnvelope(p)
	if err != nil {
		return Envelope{}, err
	}
	return *e, nil
}

// codecs is every pair of this package.
func codecs() []codec {
	return []codec{
		codecOf("Envelope", drawEnvelope, AppendEnvelope, parseEnvelopeValue),
		withEnd(codecOf("Offer", drawOffer, AppendOffer, ParseOffer)),
		codecOf("Decision", drawDecision, AppendDecision, ParseDecision),
		withEnd(codecOf("Request", func(t *rapid.T) mft.Request {
			return mft.Request{Path: drawPath(t), Overwrite: drawOverwrite(t), Compare: drawCompare(t), Compress: drawCompress(t), Preserve: drawPreserve(t)}
		}, AppendRequest, ParseRequest)),
		codecOf("Seal", func(t *rapid.T) mft.Seal {
			return mft.Seal{Sent: drawCount(t), Failed: drawSize(t), Whole: drawFlag(t), Manifest: drawDigest(t)}
		}, AppendSeal, ParseSeal),
		codecOf("Receipt", func(t *rapid.T) mft.Receipt {
			return mft.Receipt{
				Code: drawCode(t), Detail: drawDetail(t), Received: drawCount(t), Unchanged: drawCount(t),
				Failed: drawSize(t), Removed: drawSize(t), Manifest: drawDigest(t),
			}
		}, AppendReceipt, ParseReceipt),
		codecOf("Cancel", func(t *rapid.T) Cancel { return Cancel{Code: drawCode(t), Detail: drawDetail(t)} }, AppendCancel, ParseCancel),
		codecOf("Hello", drawHello, AppendHello, ParseHello),
		codecOf("Items", drawItemsFrame, func(b []byte, f *itemsFrame) []byte { return AppendItems(b, f.first, f.items) }, parseItemsFrame),
		codecOf("Scanned", drawCount, AppendScanned, ParseScanned),
		codecOf("FileStart", func(t *rapid.T) FileStart { return FileStart{drawIndex(t), drawSize(t)} }, AppendFileStart, ParseFileStart),
		codecOf("FileEnd", func(t *rapid.T) FileEnd { return FileEnd{drawSize(t), drawDigest(t)} }, AppendFileEnd, ParseFileEnd),
		codecOf("Hole", func(t *rapid.T) int64 { return max(1, drawSize(t)) },
			func(b []byte, n *int64) []byte { return AppendHole(b, *n) }, ParseHole),
		codecOf("Check", drawDigest, func(b []byte, d *mft.Digest) []byte { return AppendCheck(b, *d) }, ParseCheck),
		codecOf("ItemFail", func(t *rapid.T) ItemFail {
			return ItemFail{drawIndex(t), rapid.Bool().Draw(t, "again"), drawCode(t), drawDetail(t)}
		}, AppendItemFail, ParseItemFail),
		codecOf("Failure", func(t *rapid.T) Failure { return Failure{drawCode(t), drawDetail(t)} }, AppendFailure, ParseFailure),
		listOf("Wants", drawWant, AppendWant, ParseWants),
		listOf("Ranges", func(t *rapid.T) Range {
			first, count := drawSpan(t)
			return Range{first, count}
		}, AppendRange, ParseRanges),
		listOf("Pack", func(t *rapid.T) packEntry {
			return packEntry{drawIndex(t), drawDigest(t), rapid.StringN(0, 40, 200).Draw(t, "content")}
		}, func(b []byte, e *packEntry) []byte { return AppendPackEntry(b, e.index, e.digest, []byte(e.content)) }, parsePack),
	}
}

func TestEveryMessageSurvives(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				want := c.draw(t)
				got, err := c.decode(c.encode(want))
				if err != nil {
					t.Fatalf("Parse%s(Append%s(%+v)): %v", c.name, c.name, want, err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("Parse%s(Append%s(x)) = %+v, want %+v", c.name, c.name, got, want)
				}
			})
		})
	}
}

// TestNothingMayTrailOrLack cuts messages at every byte and adds one.
func TestNothingMayTrailOrLack(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := c.encode(c.draw(t))
				if _, err := c.decode(append(slices.Clone(p), 0xff)); !isProtocol(err) {
					t.Fatalf("Parse%s with a byte too many: error %v, want PROTOCOL", c.name, err)
				}
				cut := rapid.IntRange(0, max(0, len(p)-1)).Draw(t, "cut")
				got, err := c.decode(p[:cut])
				if err == nil && c.list && bytes.Equal(c.encode(got), p[:cut]) {
					return // between two entries
				}
				if len(p) > 0 && !isProtocol(err) && mft.CodeOf(err) != mft.CodeBadPath {
					t.Fatalf("Parse%s of %d of %d bytes: error %v, want PROTOCOL", c.name, cut, len(p), err)
				}
			})
		})
	}
}

func isProtocol(err error) bool {
	var e *mft.Error
	return errors.As(err, &e) && e.Code == mft.CodeProtocol
}

// The rest of this file draws values that travel unchanged.

func drawDigest(t *rapid.T) (d mft.Digest) {
	copy(d[:], rapid.SliceOfN(rapid.Byte(), len(d), len(d)).Draw(t, "digest"))
	return d
}

func drawSize(t *rapid.T) int64 {
	return rapid.Int64Min(0).Draw(t, "size") >> rapid.IntRange(0, 62).Draw(t, "shift")
}

func drawIndex(t *rapid.T) uint64 { return min(uint64(drawSize(t)), MaxIndex) }

func drawSpan(t *rapid.T) (first, count uint64) {
	first = drawIndex(t)
	return first, rapid.Uint64Range(1, MaxIndex+1-first).Draw(t, "count")
}

func drawCount(t *rapid.T) mft.Count { return mft.Count{Items: drawSize(t), Bytes: drawSize(t)} }

func drawCode(t *rapid.T) mft.Code {
	return mft.Code(rapid.StringMatching(`[A-Z_]{1,32}`).Draw(t, "code"))
}

func drawDetail(t *rapid.T) string { return rapid.StringN(0, 200, MaxDetail).Draw(t, "detail") }

func drawAgent(t *rapid.T) mft.AgentName {
	return mft.AgentName(rapid.StringMatching(`[a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,2}`).Draw(t, "agent"))
}

func drawOverwrite(t *rapid.T) mft.Overwrite {
	return rapid.SampledFrom([]mft.Overwrite{mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion}).Draw(t, "overwrite")
}

// drawPath draws a relative path with few distinct components, so that paths
// share prefixes.
func drawPath(t *rapid.T) string {
	name := rapid.OneOf(
		rapid.StringMatching(`[ab]{1,3}`), rapid.StringMatching(`\.[a-z.]{2,4}|\.\.\.`),
		rapid.SampledFrom([]string{"a\xff\xfe", "\n", "\\", "ü", " "}))
	return strings.Join(rapid.SliceOfN(name, 1, 6).Draw(t, "path"), "/")
}

func drawItem(t *rapid.T) mft.Item {
	name := rapid.SampledFrom([]string{"", "root", "erp", "\xff", strings.Repeat("n", MaxOwner)})
	it := mft.Item{
		Path:  drawPath(t),
		Type:  mft.ItemType(rapid.IntRange(1, 3).Draw(t, "type")),
		Mode:  rapid.Uint32Range(0, MaxMode).Draw(t, "mode"),
		MTime: rapid.Int64().Draw(t, "mtime"),
		UID:   rapid.Uint32().Draw(t, "uid"), GID: rapid.Uint32().Draw(t, "gid"),
		Owner: name.Draw(t, "owner"), Group: name.Draw(t, "group"),
	}
	switch it.Type {
	case mft.ItemFile:
		it.Size = drawSize(t)
	case mft.ItemSymlink:
		it.Target = rapid.SampledFrom([]string{"x", "../..", "/etc/passwd", strings.Repeat("t", MaxTarget)}).Draw(t, "target")
	}
	if it.Type != mft.ItemSymlink {
		it.Extended = rapid.SampledFrom([]string{"", "", extendedOf("1"), extendedOf(strings.Repeat("v", 300))}).Draw(t, "extended")
	}
	return it
}

func extendedOf(value string) string {
	return (&xattr.Set{Attributes: []xattr.Attribute{{Name: "user.a", Value: value}}}).Append()
}

func drawPreserve(t *rapid.T) mft.Preserve {
	return mft.Preserve(rapid.IntRange(0, int(mft.PreserveAll)).Draw(t, "preserve"))
}

func drawItemsFrame(t *rapid.T) itemsFrame {
	return itemsFrame{drawIndex(t) / 2, slice(t, drawItem)}
}

func drawWant(t *rapid.T) Want {
	w := Want{First: drawIndex(t), Count: 1, Verdict: Verdict(rapid.IntRange(0, 5).Draw(t, "verdict"))}
	switch w.Verdict {
	case Send, Same:
		w.First, w.Count = drawSpan(t)
	case Have:
		w.Digest = drawDigest(t)
	case Resume:
		w.Offset, w.Digest = drawSize(t), drawDigest(t)
	case Delta:
		w.Offset, w.Digest, w.Old = drawSize(t), drawDigest(t), drawSize(t)
		w.Seed = [16]byte(w.Digest[16:])
	case Refuse:
		w.Code, w.Detail = drawCode(t), drawDetail(t)
	}
	return w
}

func drawOffer(t *rapid.T) mft.Offer {
	o := mft.Offer{
		Destination: "/srv/" + drawPath(t), Single: rapid.Bool().Draw(t, "single"),
		Requested: rapid.Bool().Draw(t, "requested"), Overwrite: drawOverwrite(t), Compare: drawCompare(t), Mirror: drawMirror(t),
		Announced: drawCount(t), DataKey: drawDigest(t), Streams: rapid.IntRange(1, MaxStreams).Draw(t, "streams"),
		Preserve: drawPreserve(t),
	}
	if o.Requested {
		o.Destination = ""
	}
	if o.Mirror.On && rapid.Bool().Draw(t, "with rules") {
		o.Rules = rapid.SliceOfN(rapid.StringMatching(`[+-] /?[a-z*]{1,9}/?`), 1, 20).Draw(t, "rules")
	}
	return o
}

func drawDecision(t *rapid.T) mft.Decision {
	return mft.Decision{
		Code: drawCode(t), Detail: drawDetail(t),
		RetryIn: time.Duration(rapid.Int64Range(0, int64(MaxRetryIn)).Draw(t, "retry in")),
		DataKey: drawDigest(t), Streams: rapid.IntRange(0, MaxStreams).Draw(t, "streams"),
		Basis: drawBasis(t), Zstd: drawFlag(t),
	}
}

func drawHello(t *rapid.T) Hello {
	return Hello{
		Versions: rapid.SliceOfN(rapid.Byte(), 1, MaxVersions).Draw(t, "versions"),
		Agent:    drawAgent(t), Software: rapid.StringMatching(`mft [0-9.]{1,20}`).Draw(t, "software"),
		Address: rapid.SampledFrom([]string{"", "erp.example:7420", "[::1]:7420"}).Draw(t, "address"),
	}
}

func drawTime(t *rapid.T) time.Time {
	return time.UnixMilli(rapid.Int64Range(0, 253402300799999).Draw(t, "millis")).UTC()
}

func drawEnvelope(t *rapid.T) Envelope {
	e := Envelope{
		Version: Version, Kind: Kind(rapid.IntRange(1, 6).Draw(t, "kind")),
		Sender: drawAgent(t), Recipient: drawAgent(t),
		Channel:  rapid.SampledFrom([]string{"", "finance-nightly", "Übergabe 1"}).Draw(t, "channel"),
		Sequence: uint64(drawSize(t)), Issued: drawTime(t), Expires: drawTime(t),
		Body:      append([]byte(nil), rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "body")...),
		Signature: append([]byte(nil), rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "signature")...),
	}
	d := drawDigest(t)
	copy(e.Transfer[:], d[:16])
	e.Transfer[6] = 0x70
	copy(e.Nonce[:], d[16:])
	k := drawDigest(t)
	copy(e.KeyID[:], k[:])
	return e
}
