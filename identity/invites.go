package identity

import (
	"crypto/rand"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"mft.dev/mft"
)

const (
	// maxInvites bounds the invitations that are alive at once.
	maxInvites = 16
	// maxWrongTries is after how many wrong proofs an invitation is void.
	maxWrongTries = 5
)

// Terms are what the inviter adds to an invitation.
type Terms struct {
	// Address is where the guest reaches the inviter, HOST:PORT.
	Address string
	// FilesInto, RequestsRoot and AllowDelete are granted to the guest, see
	// Peer.
	FilesInto    []string
	RequestsRoot []string
	AllowDelete  bool
}

// Invites are the invitations of one agent that can still be redeemed. They
// are kept in memory only, so a restart of the agent voids them. Invites is
// safe for concurrent use.
type Invites struct {
	keys *Keys

	mu    sync.Mutex
	alive map[InviteID]*openInvite
}

type openInvite struct {
	Invite
	terms Terms
	wrong int
}

// NewInvites returns an empty set of invitations to the agent with these
// keys.
func NewInvites(keys *Keys) *Invites {
	return &Invites{keys: keys, alive: map[InviteID]*openInvite{}}
}

// NewInvite makes an invitation that can be redeemed once, until InviteLife
// after now. At most 16 are alive at once. Errors: mft.CodeConfig when the
// address is not usable, mft.CodeBadPath for a grant, mft.CodeBusy.
func (v *Invites) NewInvite(now time.Time, terms Terms) (Invite, error) {
	if err := checkInviteAddress(terms.Address); err != nil {
		return Invite{}, mft.Fail(mft.CodeConfig, "invite to", terms.Address, err)
	}
	if err := checkGrants(terms.FilesInto, terms.RequestsRoot); err != nil {
		return Invite{}, err
	}
	terms.FilesInto, terms.RequestsRoot = slices.Clone(terms.FilesInto), slices.Clone(terms.RequestsRoot)
	i := Invite{
		Expires: now.Add(InviteLife).UTC().Truncate(time.Second),
		Address: terms.Address, Name: v.keys.Name(), Pin: v.keys.Pin(),
	}
	if _, err := rand.Read(i.Secret[:]); err != nil {
		return Invite{}, mft.Fail(mft.CodeInternal, "make invitation", "", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expire(now)
	if len(v.alive) >= maxInvites {
		return Invite{}, mft.Fail(mft.CodeBusy, "make invitation", "", errors.New("16 are waiting to be used already"))
	}
	v.alive[i.Secret.ID()] = &openInvite{Invite: i, terms: terms}
	return i, nil
}

func checkInviteAddress(address string) error {
	if err := checkAddress(address, true); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(address) // just checked
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return errors.New("the address stands for every address of this host; say the one that the guest reaches")
	}
	return nil
}

// expire forgets what can no longer be redeemed. The caller holds mu.
func (v *Invites) expire(now time.Time) {
	maps.DeleteFunc(v.alive, func(_ InviteID, i *openInvite) bool { return !now.Before(i.Expires) })
}

// Alive reports whether any invitation can be redeemed at now.
func (v *Invites) Alive(now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expire(now)
	return len(v.alive) > 0
}

// Redeem checks the proof of a guest who says that it redeems the invitation
// called id, and uses the invitation up. It fills in the inviter's address of
// p, which the guest has from the invitation, and returns the answering
// proof, and the guest as the peer that it becomes at now; the caller adds it
// to the trusted peers.
//
// The error has code mft.CodeInvite and does not say what is wrong: guessing
// must not be helped. After five wrong proofs an invitation is void. The
// comparison takes the same time whatever is wrong.
func (v *Invites) Redeem(id InviteID, proof Proof, p Pairing, now time.Time) (Proof, Peer, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expire(now)
	open, known := v.alive[id]
	if !known { // the same work with a secret that nobody has
		open = &openInvite{Invite: v.decoy()}
	}
	p.Inviter.Address = open.Address
	right := open.Secret.GuestProof(p).Equal(proof)
	if !known || !right {
		if open.wrong++; open.wrong >= maxWrongTries {
			delete(v.alive, id)
		}
		return Proof{}, Peer{}, mft.Fail(mft.CodeInvite, "redeem invitation", "", nil)
	}
	delete(v.alive, id)
	return open.Secret.InviterProof(p), Peer{
		Name: p.Guest.Name, Address: p.Guest.Address, Sealing: p.Guest.Sealing, Added: now.UTC(),
		Pins:      []PinnedKey{{Pin: p.Guest.Pin, Since: now.UTC(), Source: SourceInvite}},
		FilesInto: open.terms.FilesInto, RequestsRoot: open.terms.RequestsRoot,
		AllowDelete: open.terms.AllowDelete,
	}, nil
}

// decoy returns an invitation that was never handed out.
func (v *Invites) decoy() Invite {
	var i Invite
	_, _ = rand.Read(i.Secret[:]) // never fails, see crypto/rand
	i.Address = "decoy.invalid:7420"
	return i
}
