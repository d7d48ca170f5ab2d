package identity

import (
	"encoding/binary"
	"errors"

	"mft.dev/mft"
)

// A JoinRequest is what a guest sends first on a connection for pairing: the
// payload of a ControlJoin frame. Its key is that of its certificate.
type JoinRequest struct {
	ID      InviteID
	Name    mft.AgentName
	Address string // see Party
	Sealing []byte
	Proof   Proof
}

// A JoinAnswer is the inviter's answer: the payload of a ControlJoined frame.
// With a Code other than mft.CodeOK the rest but Detail is empty.
type JoinAnswer struct {
	Code    mft.Code
	Detail  string
	Sealing []byte
	Proof   Proof
}

// Both messages are fixed fields and byte strings with a length of two bytes,
// big endian, in the order of the struct, after a version byte.
const joinVersion = 1

// The longest byte strings in a message.
const (
	maxJoinName    = 63
	maxJoinAddress = 280
	maxJoinSealing = 512
	maxJoinCode    = 64
	maxJoinDetail  = 1024
)

func appendString[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// Append appends the wire form of r to b.
func (r JoinRequest) Append(b []byte) []byte {
	b = append(b, joinVersion)
	b = append(b, r.ID[:]...)
	b = appendString(b, r.Name)
	b = appendString(b, r.Address)
	b = appendString(b, r.Sealing)
	return append(b, r.Proof[:]...)
}

// ParseJoinRequest reads the form that Append writes, and checks name and
// address. The error has code mft.CodeProtocol or mft.CodeVersion.
func ParseJoinRequest(b []byte) (JoinRequest, error) {
	var r JoinRequest
	p := joinReader{rest: b}
	p.version()
	p.fixed(r.ID[:])
	name, address := string(p.bytes(maxJoinName)), string(p.bytes(maxJoinAddress))
	r.Sealing = p.bytes(maxJoinSealing)
	p.fixed(r.Proof[:])
	p.end()
	if p.err != nil {
		return JoinRequest{}, mft.Fail(p.code, "read join request", "", p.err)
	}
	var err error
	if r.Name, err = mft.ParseAgentName(name); err != nil {
		return JoinRequest{}, mft.Fail(mft.CodeProtocol, "read join request", "", err)
	}
	if address != "" {
		if err := checkAddress(address, false); err != nil {
			return JoinRequest{}, mft.Fail(mft.CodeProtocol, "read join request", "", err)
		}
	}
	r.Address = address
	return r, nil
}

// Append appends the wire form of a to b. A Detail that is too long is cut.
func (a JoinAnswer) Append(b []byte) []byte {
	b = append(b, joinVersion)
	b = appendString(b, a.Code)
	b = appendString(b, a.Detail[:min(len(a.Detail), maxJoinDetail)])
	b = appendString(b, a.Sealing)
	return append(b, a.Proof[:]...)
}

// ParseJoinAnswer reads the form that Append writes. The error has code
// mft.CodeProtocol or mft.CodeVersion.
func ParseJoinAnswer(b []byte) (JoinAnswer, error) {
	var a JoinAnswer
	p := joinReader{rest: b}
	p.version()
	a.Code, a.Detail = mft.Code(p.bytes(maxJoinCode)), string(p.bytes(maxJoinDetail))
	a.Sealing = p.bytes(maxJoinSealing)
	p.fixed(a.Proof[:])
	p.end()
	if p.err == nil && !a.Code.Known() {
		p.fail(mft.CodeProtocol, "it has an unknown code")
	}
	if p.err != nil {
		return JoinAnswer{}, mft.Fail(p.code, "read join answer", "", p.err)
	}
	return a, nil
}

// joinReader takes a message apart. After the first error every read returns
// nothing.
type joinReader struct {
	rest []byte
	code mft.Code
	err  error
}

func (p *joinReader) fail(code mft.Code, why string) {
	if p.err == nil {
		p.code, p.err = code, errors.New(why)
	}
}

func (p *joinReader) take(n int) []byte {
	if p.err != nil || n > len(p.rest) {
		p.fail(mft.CodeProtocol, "it is too short")
		return nil
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *joinReader) version() {
	if v := p.take(1); p.err == nil && v[0] != joinVersion {
		p.fail(mft.CodeVersion, "it is of another version")
	}
}

func (p *joinReader) fixed(into []byte) { copy(into, p.take(len(into))) }

func (p *joinReader) bytes(limit int) []byte {
	size := p.take(2)
	if p.err != nil {
		return nil
	}
	n := int(binary.BigEndian.Uint16(size))
	if n > limit {
		p.fail(mft.CodeProtocol, "a field is too long")
		return nil
	}
	return append([]byte(nil), p.take(n)...)
}

func (p *joinReader) end() {
	if len(p.rest) != 0 {
		p.fail(mft.CodeProtocol, "something follows it")
	}
}
