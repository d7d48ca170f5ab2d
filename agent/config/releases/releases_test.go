package releases

import (
	"testing"

	"mft.dev/mft/release"
)

func TestPlace(t *testing.T) {
	for text, ok := range map[string]bool{
		"/srv/releases": true, "https://files.example/mft": true, "http://files.example/mft": false, "releases": false,
		"https://u:p@files.example/": false, "https://files.example/?sas=1": false, "file:///srv": false, "": false,
	} {
		var p Place
		if err := p.ReadText(text); (err == nil) != ok {
			t.Errorf("ReadText(%q) = %v, want it taken: %v", text, err, ok)
		}
	}
}

func TestKeys(t *testing.T) {
	k, err := release.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	var one Key
	if err := one.ReadText(string(k.Public())); err != nil {
		t.Fatal(err)
	}
	u := &Update{Keys: []Key{one}}
	if got := u.Pinned(); len(got) != 1 || got[0] != k.Public() || u.Check() != nil {
		t.Errorf("Pinned() = %v, Check() = %v, want the key", got, u.Check())
	}
	if got := (*Update)(nil).Pinned(); got != nil {
		t.Errorf("without the section Pinned() = %v, want none", got)
	}
	if (&Update{}).Check() == nil {
		t.Error("a section without keys was taken")
	}
}
