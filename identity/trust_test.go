package identity

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

func TestTrustKeepsPeers(t *testing.T) {
	erp, ledger := newKeys(t, "erp"), newKeys(t, "ledger")
	trust, path := newTrust(t)
	p := peerOf("erp", erp.Pin())
	p.Sealing = erp.Sealing()
	p.FilesInto = []string{absolute("in")}
	add(t, trust, p)
	add(t, trust, peerOf("ledger", ledger.Pin()))
	if err := trust.Allow("ledger", nil, []string{absolute("out")}, false); err != nil {
		t.Fatal(err)
	}
	again := openTrust(t, path)
	if got, want := again.List(), trust.List(); !reflect.DeepEqual(got, want) {
		t.Errorf("List after opening again = %+v, want %+v", got, want)
	}
	got, ok := again.Peer("erp")
	if !ok || !reflect.DeepEqual(got, p) {
		t.Errorf("Peer = %+v, want %+v", got, p)
	}
	if got, _ := again.Peer("ledger"); len(got.RequestsRoot) != 1 || len(got.FilesInto) != 0 {
		t.Errorf("Peer = %+v, want the grants of Allow", got)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v (%v), want 0600", info.Mode(), err)
	}
}

func absolute(name string) string { return filepath.Join(os.TempDir(), name) }

func TestAddRefuses(t *testing.T) {
	erp, ledger, other := newKeys(t, "erp"), newKeys(t, "ledger"), newKeys(t, "erp")
	with := func(change func(*Peer)) Peer {
		p := peerOf("new", other.Pin())
		change(&p)
		return p
	}
	tests := []struct {
		name string
		peer Peer
		want mft.Code
	}{
		{"another agent", peerOf("new", other.Pin()), mft.CodeOK},
		{"the same again", peerOf("erp", erp.Pin()), mft.CodeOK},
		{"known name, other key", peerOf("erp", other.Pin()), mft.CodeUntrusted},
		{"known key, other name", peerOf("erp2", erp.Pin()), mft.CodeUntrusted},
		{"known name, key of another", peerOf("erp", ledger.Pin()), mft.CodeUntrusted},
		{"no pin", peerOf("new"), mft.CodeConfig},
		{"bad pin", peerOf("new", "mft1:x"), mft.CodeConfig},
		{"bad name", peerOf("New", other.Pin()), mft.CodeConfig},
		{"bad address", with(func(p *Peer) { p.Address = "here" }), mft.CodeConfig},
		{"address without host", with(func(p *Peer) { p.Address = ":7420" }), mft.CodeConfig},
		{"relative grant", with(func(p *Peer) { p.FilesInto = []string{"in"} }), mft.CodeConfig},
		{"grant with dots", with(func(p *Peer) { p.RequestsRoot = []string{absolute("a") + "/../b"} }), mft.CodeConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trust, path := newTrust(t)
			add(t, trust, peerOf("erp", erp.Pin()))
			add(t, trust, peerOf("ledger", ledger.Pin()))
			before := trust.List()
			err := trust.Add(tt.peer)
			wantCode(t, "Add", err, tt.want)
			if err == nil {
				return
			}
			for what, got := range map[string][]Peer{"now": trust.List(), "after opening again": openTrust(t, path).List()} {
				if !reflect.DeepEqual(got, before) {
					t.Errorf("List %s = %+v, want it unchanged", what, got)
				}
			}
		})
	}
}

func TestAddAgainRenews(t *testing.T) {
	erp := newKeys(t, "erp")
	trust, _ := newTrust(t)
	p := peerOf("erp", erp.Pin())
	p.FilesInto = []string{absolute("in")}
	add(t, trust, p)
	add(t, trust, Peer{Name: "erp", Address: "[::1]:1", Pins: p.Pins, Sealing: erp.Sealing()})
	got, _ := trust.Peer("erp")
	if got.Address != "[::1]:1" || len(got.Sealing) == 0 || len(got.FilesInto) != 1 || !got.Added.Equal(start) {
		t.Errorf("Peer = %+v, want address and sealing key renewed, the rest kept", got)
	}
}

func TestRemoveAndAllowUnknown(t *testing.T) {
	trust, _ := newTrust(t)
	wantCode(t, "Remove", trust.Remove("erp"), mft.CodeUnknownPeer)
	wantCode(t, "Allow", trust.Allow("erp", nil, nil, false), mft.CodeUnknownPeer)
	wantCode(t, "Allow", trust.Allow("erp", []string{"in"}, nil, false), mft.CodeBadPath)
}

func TestConfiguredPeer(t *testing.T) {
	erp := newKeys(t, "erp")
	configured := Peer{Name: "erp", Address: "erp.example:1", Pins: []PinnedKey{{Pin: erp.Pin()}}, FilesInto: []string{absolute("a")}}
	trust, path := newTrust(t, configured)
	wantCode(t, "Remove", trust.Remove("erp"), mft.CodeConfig)
	if err := trust.Allow("erp", []string{absolute("b")}, nil, false); err != nil {
		t.Fatal(err)
	}
	got, ok := openTrust(t, path, configured).Peer("erp")
	if !ok || !got.Configured || got.Pins[0].Source != SourceConfig {
		t.Errorf("Peer = %+v, want a configured one", got)
	}
	if want := []string{absolute("a"), absolute("b")}; !reflect.DeepEqual(got.FilesInto, want) {
		t.Errorf("FilesInto = %v, want %v", got.FilesInto, want)
	}
	if got := openTrust(t, path).List(); len(got) != 0 {
		t.Errorf("List without the configuration = %+v, want nobody", got)
	}
	if got, _ := openTrust(t, path, configured).Peer("erp"); len(got.FilesInto) != 1 {
		t.Errorf("Peer = %+v: what was learned of it should be forgotten with it", got)
	}
}

func TestOpenTrustRefuses(t *testing.T) {
	pin := `"` + string(placeholderPin) + `"`
	tests := []struct {
		name    string
		content string
		mode    os.FileMode
		want    mft.Code
	}{
		{"nothing in it", `{"version":1,"peers":[]}`, 0o600, mft.CodeOK},
		{"readable by all", `{"version":1,"peers":[]}`, 0o644, mft.CodeOK},
		{"a peer", `{"version":1,"peers":[{"name":"erp","pins":[{"pin":` + pin + `,"source":"invite"}]}]}`, 0o600, mft.CodeOK},
		{"writable by others", `{"version":1,"peers":[]}`, 0o606, mft.CodeConfig},
		{"empty", ``, 0o600, mft.CodeCorrupt},
		{"not JSON", `peers`, 0o600, mft.CodeCorrupt},
		{"version 2", `{"version":2,"peers":[]}`, 0o600, mft.CodeCorrupt},
		{"unknown field", `{"version":1,"peers":[],"trusted":[]}`, 0o600, mft.CodeCorrupt},
		{"bad name", `{"version":1,"peers":[{"name":"-","pins":[{"pin":` + pin + `,"source":"invite"}]}]}`, 0o600, mft.CodeCorrupt},
		{"no pins", `{"version":1,"peers":[{"name":"erp"}]}`, 0o600, mft.CodeCorrupt},
		{"bad pin", `{"version":1,"peers":[{"name":"erp","pins":[{"pin":"x","source":"invite"}]}]}`, 0o600, mft.CodeCorrupt},
		{"key that is not of the pin", `{"version":1,"peers":[{"name":"erp","pins":[{"pin":` + pin +
			`,"source":"invite","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}]}`, 0o600, mft.CodeCorrupt},
		{"twice", `{"version":1,"peers":[{"name":"erp","pins":[{"pin":` + pin + `,"source":"invite"}]},` +
			`{"name":"erp","pins":[{"pin":` + pin + `,"source":"invite"}]}]}`, 0o600, mft.CodeCorrupt},
		{"bad removed pin", `{"version":1,"peers":[],"removed":["x"]}`, 0o600, mft.CodeCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && tt.mode != 0o600 {
				t.Skip("no mode bits")
			}
			path := filepath.Join(t.TempDir(), "peers.json")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := OpenTrust(path, nil)
			wantCode(t, "OpenTrust", err, tt.want)
		})
	}
}

func TestOpenTrustRefusesConfiguration(t *testing.T) {
	good := Peer{Name: "erp", Pins: []PinnedKey{{Pin: placeholderPin}}}
	tests := []struct {
		name  string
		peers []Peer
		want  mft.Code
	}{
		{"one", []Peer{good}, mft.CodeOK},
		{"twice", []Peer{good, good}, mft.CodeConfig},
		{"no pin", []Peer{{Name: "erp"}}, mft.CodeConfig},
		{"bad name", []Peer{{Name: "a b", Pins: good.Pins}}, mft.CodeConfig},
		{"bad address", []Peer{{Name: "erp", Pins: good.Pins, Address: "erp:0"}}, mft.CodeConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := OpenTrust(filepath.Join(t.TempDir(), "peers.json"), tt.peers)
			wantCode(t, "OpenTrust", err, tt.want)
		})
	}
}

func TestChangeThatIsNotKeptIsNotMade(t *testing.T) {
	trust, path := newTrust(t)
	add(t, trust, peerOf("erp", newKeys(t, "erp").Pin()))
	dir := filepath.Dir(path)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	before := trust.List()
	for what, err := range map[string]error{
		"Add":    trust.Add(peerOf("ledger", newKeys(t, "ledger").Pin())),
		"Remove": trust.Remove("erp"),
		"Allow":  trust.Allow("erp", []string{absolute("in")}, nil, false),
	} {
		if err == nil {
			t.Errorf("%s without a directory succeeded", what)
		}
	}
	if got := trust.List(); !reflect.DeepEqual(got, before) {
		t.Errorf("List = %+v, want %+v", got, before)
	}
}

func TestCallersCannotChangeTrust(t *testing.T) {
	erp := newKeys(t, "erp")
	trust, _ := newTrust(t)
	add(t, trust, peerOf("erp", erp.Pin()))
	got, _ := trust.Peer("erp")
	got.Pins[0].Pin = placeholderPin
	if _, err := trust.VerifyChain(chainOf(t, erp), start); err != nil {
		t.Errorf("VerifyChain after a caller changed its copy: %v", err)
	}
}

// signed returns an envelope as agent k would send it.
func signed(k *Keys, change func(*protocol.Envelope)) *protocol.Envelope {
	e := &protocol.Envelope{
		Version: protocol.Version, Kind: protocol.KindOffer, Transfer: mft.TransferID{1},
		Sender: k.Name(), Recipient: "ledger", Sequence: 1, Issued: start, Expires: start.Add(time.Minute),
		Body: []byte("body"), KeyID: k.KeyID(),
	}
	e.Signature, _ = k.SignAs(e.KeyID, e.SigningBytes(), time.Now())
	change(e)
	return e
}

func TestVerifyEnvelope(t *testing.T) {
	erp, other := newKeys(t, "erp"), newKeys(t, "other")
	trust, _ := newTrust(t)
	add(t, trust, peerOf("erp", erp.Pin()))
	add(t, trust, peerOf("other", other.Pin()))
	never := newKeys(t, "never")
	add(t, trust, peerOf("never", never.Pin()))
	for _, k := range []*Keys{erp, other} {
		if _, err := trust.VerifyChain(chainOf(t, k), start); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		keys   *Keys
		change func(*protocol.Envelope)
		want   mft.Code
	}{
		{"as sent", erp, func(*protocol.Envelope) {}, mft.CodeOK},
		{"altered body", erp, func(e *protocol.Envelope) { e.Body[0] ^= 1 }, mft.CodeBadSigned},
		{"altered recipient", erp, func(e *protocol.Envelope) { e.Recipient = "else" }, mft.CodeBadSigned},
		{"altered sequence", erp, func(e *protocol.Envelope) { e.Sequence++ }, mft.CodeBadSigned},
		{"altered expiry", erp, func(e *protocol.Envelope) { e.Expires = e.Expires.Add(time.Hour) }, mft.CodeBadSigned},
		{"altered signature", erp, func(e *protocol.Envelope) { e.Signature[3] ^= 1 }, mft.CodeBadSigned},
		{"no signature", erp, func(e *protocol.Envelope) { e.Signature = nil }, mft.CodeBadSigned},
		{"in another's name", other, func(e *protocol.Envelope) { e.Sender = "erp" }, mft.CodeBadSigned},
		{"by another's key", erp, func(e *protocol.Envelope) { e.KeyID = other.KeyID() }, mft.CodeBadSigned},
		{"unknown sender", erp, func(e *protocol.Envelope) { e.Sender = "nobody" }, mft.CodeUnknownPeer},
		{"key never shown", never, func(*protocol.Envelope) {}, mft.CodeBadSigned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantCode(t, "Verify", trust.Verify(signed(tt.keys, tt.change), start), tt.want)
		})
	}
}

func TestVerifyEnvelopeByAnOldKey(t *testing.T) {
	erp := newKeys(t, "erp")
	old := signed(erp, func(*protocol.Envelope) {})
	trust, _ := newTrust(t)
	add(t, trust, peerOf("erp", erp.Pin()))
	if _, err := trust.VerifyChain(chainOf(t, erp), start); err != nil {
		t.Fatal(err)
	}
	rotate(t, erp, start)
	if _, err := trust.VerifyChain(chainOf(t, erp), start); err != nil {
		t.Fatal(err)
	}
	end := start.Add(DefaultOverlap)
	wantCode(t, "Verify within the overlap", trust.Verify(old, end.Add(-time.Second)), mft.CodeOK)
	wantCode(t, "Verify after the overlap", trust.Verify(old, end), mft.CodeBadSigned)
	wantCode(t, "Verify by the new key", trust.Verify(signed(erp, func(*protocol.Envelope) {}), end), mft.CodeOK)
}

func TestPublicKeyIsKept(t *testing.T) {
	erp := newKeys(t, "erp")
	trust, path := newTrust(t)
	add(t, trust, peerOf("erp", erp.Pin()))
	if _, err := trust.VerifyChain(chainOf(t, erp), start); err != nil {
		t.Fatal(err)
	}
	add(t, trust, peerOf("ledger", newKeys(t, "ledger").Pin())) // any change writes the file
	again := openTrust(t, path)
	if err := again.Verify(signed(erp, func(*protocol.Envelope) {}), start); err != nil {
		t.Errorf("Verify after opening again: %v", err)
	}
}

func TestTrustConcurrently(t *testing.T) {
	erp, ledger := newKeys(t, "erp"), newKeys(t, "ledger")
	trust, _ := newTrust(t)
	add(t, trust, peerOf("erp", erp.Pin()))
	rotate(t, erp, start)
	chain, envelope := chainOf(t, erp), signed(erp, func(*protocol.Envelope) {})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := trust.VerifyChain(chain, start); err != nil {
				t.Errorf("VerifyChain: %v", err)
			}
			if err := trust.Verify(envelope, start); err != nil {
				t.Errorf("Verify: %v", err)
			}
			trust.List()
		})
	}
	all.Go(func() {
		for range 3 {
			if err := trust.Add(peerOf("ledger", ledger.Pin())); err != nil {
				t.Errorf("Add: %v", err)
			}
			if err := trust.Remove("ledger"); err != nil {
				t.Errorf("Remove: %v", err)
			}
		}
	})
	all.Wait()
	if p, _ := trust.Peer("erp"); len(p.Pins) != 2 {
		t.Errorf("Peer = %+v, want two pins", p)
	}
}
