package link

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/join"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/protocol"
)

func invite(t *testing.T, n *node, terms identity.Terms) identity.Invite {
	t.Helper()
	terms.Address = n.address
	i, err := n.invites.NewInvite(n.c.Now(), terms)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestJoin(t *testing.T) {
	tests := []struct {
		name    string
		address string // what the guest says; "listen" for where it listens
		want    string // as what the inviter knows it
	}{
		{"guest that can be dialled", "listen", "listen"},
		{"guest that leaves out the host", ":7420", "127.0.0.1:7420"},
		{"guest that names every address", "0.0.0.0:7420", "127.0.0.1:7420"},
		{"guest that names every IPv6 address", "[::]:7420", "127.0.0.1:7420"},
		{"guest that cannot be dialled", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledger := startNode(t, "ledger")
			ln := listen(t)
			address := func(s string) string {
				if s == "listen" {
					return ln.Addr().String()
				}
				return s
			}
			erp := newNode(t, "erp", func(c *Config) { c.Address = address(tt.address) }).serve(t, ln)

			i, err := identity.ParseInvite(invite(t, ledger, identity.Terms{FilesInto: []string{t.TempDir()}}).Line())
			if err != nil {
				t.Fatal(err)
			}
			allowed := identity.Peer{FilesInto: []string{t.TempDir()}, AllowDelete: true}
			peer, err := erp.Join(within(t), i, allowed)
			if err != nil {
				t.Fatalf("Join: %v", err)
			}
			if peer.Name != "ledger" || peer.Address != ledger.address || peer.Pins[0].Pin != ledger.keys.Pin() ||
				peer.Pins[0].Source != identity.SourceInvite || !slices.Equal(peer.FilesInto, allowed.FilesInto) || !peer.AllowDelete || string(peer.Sealing) != string(ledger.keys.Sealing()) {
				t.Errorf("Join = %+v", peer)
			}
			guest := next(t, "the guest", ledger.joined)
			if guest.Name != "erp" || guest.Address != address(tt.want) || guest.Pins[0].Pin != erp.keys.Pin() ||
				string(guest.Sealing) != string(erp.keys.Sealing()) || len(guest.FilesInto) != 1 {
				t.Errorf("Joined was told %+v", guest)
			}
			converse(t, erp, ledger, transferID(1))
			converse(t, ledger, erp, transferID(2))
		})
	}
}

func TestJoinIsRefused(t *testing.T) {
	other := newNode(t, "ledger")
	tests := []struct {
		name   string
		change func(t *testing.T, i *identity.Invite, ledger, erp *node)
		want   mft.Code
	}{
		{"wrong secret", func(_ *testing.T, i *identity.Invite, _, _ *node) { i.Secret[0] ^= 1 }, mft.CodeInvite},
		{"altered pin", func(_ *testing.T, i *identity.Invite, _, _ *node) { i.Pin = other.keys.Pin() }, mft.CodeUntrusted},
		{"altered name", func(_ *testing.T, i *identity.Invite, _, _ *node) { i.Name = "bank" }, mft.CodeUntrusted},
		{"altered address", func(_ *testing.T, i *identity.Invite, _, _ *node) {
			// Another spelling of the same place.
			i.Address = strings.Replace(i.Address, "127.0.0.1", "[::ffff:127.0.0.1]", 1)
		}, mft.CodeInvite},
		{"used", func(t *testing.T, i *identity.Invite, ledger, _ *node) {
			first := newNode(t, "first").serve(t, nil)
			if _, err := first.Join(within(t), *i, identity.Peer{}); err != nil {
				t.Errorf("the first Join: %v", err)
			}
			invite(t, ledger, identity.Terms{}) // so that it still listens
		}, mft.CodeInvite},
		{"used, and no other is waiting", func(t *testing.T, i *identity.Invite, _, _ *node) {
			if _, err := newNode(t, "first").Join(within(t), *i, identity.Peer{}); err != nil {
				t.Errorf("the first Join: %v", err)
			}
		}, mft.CodeInvite},
		{"expired", func(t *testing.T, i *identity.Invite, ledger, _ *node) {
			ledger.ahead.Store(int64(identity.InviteLife))
			invite(t, ledger, identity.Terms{})
		}, mft.CodeInvite},
		{"name known with another key", func(t *testing.T, _ *identity.Invite, ledger, _ *node) {
			ledger.trusts(t, newNode(t, "erp").asPeer())
		}, mft.CodeUntrusted},
		{"inviter known with another key", func(t *testing.T, _ *identity.Invite, _, erp *node) {
			erp.trusts(t, other.asPeer())
		}, mft.CodeUntrusted},
		{"nobody there", func(t *testing.T, i *identity.Invite, _, _ *node) {
			ln := listen(t)
			i.Address = ln.Addr().String()
			ln.Close()
		}, mft.CodeUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledger, erp := startNode(t, "ledger"), newNode(t, "erp")
			i := invite(t, ledger, identity.Terms{})
			tt.change(t, &i, ledger, erp)
			_, err := erp.Join(within(t), i, identity.Peer{})
			wantCode(t, "Join", err, tt.want)
			if _, ok := erp.trust.Peer(i.Name); ok && tt.name != "inviter known with another key" {
				t.Error("the guest trusts the inviter")
			}
			if p, _ := erp.trust.Peer("ledger"); len(p.Pins) > 0 && p.Pins[0].Pin == ledger.keys.Pin() {
				t.Error("the guest trusts the inviter's key")
			}
			if tt.name == "inviter known with another key" {
				return // that one knows the guest, who has proved itself
			}
			if p, _ := ledger.trust.Peer("erp"); len(p.Pins) > 0 && p.Pins[0].Pin == erp.keys.Pin() {
				t.Error("the inviter trusts the guest's key")
			}
		})
	}
}

func TestJoinOwnInvitation(t *testing.T) {
	ledger := startNode(t, "ledger")
	_, err := ledger.Join(within(t), invite(t, ledger, identity.Terms{}), identity.Peer{})
	wantCode(t, "Join of oneself", err, mft.CodeInvite)
	namesake := newNode(t, "ledger")
	_, err = namesake.Join(within(t), invite(t, ledger, identity.Terms{}), identity.Peer{})
	wantCode(t, "Join by one of the same name", err, mft.CodeInvite)
	// It asks all the same, in its own way.
	i := invite(t, ledger, identity.Terms{})
	i.Name = "ledger"
	err = guestSays(t, ledger, namesake, i, func(*join.Request) {})
	wantCode(t, "the inviter's answer", err, mft.CodeBadName)
	if got := ledger.trust.List(); len(got) != 0 {
		t.Errorf("the inviter trusts %+v", got)
	}
}

func TestInvitationIsVoidAfterWrongTries(t *testing.T) {
	ledger, erp := startNode(t, "ledger"), newNode(t, "erp")
	i := invite(t, ledger, identity.Terms{})
	invite(t, ledger, identity.Terms{}) // so that it still listens
	for range 5 {
		err := guestSays(t, ledger, erp, i, func(r *join.Request) { r.Proof[0] ^= 1 })
		wantCode(t, "a wrong proof", err, mft.CodeInvite)
	}
	_, err := erp.Join(within(t), i, identity.Peer{})
	wantCode(t, "the right proof after five wrong ones", err, mft.CodeInvite)
}

// guestSays joins as guest would, but for what change makes of the request,
// and returns the inviter's answer as an error.
func guestSays(t *testing.T, inviter, guest *node, i identity.Invite, change func(*join.Request)) error {
	t.Helper()
	conn, err := tls.Dial("tcp", inviter.address, joinTLS(guest.keys.Certificate()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := identity.Pairing{
		Inviter: identity.Party{Name: i.Name, Pin: i.Pin, Address: i.Address},
		Guest:   identity.Party{Name: guest.name(), Pin: guest.keys.Pin(), Sealing: guest.keys.Sealing()},
	}
	state := conn.ConnectionState()
	material, err := state.ExportKeyingMaterial(identity.ExporterLabel, nil, len(p.Exporter))
	if err != nil {
		t.Fatal(err)
	}
	copy(p.Exporter[:], material)
	r := join.Request{ID: i.Secret.ID(), Name: guest.name(), Sealing: guest.keys.Sealing(), Proof: i.Secret.GuestProof(p)}
	change(&r)
	if err := protocol.WriteControl(conn, protocol.ControlJoin, r.Append(nil)); err != nil {
		t.Fatal(err)
	}
	_, payload, err := protocol.ReadControl(conn)
	if err != nil {
		return err
	}
	answer, err := join.ParseAnswer(payload)
	if err != nil {
		return err
	}
	if answer.Code.OK() {
		return nil
	}
	return mft.Fail(answer.Code, "join", "", nil)
}

func TestGuestSaysWhatIsNotSo(t *testing.T) {
	ledger := startNode(t, "ledger")
	erp, bank := newNode(t, "erp"), newNode(t, "bank")
	tests := []struct {
		name   string
		change func(*join.Request)
		want   mft.Code
	}{
		{"nothing", func(*join.Request) {}, mft.CodeOK},
		{"another name than in its certificate", func(r *join.Request) { r.Name = "bank" }, mft.CodeProtocol},
		{"an address that the proof does not cover", func(r *join.Request) { r.Address = "bank:7420" }, mft.CodeInvite},
		{"a sealing key of another", func(r *join.Request) { r.Sealing = bank.keys.Sealing() }, mft.CodeBadSigned},
		{"no sealing key", func(r *join.Request) { r.Sealing = nil }, mft.CodeProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, known := ledger.trust.Peer("erp"); known {
				if err := ledger.trust.Remove("erp"); err != nil {
					t.Fatal(err)
				}
			}
			err := guestSays(t, ledger, erp, invite(t, ledger, identity.Terms{}), tt.change)
			wantCode(t, "the answer", err, tt.want)
			if _, known := ledger.trust.Peer("erp"); known != (tt.want == mft.CodeOK) {
				t.Errorf("known: %v", known)
			}
		})
	}
}

// relay is a man in the middle: it answers guests with a key of its own and
// speaks to the inviter itself.
func TestManInTheMiddle(t *testing.T) {
	ledger, erp, mallory := startNode(t, "ledger"), newNode(t, "erp"), newNode(t, "ledger")
	i := invite(t, ledger, identity.Terms{})
	// One that only has the network is found out by its key.
	ln := listen(t)
	defer ln.Close()
	ended := make(chan error, 1)
	go func() {
		ended <- func() error {
			conn, err := ln.Accept()
			if err != nil {
				return err
			}
			defer conn.Close()
			secure := tls.Server(conn, joinTLS(mallory.keys.Certificate()))
			if _, err := secure.Read(make([]byte, 1)); err == nil {
				t.Error("the guest spoke to a man in the middle")
			}
			return nil
		}()
	}()
	erp.dial = func(ctx context.Context, _ string) (net.Conn, error) { return transport.Dial(ctx, ln.Addr().String()) }
	_, err := erp.Join(within(t), i, identity.Peer{})
	wantCode(t, "Join", err, mft.CodeUntrusted)
	if err := next(t, "the end of the man in the middle", ended); err != nil {
		t.Error(err)
	}

	// One that has had the guest make a proof for another connection can do
	// nothing with it: the keying material differs.
	var stolen identity.Proof
	p := identity.Pairing{
		Exporter: [32]byte{1}, // of the guest's connection with the man in the middle
		Inviter:  identity.Party{Name: i.Name, Pin: i.Pin, Address: i.Address},
		Guest:    identity.Party{Name: "erp", Pin: erp.keys.Pin(), Sealing: erp.keys.Sealing()},
	}
	stolen = i.Secret.GuestProof(p)
	erp.dial = transport.Dial
	err = guestSays(t, ledger, erp, i, func(r *join.Request) { r.Proof = stolen })
	wantCode(t, "a proof for another connection", err, mft.CodeInvite)
	if got := ledger.trust.List(); len(got) != 0 {
		t.Errorf("the inviter trusts %+v", got)
	}
}

// An inviter that shows the right key but does not know the secret, as one
// whose key was stolen, is not joined.
func TestInviterWithoutTheSecret(t *testing.T) {
	ledger, erp := newNode(t, "ledger"), newNode(t, "erp")
	ln := listen(t)
	defer ln.Close()
	ledger.address = ln.Addr().String()
	i := invite(t, ledger, identity.Terms{})
	answers := []struct {
		name   string
		answer join.Answer
		want   mft.Code
	}{
		{"no proof", join.Answer{Code: mft.CodeOK, Sealing: ledger.keys.Sealing()}, mft.CodeUntrusted},
		{"refusal", join.Answer{Code: mft.CodeInvite, Detail: "no"}, mft.CodeInvite},
	}
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			ended := make(chan error, 1)
			go func() {
				ended <- func() error {
					conn, err := ln.Accept()
					if err != nil {
						return err
					}
					defer conn.Close()
					secure := tls.Server(conn, joinTLS(ledger.keys.Certificate()))
					if _, _, err := protocol.ReadControl(secure); err != nil {
						return err
					}
					if err := protocol.WriteControl(secure, protocol.ControlJoined, tt.answer.Append(nil)); err != nil {
						return err
					}
					_, _ = io.Copy(io.Discard, secure)
					return nil
				}()
			}()
			_, err := erp.Join(within(t), i, identity.Peer{})
			wantCode(t, "Join", err, tt.want)
			if err := next(t, "the end of the inviter", ended); err != nil {
				t.Error(err)
			}
			if got := erp.trust.List(); len(got) != 0 {
				t.Errorf("the guest trusts %+v", got)
			}
		})
	}
}
