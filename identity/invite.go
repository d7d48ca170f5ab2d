package identity

import (
	"log/slog"
	"time"

	"mft.dev/mft"
)

// InviteLife is how long an invitation can be redeemed.
const InviteLife = 15 * time.Minute

// A Secret is what two agents that pair share. It prints as "[secret]"; only
// Invite.Line shows it.
type Secret [20]byte

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret.
func (Secret) GoString() string { return "[secret]" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// An Invite is a one-time invitation, as the operator of the inviting host
// hands it to that of the guest.
type Invite struct {
	Secret  Secret
	Expires time.Time // by the inviter's clock
	Address string    // HOST:PORT of the inviter
	Name    mft.AgentName
	Pin     Pin
}

// Line returns the invitation as one line to paste into a shell. It holds the
// secret.
func (i Invite) Line() string { return "" }

// ParseInvite reads the form that Line returns, with or without the leading
// "mft join". The error is an *mft.Error of code mft.CodeInvite that does not
// repeat the line.
func ParseInvite(line string) (Invite, error) { return Invite{}, nil }

// Terms are what the inviter adds to an invitation.
type Terms struct {
	// Address is where the guest reaches the inviter, HOST:PORT.
	Address string
	// FilesInto and RequestsRoot are granted to the guest, see Peer.
	FilesInto    []string
	RequestsRoot []string
}

// Invites are the invitations of one agent that can still be redeemed. They
// are kept in memory only, so a restart of the agent voids them. Invites is
// safe for concurrent use.
type Invites struct{}

// NewInvites returns an empty set of invitations to the agent with these
// keys.
func NewInvites(keys *Keys) *Invites { return &Invites{} }

// NewInvite makes an invitation that can be redeemed once, until InviteLife
// after now. At most 16 are alive at once. Errors: mft.CodeConfig when the
// terms are not usable, mft.CodeBusy.
func (v *Invites) NewInvite(now time.Time, terms Terms) (Invite, error) { return Invite{}, nil }

// Alive reports whether any invitation can be redeemed at now.
func (v *Invites) Alive(now time.Time) bool { return false }
