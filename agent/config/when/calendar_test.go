package when

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
)

func TestFileOfHolidays(t *testing.T) {
	for _, tt := range []struct {
		name, content, want string
		days                []string
	}{
		{"days and comments", "# Britain\n2026-12-25 # Christmas\r\n\n  01-01\n", "", []string{"05-01", "2026-12-25", "01-01"}},
		{"nothing", "", "", []string{"05-01"}},
		{"no day", "2026-12-25\nsecret\n", "c.file: line 2 of the file: want a day like", nil},
		{"too much", strings.Repeat("#\n", maxFile/2) + "#", "the file is larger than 64 KiB", nil},
		{"as much as can be", strings.Repeat("#", maxFile), "", []string{"05-01"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "holidays")
			if err := os.WriteFile(path, []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			d := &strict.Decoder{}
			list := Calendars(d, map[leaf.ChannelName]Calendar{"c": {Place: strict.Place{Line: 1, Key: "c"}, Holidays: []Day{"05-01"}, File: leaf.LocalPath(path)}}, ReadFile)
			switch err := d.Err(); {
			case tt.want == "" && (err != nil || !slices.Equal(list[0].Holidays, tt.days)):
				t.Errorf("%v, %v, want %v", list, err, tt.days)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret")):
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	d := &strict.Decoder{}
	Calendars(d, map[leaf.ChannelName]Calendar{"c": {File: leaf.LocalPath(t.TempDir())}}, ReadFile)
	if err := d.Err(); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory: %v", err)
	}
}
