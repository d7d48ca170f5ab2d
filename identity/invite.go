package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
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

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// An Invite is a one-time invitation, as the operator of the inviting host
// hands it to that of the guest.
type Invite struct {
	Secret  Secret
	Expires time.Time // by the inviter's clock, whole seconds
	Address string    // HOST:PORT of the inviter
	Name    mft.AgentName
	Pin     Pin
}

// Line returns the invitation as one line to paste into a shell, without a
// character that any shell treats in a special way:
//
//	mft join HOST:PORT NAME:mft1:PIN:SECRET:EXPIRES:CHECK
//
// An IPv6 address stands there without brackets, the last colon is before the
// port. SECRET is base64url, EXPIRES in seconds since the Unix epoch, CHECK
// shows whether the line was copied whole. The line holds the secret.
func (i Invite) Line() string {
	address := i.Address
	if host, port, err := net.SplitHostPort(address); err == nil {
		address = host + ":" + port
	}
	body := address + " " + strings.Join([]string{
		string(i.Name), string(i.Pin), base64.RawURLEncoding.EncodeToString(i.Secret[:]),
		strconv.FormatInt(i.Expires.Unix(), 10),
	}, ":")
	return "mft join " + body + ":" + lineCheck(body)
}

func lineCheck(body string) string {
	sum := sha256.Sum256([]byte("mft invite line\x00" + body))
	return base64.RawURLEncoding.EncodeToString(sum[:3])
}

// ParseInvite reads the form that Line returns, with or without the leading
// "mft join". It does not look at Expires: only the inviter's clock counts.
// The error is an *mft.Error of code mft.CodeInvite that does not repeat the
// line.
func ParseInvite(line string) (Invite, error) {
	invite, err := parseInvite(line)
	if err != nil {
		return Invite{}, mft.Fail(mft.CodeInvite, "read invitation", "", err)
	}
	return invite, nil
}

func parseInvite(line string) (Invite, error) {
	words := strings.Fields(line)
	if len(words) == 4 && words[0] == "mft" && words[1] == "join" {
		words = words[2:]
	}
	if len(words) != 2 {
		return Invite{}, errors.New("it has the form: mft join HOST:PORT NAME:PIN:SECRET:EXPIRES:CHECK")
	}
	body, check, _ := cutLast(words[0]+" "+words[1], ":")
	if check != lineCheck(body) {
		return Invite{}, errors.New("it was not copied whole, or was changed")
	}
	host, port, _ := cutLast(words[0], ":")
	i := Invite{Address: net.JoinHostPort(strings.Trim(host, "[]"), port)}
	if err := checkAddress(i.Address, true); err != nil {
		return Invite{}, err
	}
	parts := strings.Split(words[1], ":")
	if len(parts) != 6 {
		return Invite{}, errors.New("it does not have its six parts")
	}
	var err error
	if i.Name, err = mft.ParseAgentName(parts[0]); err != nil {
		return Invite{}, err
	}
	if i.Pin, err = ParsePin(parts[1] + ":" + parts[2]); err != nil {
		return Invite{}, err
	}
	// No cause is passed on from here: it could quote the secret.
	if n, err := base64.RawURLEncoding.Strict().Decode(make([]byte, len(parts[3])), []byte(parts[3])); err != nil || n != len(i.Secret) {
		return Invite{}, errors.New("its secret is not well formed")
	}
	secret, _ := base64.RawURLEncoding.DecodeString(parts[3]) // just checked
	copy(i.Secret[:], secret)
	seconds, err := strconv.ParseInt(parts[4], 10, 64)
	if err != nil || seconds < 0 || strconv.FormatInt(seconds, 10) != parts[4] {
		return Invite{}, errors.New("its time of expiry is not well formed")
	}
	i.Expires = time.Unix(seconds, 0).UTC()
	return i, nil
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}
