package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func newInvite(t *testing.T, v *Invites, now time.Time) Invite {
	t.Helper()
	i, err := v.NewInvite(now, Terms{Address: "ledger.example:7420"})
	if err != nil {
		t.Fatalf("NewInvite: %v", err)
	}
	return i
}

func TestLine(t *testing.T) {
	keys := newKeys(t, "ledger")
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.SampledFrom([]string{
			"ledger.example:7420", "10.0.0.5:1", "[::1]:65535", "[fe80::1]:7420", "LEDGER:7420", "a-b_c.d:9",
		}).Draw(t, "address")
		v := NewInvites(keys)
		now := start.Add(time.Duration(rapid.IntRange(0, 1<<30).Draw(t, "seconds")) * time.Second)
		i, err := v.NewInvite(now, Terms{Address: address})
		if err != nil {
			t.Fatal(err)
		}
		line := i.Line()
		// What bash, zsh, cmd and PowerShell leave alone.
		if strings.ContainsFunc(line, func(r rune) bool {
			return notInHost(r) && r != ':' && r != ' '
		}) {
			t.Fatalf("Line has a character that a shell may treat in a special way: %s", line)
		}
		for _, in := range []string{line, strings.TrimPrefix(line, "mft join "), "  " + line + "\r\n"} {
			got, err := ParseInvite(in)
			if err != nil || got != i {
				t.Fatalf("ParseInvite(%q) = %+v, %v, want %+v", in, got, err, i)
			}
		}
		bad := []byte(line)
		at := rapid.IntRange(0, len(bad)-1).Draw(t, "at")
		bad[at] ^= 1 << rapid.IntRange(0, 6).Draw(t, "bit")
		if got, err := ParseInvite(string(bad)); err == nil && got != i {
			t.Fatalf("ParseInvite(%q), which was changed, = %+v", bad, got)
		}
		if got, err := ParseInvite(line[:at]); err == nil && at < len(line) {
			t.Fatalf("ParseInvite(%q), which was cut, = %+v", line[:at], got)
		}
	})
}

func TestParseInviteRefuses(t *testing.T) {
	line := func(body string) string { return "mft join " + body + ":" + lineCheck(body) }
	pin, secret := string(placeholderPin), strings.Repeat("A", 27)
	tests := []struct {
		name string
		in   string
		ok   bool
	}{
		{"well formed", line("h:1 ledger:" + pin + ":" + secret + ":0"), true},
		{"empty", "", false},
		{"one word", "mft", false},
		{"the command alone", "mft join", false},
		{"another command", strings.Replace(line("h:1 ledger:"+pin+":"+secret+":0"), "join", "copy", 1), false},
		{"three words", "h:1 x y", false},
		{"no port", line("h ledger:" + pin + ":" + secret + ":0"), false},
		{"port 0", line("h:0 ledger:" + pin + ":" + secret + ":0"), false},
		{"no host", line(":1 ledger:" + pin + ":" + secret + ":0"), false},
		{"option for a host", line("-o:1 ledger:" + pin + ":" + secret + ":0"), false},
		{"bad name", line("h:1 Ledger:" + pin + ":" + secret + ":0"), false},
		{"bad pin", line("h:1 ledger:mft1:abc:" + secret + ":0"), false},
		{"short secret", line("h:1 ledger:" + pin + ":" + secret[1:] + ":0"), false},
		{"long secret", line("h:1 ledger:" + pin + ":" + secret + "AA:0"), false},
		{"secret with stray bits", line("h:1 ledger:" + pin + ":" + secret[1:] + "B:0"), false},
		{"no time", line("h:1 ledger:" + pin + ":" + secret + ":"), false},
		{"negative time", line("h:1 ledger:" + pin + ":" + secret + ":-1"), false},
		{"time with a plus", line("h:1 ledger:" + pin + ":" + secret + ":+1"), false},
		{"one part more", line("h:1 ledger:" + pin + ":" + secret + ":0:0"), false},
		{"one part less", line("h:1 ledger:" + pin + ":" + secret), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseInvite(tt.in)
			if tt.ok {
				if err != nil || got.Name != "ledger" || got.Address != "h:1" {
					t.Errorf("ParseInvite(%q) = %+v, %v", tt.in, got, err)
				}
				return
			}
			wantCode(t, "ParseInvite", err, mft.CodeInvite)
			if err != nil && strings.Contains(err.Error(), secret[:20]) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func FuzzParseInvite(f *testing.F) {
	keys, err := LoadOrCreate(f.TempDir(), "ledger", start)
	if err != nil {
		f.Fatal(err)
	}
	for _, address := range []string{"ledger.example:7420", "[::1]:1"} {
		i, err := NewInvites(keys).NewInvite(start, Terms{Address: address})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i.Line())
	}
	f.Add("mft join a b")
	f.Add("mft join : :::::")
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ParseInvite(s)
		if err != nil {
			if mft.CodeOf(err) != mft.CodeInvite {
				t.Errorf("ParseInvite(%q): %v", s, err)
			}
			return
		}
		if _, _, err := net.SplitHostPort(i.Address); err != nil {
			t.Errorf("ParseInvite(%q) gives address %q", s, i.Address)
		}
		again, err := ParseInvite(i.Line())
		if err != nil || again != i {
			t.Errorf("ParseInvite of the line of %+v = %+v, %v", i, again, err)
		}
	})
}

func TestSecretIsNotShown(t *testing.T) {
	i := newInvite(t, NewInvites(newKeys(t, "ledger")), start)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("made", "invite", i, "secret", i.Secret)
	asJSON, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	raw := fmt.Sprintf("%d", [20]byte(i.Secret))
	for _, shown := range []string{
		fmt.Sprint(i), fmt.Sprintf("%+v", i), fmt.Sprintf("%#v", i), i.Secret.String(), logged.String(), string(asJSON),
	} {
		if strings.Contains(shown, raw[1:len(raw)-1]) || !strings.Contains(shown, "[secret]") {
			t.Errorf("shown as %s", shown)
		}
	}
}

func TestNewInviteRefuses(t *testing.T) {
	tests := []struct {
		name  string
		terms Terms
		want  mft.Code
	}{
		{"name", Terms{Address: "ledger.example:7420"}, mft.CodeOK},
		{"with grants", Terms{Address: "10.0.0.1:7420", FilesInto: []string{absolute("in")}}, mft.CodeOK},
		{"no address", Terms{}, mft.CodeConfig},
		{"no host", Terms{Address: ":7420"}, mft.CodeConfig},
		{"any IPv4 address", Terms{Address: "0.0.0.0:7420"}, mft.CodeConfig},
		{"any IPv6 address", Terms{Address: "[::]:7420"}, mft.CodeConfig},
		{"metacharacter", Terms{Address: "a;b:7420"}, mft.CodeConfig},
		{"relative grant", Terms{Address: "a:1", RequestsRoot: []string{"out"}}, mft.CodeBadPath},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewInvites(newKeys(t, "ledger")).NewInvite(start, tt.terms)
			wantCode(t, "NewInvite", err, tt.want)
		})
	}
}

func TestInvitesAreBounded(t *testing.T) {
	v := NewInvites(newKeys(t, "ledger"))
	for range maxInvites {
		newInvite(t, v, start)
	}
	_, err := v.NewInvite(start, Terms{Address: "a:1"})
	wantCode(t, "one more", err, mft.CodeBusy)
	later := start.Add(InviteLife)
	newInvite(t, v, later)
	if !v.Alive(later) || v.Alive(later.Add(InviteLife)) {
		t.Error("Alive does not follow the time")
	}
}

// pairing is what a guest and an inviter agree on when nobody interferes.
func pairing(i Invite, guest *Keys) Pairing {
	return Pairing{
		Exporter: [32]byte{1, 2, 3},
		Inviter:  Party{Name: i.Name, Pin: i.Pin, Address: i.Address},
		Guest:    Party{Name: guest.Name(), Pin: guest.Pin(), Address: ":7420", Sealing: guest.Sealing()},
	}
}

func TestRedeem(t *testing.T) {
	inviter, guest := newKeys(t, "ledger"), newKeys(t, "erp")
	v := NewInvites(inviter)
	i, err := v.NewInvite(start, Terms{Address: "ledger.example:7420", FilesInto: []string{absolute("in")}})
	if err != nil {
		t.Fatal(err)
	}
	p := pairing(i, guest)
	atInviter := p
	atInviter.Inviter.Address = ""
	atInviter.Inviter.Sealing = inviter.Sealing()
	answer, peer, err := v.Redeem(i.Secret.ID(), i.Secret.GuestProof(p), atInviter, start)
	if err != nil {
		t.Fatal(err)
	}
	if peer.Name != "erp" || peer.Pins[0].Pin != guest.Pin() || peer.Address != ":7420" ||
		string(peer.Sealing) != string(guest.Sealing()) || len(peer.FilesInto) != 1 {
		t.Errorf("Redeem = %+v", peer)
	}
	p.Inviter.Sealing = inviter.Sealing()
	if !i.Secret.InviterProof(p).Equal(answer) {
		t.Error("the guest would not accept the inviter's proof")
	}
	if i.Secret.GuestProof(p).Equal(answer) {
		t.Error("the guest's proof can be sent back as the inviter's")
	}
	p.Inviter.Sealing = guest.Sealing()
	if i.Secret.InviterProof(p).Equal(answer) {
		t.Error("the inviter's proof does not cover its sealing key")
	}
	_, _, err = v.Redeem(i.Secret.ID(), i.Secret.GuestProof(p), atInviter, start)
	wantCode(t, "a second time", err, mft.CodeInvite)
	if v.Alive(start) {
		t.Error("the invitation is alive after it was redeemed")
	}
}

func TestRedeemRefuses(t *testing.T) {
	inviter, guest, other := newKeys(t, "ledger"), newKeys(t, "erp"), newKeys(t, "erp")
	tests := []struct {
		name   string
		change func(*Pairing) // what the inviter sees instead
		after  time.Duration
		want   mft.Code
	}{
		{"nothing", func(*Pairing) {}, 0, mft.CodeOK},
		{"just in time", func(*Pairing) {}, InviteLife - time.Second, mft.CodeOK},
		{"too late", func(*Pairing) {}, InviteLife, mft.CodeInvite},
		{"another connection", func(p *Pairing) { p.Exporter[0] ^= 1 }, 0, mft.CodeInvite},
		{"another guest's key", func(p *Pairing) { p.Guest.Pin = other.Pin() }, 0, mft.CodeInvite},
		{"another guest's name", func(p *Pairing) { p.Guest.Name = "erp2" }, 0, mft.CodeInvite},
		{"another address", func(p *Pairing) { p.Guest.Address = "evil:7420" }, 0, mft.CodeInvite},
		{"another sealing key", func(p *Pairing) { p.Guest.Sealing = other.Sealing() }, 0, mft.CodeInvite},
		{"another inviter's key", func(p *Pairing) { p.Inviter.Pin = other.Pin() }, 0, mft.CodeInvite},
		{"another inviter's name", func(p *Pairing) { p.Inviter.Name = "ledger2" }, 0, mft.CodeInvite},
		{"a shifted border", func(p *Pairing) {
			p.Guest.Address, p.Guest.Pin = p.Guest.Address[1:], p.Guest.Pin+Pin(p.Guest.Address[:1])
		}, 0, mft.CodeInvite},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := NewInvites(inviter)
			i := newInvite(t, v, start)
			p := pairing(i, guest)
			proof := i.Secret.GuestProof(p)
			tt.change(&p)
			_, _, err := v.Redeem(i.Secret.ID(), proof, p, start.Add(tt.after))
			wantCode(t, "Redeem", err, tt.want)
		})
	}
}

func TestWrongTries(t *testing.T) {
	inviter, guest := newKeys(t, "ledger"), newKeys(t, "erp")
	for wrong := range maxWrongTries + 1 {
		t.Run(fmt.Sprintf("%d", wrong), func(t *testing.T) {
			v := NewInvites(inviter)
			i, bystander := newInvite(t, v, start), newInvite(t, v, start)
			p := pairing(i, guest)
			for range wrong {
				_, _, err := v.Redeem(i.Secret.ID(), Proof{}, p, start)
				wantCode(t, "a wrong proof", err, mft.CodeInvite)
			}
			for range 2 * maxWrongTries {
				_, _, err := v.Redeem(InviteID{1}, i.Secret.GuestProof(p), p, start)
				wantCode(t, "an unknown id", err, mft.CodeInvite)
			}
			_, _, err := v.Redeem(i.Secret.ID(), i.Secret.GuestProof(p), p, start)
			want := mft.CodeOK
			if wrong >= maxWrongTries {
				want = mft.CodeInvite
			}
			wantCode(t, "the right proof", err, want)
			_, _, err = v.Redeem(bystander.Secret.ID(), bystander.Secret.GuestProof(p), p, start)
			wantCode(t, "another invitation", err, mft.CodeOK)
		})
	}
}
