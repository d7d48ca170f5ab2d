package identity

import (
	"strings"
	"testing"

	"mft.dev/mft"
)

func TestParsePin(t *testing.T) {
	good := string(newKeys(t, "erp").Pin())
	tests := []struct {
		name string
		in   string
		ok   bool
	}{
		{"as made", good, true},
		{"zeros", string(placeholderPin), true},
		{"empty", "", false},
		{"no prefix", strings.TrimPrefix(good, "mft1:"), false},
		{"other prefix", "mft2:" + strings.TrimPrefix(good, "mft1:"), false},
		{"prefix in capitals", "MFT1:" + strings.TrimPrefix(good, "mft1:"), false},
		{"short", good[:len(good)-1], false},
		{"long", good + "A", false},
		{"padded", good + "=", false},
		{"stray bits", "mft1:" + strings.Repeat("A", 42) + "B", false},
		{"other alphabet", "mft1:" + strings.Repeat("A", 41) + "+A", false},
		{"line break", "mft1:" + strings.Repeat("A", 21) + "\n" + strings.Repeat("A", 22), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePin(tt.in)
			if tt.ok {
				if err != nil || string(got) != tt.in {
					t.Errorf("ParsePin(%q) = %q, %v", tt.in, got, err)
				}
				return
			}
			wantCode(t, "ParsePin", err, mft.CodeBadName)
		})
	}
}

func TestKeyIDOfNoPin(t *testing.T) {
	if got := Pin("nonsense").KeyID(); got != [16]byte{} {
		t.Errorf("KeyID of nonsense = %x, want zeros", got)
	}
	if got := newKeys(t, "erp").KeyID(); got == [16]byte{} {
		t.Error("KeyID of a key is zero")
	}
}

func FuzzParsePin(f *testing.F) {
	f.Add("mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("mft1:")
	f.Add("mft1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")
	f.Add("mft1:\r\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		pin, err := ParsePin(s)
		if err != nil {
			return
		}
		if string(pin) != s {
			t.Errorf("ParsePin(%q) = %q", s, pin)
		}
		if len(s) != len(placeholderPin) {
			t.Errorf("ParsePin accepts %q of %d bytes", s, len(s))
		}
	})
}
