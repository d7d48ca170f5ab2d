package storage

import (
	"testing"

	"mft.dev/mft/agent/config/leaf"
)

func TestBytes(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Bytes // 0 when it is refused
		back string
	}{
		{"1", 1, "1"},
		{"4096", 4096, "4KiB"},
		{"500GiB", 500 << 30, "500GiB"},
		{"2 TiB", 2 << 40, "2TiB"},
		{"1536MiB", 1536 << 20, "1536MiB"},
		{"", 0, ""},
		{"0", 0, ""},
		{"-1", 0, ""},
		{"1.5GiB", 0, ""},
		{"5GB", 0, ""},
		{"99999999TiB", 0, ""},
	} {
		var got Bytes
		err := got.ReadText(tt.text)
		if got != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("ReadText(%q): %d, %v; want %d", tt.text, got, err, tt.want)
		}
		if err == nil && got.String() != tt.back {
			t.Errorf("%d is written %q, want %q", got, got, tt.back)
		}
	}
}

func TestQuotaOf(t *testing.T) {
	s := &Served{Quota: &Quota{Letters: 5, Bytes: 10}, Quotas: map[leaf.AgentName]Quota{"erp": {Bytes: 20, Objects: 3}}}
	if got, want := s.Of("erp"), (Quota{Letters: 5, Objects: 3, Bytes: 20}); got != want {
		t.Errorf("Of an agent with a quota of its own: %+v, want %+v", got, want)
	}
	if got, want := s.Of("ledger"), (Quota{Letters: 5, Bytes: 10}); got != want {
		t.Errorf("Of another: %+v, want %+v", got, want)
	}
	if got := (&Served{}).Of("ledger"); got != (Quota{}) {
		t.Errorf("Of an agent without any quota: %+v", got)
	}
}

func TestMisfit(t *testing.T) {
	x := &Exchange{Relay: &Relay{Agent: "hub"}}
	s := &Served{Listen: ":7421", Agents: []leaf.AgentName{"erp"}}
	for _, tt := range []struct {
		name   string
		own    leaf.AgentName
		listen leaf.ListenOn
		fits   bool
	}{
		{"as it should be", "third", ":7420", true},
		{"its own relay", "hub", ":7420", false},
		{"served by itself", "erp", ":7420", false},
		{"one port for both", "third", ":7421", false},
	} {
		if why := Misfit(tt.own, tt.listen, x, s); (why == "") != tt.fits {
			t.Errorf("Misfit of %s: %q", tt.name, why)
		}
	}
}
