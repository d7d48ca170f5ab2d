package protocol

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func TestCheckPath(t *testing.T) {
	long := strings.Repeat("d/", MaxPath/2-1)
	for name, tc := range map[string]struct {
		path string
		ok   bool
	}{
		"one name":            {"a", true},
		"three names":         {"a/b/c", true},
		"dots in names":       {"...", true},
		"a hidden file":       {".profile", true},
		"starting with dots":  {"..a/b", true},
		"ending with dots":    {"a../b..", true},
		"opaque bytes":        {"\xff\xfe/\n/ ", true},
		"backslashes":         {`..\..\x`, true},
		"the longest":         {long + "aa", true},
		"too long":            {long + "aaa", false},
		"a long name":         {strings.Repeat("n", MaxPath), true},
		"empty":               {"", false},
		"absolute":            {"/a", false},
		"the root":            {"/", false},
		"ending in a slash":   {"a/", false},
		"an empty component":  {"a//b", false},
		"dot":                 {".", false},
		"dot first":           {"./a", false},
		"dot last":            {"a/.", false},
		"dot within":          {"a/./b", false},
		"dot dot":             {"..", false},
		"dot dot first":       {"../a", false},
		"dot dot last":        {"a/..", false},
		"dot dot within":      {"a/../b", false},
		"NUL":                 {"a\x00", false},
		"NUL within":          {"a/\x00/b", false},
		"NUL after dot dot":   {"a/..\x00/b", false},
		"escape after a name": {"a/../../../etc/passwd", false},
	} {
		t.Run(name, func(t *testing.T) {
			want := mft.CodeBadPath
			if tc.ok {
				want = mft.CodeOK
			}
			wantError(t, "CheckPath", CheckPath(tc.path), want, "check path")
		})
	}
}

func sampleItem() mft.Item {
	return mft.Item{
		Path: "reports/may.csv", Type: mft.ItemFile, Size: 1000, Mode: 0o640, MTime: 1_790_000_000_000_000_000,
		UID: 1000, GID: 100, Owner: "erp", Group: "finance",
	}
}

func TestItemsThatDoNotTravel(t *testing.T) {
	link := func(it *mft.Item) { it.Type, it.Size, it.Target = mft.ItemSymlink, 0, "may.csv" }
	for name, tc := range map[string]struct {
		change func(it *mft.Item)
		code   mft.Code
		words  string // of CheckItem
		wire   string // of ParseItems; empty when the wire cannot say it
	}{
		"a bad path":           {func(it *mft.Item) { it.Path = "../x" }, mft.CodeBadPath, "check path", "check path"},
		"an empty path":        {func(it *mft.Item) { it.Path = "" }, mft.CodeBadPath, "empty", "empty"},
		"no type":              {func(it *mft.Item) { it.Type = 0 }, mft.CodeProtocol, "type: 0", "type"},
		"a device":             {func(it *mft.Item) { it.Type = 4 }, mft.CodeProtocol, "type: 4", "type"},
		"size below zero":      {func(it *mft.Item) { it.Size = -1 }, mft.CodeProtocol, "size:", "size:"},
		"least size":           {func(it *mft.Item) { it.Size = math.MinInt64 }, mft.CodeProtocol, "size:", "size:"},
		"size of a directory":  {func(it *mft.Item) { it.Type = mft.ItemDir }, mft.CodeProtocol, "size:", ""},
		"size of a symlink":    {func(it *mft.Item) { link(it); it.Size = 1 }, mft.CodeProtocol, "size:", ""},
		"large mode":           {func(it *mft.Item) { it.Mode = 0o10000 }, mft.CodeProtocol, "mode:", "mode:"},
		"symlink to nowhere":   {func(it *mft.Item) { link(it); it.Target = "" }, mft.CodeProtocol, "target:", "target:"},
		"long target":          {func(it *mft.Item) { link(it); it.Target = strings.Repeat("t", MaxTarget+1) }, mft.CodeProtocol, "target:", "target:"},
		"NUL in target":        {func(it *mft.Item) { link(it); it.Target = "a\x00" }, mft.CodeProtocol, "target:", "target:"},
		"target of a file":     {func(it *mft.Item) { it.Target = "x" }, mft.CodeProtocol, "target:", ""},
		"long owner":           {func(it *mft.Item) { it.Owner = strings.Repeat("o", MaxOwner+1) }, mft.CodeProtocol, "owner:", "owner:"},
		"NUL in owner":         {func(it *mft.Item) { it.Owner = "root\x00" }, mft.CodeProtocol, "owner:", "owner:"},
		"long group":           {func(it *mft.Item) { it.Group = strings.Repeat("g", MaxOwner+1) }, mft.CodeProtocol, "group:", "group:"},
		"NUL in group":         {func(it *mft.Item) { it.Group = "\x00" }, mft.CodeProtocol, "group:", "group:"},
		"a path that is long":  {func(it *mft.Item) { it.Path = strings.Repeat("p", MaxPath+1) }, mft.CodeBadPath, "more than 4096", ""},
		"all of it is allowed": {func(it *mft.Item) {}, mft.CodeOK, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			it := sampleItem()
			tc.change(&it)
			wantError(t, "CheckItem", CheckItem(&it), tc.code, tc.words)
			if tc.wire == "" {
				return
			}
			_, _, err := ParseItems(AppendItems(nil, 7, []mft.Item{sampleItem(), it}))
			wantError(t, "ParseItems", err, tc.code, "entry 1: ")
			wantError(t, "ParseItems", err, tc.code, tc.wire)
		})
	}
}

// plain is an item on the wire: a directory with the given path bytes.
func plain(path string) string { return "\x02" + path + "\x00\x00\x00\x00\x00\x00" }

func TestParseItemsRefuses(t *testing.T) {
	many := AppendItems(nil, 0, make([]mft.Item, MaxItems+1))
	for name, tc := range map[string]struct {
		p     string
		code  mft.Code
		words string
	}{
		"nothing":                   {"", mft.CodeProtocol, "first index: missing"},
		"a large index":             {"\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", mft.CodeProtocol, "first index:"},
		"indexes beyond the last":   {"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x02" + plain("\x00\x01a") + plain("\x01\x01b"), mft.CodeProtocol, "count: indexes"},
		"a count without items":     {"\x00\x80\x20", mft.CodeProtocol, "count: 4096 do not fit into 0 bytes"},
		"more items than there are": {"\x00\x02" + plain("\x00\x01a"), mft.CodeProtocol, "count: 2 do not fit"},
		"too many items":            {string(many), mft.CodeProtocol, "count: 4097 is more than 4096"},
		"an item too many":          {"\x00\x01" + plain("\x00\x01a") + plain("\x01\x01b"), mft.CodeProtocol, "end: 10 bytes too many"},
		"a prefix of nothing":       {"\x00\x01" + plain("\x01\x01a"), mft.CodeProtocol, "entry 0: shared prefix: 1 is more than 0"},
		"a prefix beyond":           {"\x00\x02" + plain("\x00\x01a") + plain("\x02\x01b"), mft.CodeProtocol, "entry 1: shared prefix: 2 is more than 1"},
		"a short prefix":            {"\x00\x02" + plain("\x00\x02ab") + plain("\x01\x02bc"), mft.CodeProtocol, "shared prefix: shorter"},
		"dot dot in two parts":      {"\x00\x02" + plain("\x00\x03a/.") + plain("\x03\x01."), mft.CodeBadPath, "entry 0"},
		"dot dot by a prefix":       {"\x00\x02" + plain("\x00\x04a/.b") + plain("\x03\x01."), mft.CodeBadPath, "entry 1"},
		"a long path in two parts": {
			"\x00\x02" + plain("\x00\xff\x1f"+strings.Repeat("p", 4095)) + plain("\xff\x1f\x02qq"), mft.CodeProtocol, "path: 2 is more than 1",
		},
		"a file without its size": {"\x00\x01\x01" + plain("\x00\x01a")[1:], mft.CodeProtocol, "group: missing"},
	} {
		t.Run(name, func(t *testing.T) {
			first, items, err := ParseItems([]byte(tc.p))
			wantError(t, "ParseItems", err, tc.code, tc.words)
			if first != 0 || items != nil {
				t.Errorf("ParseItems = %d, %d items beside the error, want nothing", first, len(items))
			}
		})
	}
}

func TestParseItemsTakesTheMost(t *testing.T) {
	items := make([]mft.Item, MaxItems)
	for i := range items {
		items[i] = mft.Item{Path: strings.Repeat("p", MaxPath-i%7), Type: mft.ItemDir}
	}
	first := uint64(MaxIndex + 1 - MaxItems)
	p := AppendItems(nil, first, items)
	if len(p) > MaxFrame {
		t.Fatalf("%d bytes are no frame", len(p))
	}
	gotFirst, got, err := ParseItems(p)
	if err != nil || gotFirst != first || !reflect.DeepEqual(got, items) {
		t.Errorf("ParseItems = %d, %d items, %v, want what went in", gotFirst, len(got), err)
	}
}

func TestParseItemsSharesNoMemory(t *testing.T) {
	want := manyItems(100)
	want[5] = mft.Item{Path: "link", Type: mft.ItemSymlink, Target: "target"}
	p := AppendItems(nil, 0, want)
	_, got, err := ParseItems(p)
	if err != nil {
		t.Fatal(err)
	}
	clear(p)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the items changed with the input")
	}
}

func TestItemSizeIsNeverTooSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawItemsFrame(t)
		limit := ItemsOverhead
		for i := range f.items {
			limit += ItemSize(&f.items[i])
		}
		if got := len(AppendItems(nil, f.first, f.items)); got > limit {
			t.Errorf("AppendItems wrote %d bytes, the sizes say at most %d", got, limit)
		}
	})
	worst := mft.Item{
		Path: strings.Repeat("p", MaxPath), Type: mft.ItemFile, Size: math.MaxInt64, Mode: MaxMode,
		MTime: math.MinInt64, UID: math.MaxUint32, GID: math.MaxUint32,
		Owner: strings.Repeat("o", MaxOwner), Group: strings.Repeat("g", MaxOwner),
	}
	if got, limit := len(AppendItems(nil, MaxIndex, []mft.Item{worst})), ItemsOverhead+ItemSize(&worst); got > limit {
		t.Errorf("AppendItems wrote %d bytes, the sizes say at most %d", got, limit)
	}
}

// TestHotPathsDoNotAllocate keeps a million items cheap.
func TestHotPathsDoNotAllocate(t *testing.T) {
	items := manyItems(1000)
	buf := AppendItems(nil, 0, items)
	pack := packOf(1000, 100)
	m := NewManifest()
	m.Add(&items[0], Delivered, mft.Digest{})
	for name, tc := range map[string]struct {
		limit float64 // for 1,000 items
		run   func()
	}{
		"AppendItems": {0, func() { buf = AppendItems(buf[:0], 0, items) }},
		"ParseItems":  {10, func() { _, _, _ = ParseItems(buf) }},
		"WalkPack": {0, func() {
			_ = WalkPack(pack, func(uint64, mft.Digest, []byte) error { return nil })
		}},
		"Manifest.Add": {0, func() {
			for i := range items {
				m.Add(&items[i], Delivered, mft.Digest{})
			}
		}},
		"KeyOf": {0, func() {
			for i := range items {
				_ = KeyOf(&items[i])
			}
		}},
		"CheckItem": {0, func() {
			for i := range items {
				_ = CheckItem(&items[i])
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := testing.AllocsPerRun(5, tc.run); got > tc.limit {
				t.Errorf("%v allocations for 1,000 items, want at most %v", got, tc.limit)
			}
		})
	}
}
