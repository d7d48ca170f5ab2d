package protocol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol/internal/wire"
	"mft.dev/mft/protocol/xattr"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs/protocol.md")

const page = "../docs/protocol.md"

// TestPageIsTrue compares the parts of docs/protocol.md that stand between
// markers with what the code does. Run it with -update to rewrite them.
func TestPageIsTrue(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	was := string(text)
	is := was
	for name, want := range map[string]string{
		"envelope kinds": kindTable(), "control kinds": shapeTable(controlShapes[:]),
		"frame kinds": shapeTable(frameShapes[:]), "limits": limitTable(), "example": exampleText(t),
	} {
		begin, end := "<!-- generated: "+name+" -->\n", "<!-- end -->"
		i := strings.Index(is, begin)
		if i < 0 {
			t.Errorf("%s has no part %q", page, name)
			continue
		}
		i += len(begin)
		n := strings.Index(is[i:], end)
		if n < 0 {
			t.Fatalf("%s: part %q has no end", page, name)
		}
		if got := is[i : i+n]; got != want && !*update {
			t.Errorf("%s, part %q is\n%s\nwant\n%s\nrun this test with -update", page, name, got, want)
		}
		is = is[:i] + want + is[i+n:]
	}
	if *update && is != was && !t.Failed() {
		if err := os.WriteFile(page, []byte(is), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func kindTable() string {
	var b strings.Builder
	b.WriteString("\n| kind | name | opens a conversation |\n|---|---|---|\n")
	for k := KindOffer; k <= KindTraced; k++ {
		opens := "no"
		if k.Opens() {
			opens = "yes"
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", k, k, opens)
	}
	return b.String() + "\n"
}

func shapeTable(shapes []wire.Shape) string {
	var b strings.Builder
	b.WriteString("\n| kind | name | payload, bytes |\n|---|---|---|\n")
	for k, s := range shapes {
		switch {
		case s.Name == "":
		case s.Min == s.Max:
			fmt.Fprintf(&b, "| %d | %s | %s |\n", k, s.Name, thousands(int64(s.Min)))
		default:
			fmt.Fprintf(&b, "| %d | %s | %s to %s |\n", k, s.Name, thousands(int64(s.Min)), thousands(int64(s.Max)))
		}
	}
	return b.String() + "\n"
}

func thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func limitTable() string {
	var b strings.Builder
	b.WriteString("\n| limit | value |\n|---|---|\n")
	for _, l := range []struct {
		name  string
		value any
	}{
		{"payload of a control frame", MaxControl},
		{"body of an envelope", MaxBody},
		{"signature", MaxSignature},
		{"name of a channel", MaxChannel},
		{"detail", MaxDetail},
		{"code", MaxCode},
		{"path", MaxPath},
		{"target of a symlink", MaxTarget},
		{"name of an owner or group", MaxOwner},
		{"extended attributes of an item", xattr.Max},
		{"software in a hello", MaxSoftware},
		{"address in a hello", MaxAddress},
		{"payload of a data frame", MaxFrame},
		{"payload of a data frame of kind data", MaxData},
		{"file in a pack", MaxSmall},
		{"content of a file without a check", CheckEvery},
		{"versions in a hello, count", MaxVersions},
		{"rules in an offer, count", wire.MaxRules},
		{"data connections of a transfer, count", MaxStreams},
		{"items in one items frame, count", MaxItems},
		{"items announced and not settled, count", Window},
		{"listings sent and not answered, count", ListingWindow},
		{"names that a listed frame keeps, count", MaxKept},
		{"marks in one frame", MaxMarks},
		{"asks that are not answered, count", AskWindow},
		{"files with the verdict delta that have not ended, count", DeltaWindow},
		{"index of an item", int64(MaxIndex)},
		{"life of an envelope", MaxLifetime},
		{"difference of two clocks", MaxClockSkew},
		{"wait that a decision asks for", MaxRetryIn},
	} {
		switch v := l.value.(type) {
		case int:
			unit := " bytes"
			if strings.HasSuffix(l.name, ", count") {
				unit = ""
			}
			fmt.Fprintf(&b, "| %s | %s%s |\n", strings.TrimSuffix(l.name, ", count"), thousands(int64(v)), unit)
		case int64:
			fmt.Fprintf(&b, "| %s | %s |\n", l.name, thousands(v))
		case time.Duration:
			if v >= 24*time.Hour {
				fmt.Fprintf(&b, "| %s | %d hours |\n", l.name, int(v.Hours()))
			} else {
				fmt.Fprintf(&b, "| %s | %d minutes |\n", l.name, int(v.Minutes()))
			}
		}
	}
	return b.String() + "\n"
}

// A field is some bytes of the example with what they mean.
type field struct {
	bytes string
	note  string
}

// dump writes fields as annotated hexadecimal.
func dump(fields []field) string {
	var b strings.Builder
	for _, f := range fields {
		for i := 0; i < len(f.bytes); i += 16 {
			line := fmt.Sprintf("% x", f.bytes[i:min(i+16, len(f.bytes))])
			if i == 0 && f.note != "" {
				line = fmt.Sprintf("%-48s %s", line, f.note)
			}
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

func joined(fields []field) []byte {
	var b []byte
	for _, f := range fields {
		b = append(b, f.bytes...)
	}
	return b
}

// exampleKey is a key that everybody can make: its seed is 00 01 … 1f.
func exampleKey(t *testing.T) (ed25519.PrivateKey, KeyID) {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	key := ed25519.NewKeyFromSeed(seed)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return key, KeyID(sum[:16])
}

func exampleItems() []mft.Item {
	return []mft.Item{
		{Path: "in", Type: mft.ItemDir, Mode: 0o755, MTime: 1_000_000_000, Owner: "erp", Group: "erp"},
		{Path: "in/hello.txt", Type: mft.ItemFile, Size: 6, Mode: 0o640, MTime: -1, UID: 1000, GID: 1000, Owner: "erp", Group: "erp"},
	}
}

// exampleText writes the example down byte by byte, and checks that the code
// says the same.
func exampleText(t *testing.T) string {
	var b strings.Builder
	section := func(title string, fields []field, got []byte) {
		if want := joined(fields); !bytes.Equal(got, want) {
			t.Errorf("%s: the code says\n%x\nthe example says\n%x", title, got, want)
		}
		fmt.Fprintf(&b, "\n%s\n\n```\n%s```\n", title, dump(fields))
	}
	control := func(k ControlKind, payload []byte) []byte {
		var w bytes.Buffer
		if err := WriteControl(&w, k, payload); err != nil {
			t.Error(err)
		}
		return w.Bytes()
	}
	data := func(k FrameKind, payload []byte) []byte {
		var w bytes.Buffer
		if err := NewFrameWriter(&w).WriteFrame(k, payload); err != nil {
			t.Error(err)
		}
		return w.Bytes()
	}
	hello := Hello{Versions: []uint8{1}, Agent: "erp", Software: "mft 1.0", Address: "erp.example:7420"}
	section("A hello, on the control connection:", helloFields(), control(ControlHello, AppendHello(nil, &hello)))
	e, fields := exampleEnvelope(t)
	section("An offer, on the control connection:", fields, control(ControlEnvelope, AppendEnvelope(nil, e)))

	items := exampleItems()
	content := []byte("hello\n")
	digest := HashOf(content)
	section("Two items and the end of the scan, on the data connection:", itemFields(),
		append(data(FrameItems, AppendItems(nil, 0, items)), data(FrameScanned, AppendScanned(nil, &Scanned{Items: 2, Bytes: 6}))...))
	section("The receiver wants both:", []field{
		{"\x20\x00\x00\x03", "kind 32 want, 3 bytes"}, {"\x00", "first: 0"}, {"\x02", "count: 2"}, {"\x00", "verdict: send"},
	}, data(FrameWant, AppendWant(nil, &Want{Count: 2, Verdict: Send})))
	section("The content, and that there is no more:", []field{
		{"\x09\x00\x00\x28", "kind 9 pack, 40 bytes"},
		{"\x01", "index: 1"},
		{"\x06", "length: 6"},
		{string(digest[:]), "BLAKE3-256 of the content"},
		{"hello\n", "content"},
		{"\x0a\x00\x00\x00", "kind 10 end, 0 bytes"},
	}, append(data(FramePack, AppendPackEntry(nil, 1, digest, content)), data(FrameEnd, nil)...))
	section("Both are durable:", []field{
		{"\x21\x00\x00\x02", "kind 33 committed, 2 bytes"}, {"\x00", "first: 0"}, {"\x02", "count: 2"},
	}, data(FrameCommitted, AppendRange(nil, &Range{Count: 2})))

	m := NewManifest()
	m.Add(&items[0], Delivered, mft.Digest{})
	m.Add(&items[1], Delivered, digest)
	fmt.Fprintf(&b, "\nThe manifest of these two items, both delivered, and the key of the second:\n\n```\n%s\n%x\n```\n\n",
		m.Sum(), KeyOf(&items[1]))
	return b.String()
}

func helloFields() []field {
	return []field{
		{"\x01\x00\x00\x1f", "kind 1 hello, 31 bytes"},
		{"\x01\x01", "versions: 1"},
		{"\x03erp", "agent: erp"},
		{"\x07mft 1.0", "software"},
		{"\x10erp.example:7420", "address"},
	}
}

func exampleEnvelope(t *testing.T) (*Envelope, []field) {
	key, id := exampleKey(t)
	offer := sampleOffer()
	e := sampleEnvelope()
	e.KeyID, e.Body = id, AppendOffer(nil, &offer)
	e.Signature = ed25519.Sign(key, e.SigningBytes())
	millis := func(t time.Time) string { return string(binary.AppendUvarint(nil, uint64(t.UnixMilli()))) }
	fields := []field{
		{"\x02\x00\x00\xd0", "kind 2 envelope, 208 bytes"},
		{"\x01", "version: 1; from here on signed"},
		{"\x01", "kind: offer"},
		{string(e.Transfer[:]), "transfer"},
		{string(e.Nonce[:]), "nonce"},
		{string(id[:]), "key id"},
		{"\xac\x02", "sequence: 300"},
		{millis(noon), "issued: 2026-11-22T12:00:00.000Z"},
		{millis(noon.Add(time.Hour)), "expires: an hour later"},
		{"\x03erp", "sender: erp"},
		{"\x06ledger", "recipient: ledger"},
		{"\x0ffinance-nightly", "channel: finance-nightly"},
		{"\x33", "body: 51 bytes"},
		{"\x08/srv/in/", "destination: /srv/in/"},
		{"\x00", "single: no"},
		{"\x00", "requested: no"},
		{"\x01", "overwrite: replace"},
		{"\x01", "compare: quick"},
		{"\x00", "mirror: no"},
		{"\x03", "items: 3"},
		{"\xf0\xa2\x04", "bytes: 70,000"},
		{string(offer.DataKey[:]), "data key"},
		{"\x04", "streams: 4; up to here signed"},
		{"\x40", "signature: 64 bytes"},
		{string(e.Signature), "Ed25519"},
	}
	if !ed25519.Verify(key.Public().(ed25519.PublicKey), append([]byte("mft/1 envelope\x00"), joined(fields[1:len(fields)-2])...), e.Signature) {
		t.Errorf("the example's signature does not fit what the page says is signed")
	}
	return e, fields
}

func itemFields() []field {
	return []field{
		{"\x01\x00\x00\x35", "kind 1 items, 53 bytes"},
		{"\x00", "first index: 0"},
		{"\x02", "count: 2"},
		{"\x02", "type: directory"},
		{"\x00\x02in", "path: 0 bytes shared, then 2"},
		{"\xed\x03", "mode: 0755"},
		{"\x80\xa8\xd6\xb9\x07", "mtime: 1,000,000,000 ns"},
		{"\x00\x00", "uid: 0, gid: 0"},
		{"\x03erp\x03erp", "owner, group"},
		{"\x01", "type: file"},
		{"\x02\x0a/hello.txt", "path: 2 bytes shared, then 10"},
		{"\xa0\x03", "mode: 0640"},
		{"\x01", "mtime: -1 ns"},
		{"\x06", "size: 6"},
		{"\xe8\x07\xe8\x07", "uid: 1000, gid: 1000"},
		{"\x03erp\x03erp", "owner, group"},
		{"\x02\x00\x00\x02", "kind 2 scanned, 2 bytes"},
		{"\x02\x06", "items: 2, bytes: 6"},
	}
}
