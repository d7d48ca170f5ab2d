package join

import (
	"encoding/binary"
	"errors"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/identity"
)

// A Request is what a guest sends first on a connection for pairing: the
// payload of a ControlJoin frame. Its key is that of its certificate.
type Request struct {
	ID      identity.InviteID
	Name    mft.AgentName
	Address string // see identity.Party
	Sealing []byte
	Proof   identity.Proof
}

// A Answer is the inviter's answer: the payload of a ControlJoined frame.
// With a Code other than mft.CodeOK the rest but Detail is empty.
type Answer struct {
	Code    mft.Code
	Detail  string
	Sealing []byte
	Proof   identity.Proof
}

// Both messages are fixed fields and byte strings with a length of two bytes,
// big endian, in the order of the struct, after a version byte.
const version = 1

// The longest byte strings in a message.
const (
	maxName    = 63
	maxAddress = 280
	maxSealing = 512
	maxCode    = 32
	maxDetail  = 1024
)

func appendString[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// Append appends the wire form of r to b.
func (r Request) Append(b []byte) []byte {
	b = append(b, version)
	b = append(b, r.ID[:]...)
	b = appendString(b, r.Name)
	b = appendString(b, r.Address)
	b = appendString(b, r.Sealing)
	return append(b, r.Proof[:]...)
}

// ParseRequest reads the form that Append writes, and checks name and
// address. The error has code mft.CodeProtocol or mft.CodeVersion.
func ParseRequest(b []byte) (Request, error) {
	var r Request
	p := reader{rest: b}
	p.checkVersion()
	p.fixed(r.ID[:])
	name, address := string(p.bytes(maxName)), string(p.bytes(maxAddress))
	r.Sealing = p.bytes(maxSealing)
	p.fixed(r.Proof[:])
	p.end()
	if p.err != nil {
		return Request{}, mft.Fail(p.code, "read join request", "", p.err)
	}
	var err error
	if r.Name, err = mft.ParseAgentName(name); err != nil {
		return Request{}, mft.Fail(mft.CodeProtocol, "read join request", "", err)
	}
	if address != "" {
		if err := identity.CheckAddress(address); err != nil {
			return Request{}, mft.Fail(mft.CodeProtocol, "read join request", "", err)
		}
	}
	r.Address = address
	return r, nil
}

// Append appends the wire form of a to b. A Detail that is too long is cut.
func (a Answer) Append(b []byte) []byte {
	b = append(b, version)
	b = appendString(b, a.Code)
	b = appendString(b, a.Detail[:min(len(a.Detail), maxDetail)])
	b = appendString(b, a.Sealing)
	return append(b, a.Proof[:]...)
}

// ParseAnswer reads the form that Append writes. The error has code
// mft.CodeProtocol or mft.CodeVersion.
func ParseAnswer(b []byte) (Answer, error) {
	var a Answer
	p := reader{rest: b}
	p.checkVersion()
	a.Code, a.Detail = mft.Code(p.bytes(maxCode)), string(p.bytes(maxDetail))
	a.Sealing = p.bytes(maxSealing)
	p.fixed(a.Proof[:])
	p.end()
	if a.Code == "" || strings.Trim(string(a.Code), "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
		p.fail(mft.CodeProtocol, "it has no code") // one that is unknown here will do
	}
	if p.err != nil {
		return Answer{}, mft.Fail(p.code, "read join answer", "", p.err)
	}
	return a, nil
}

// reader takes a message apart. After the first error every read returns
// nothing.
type reader struct {
	rest []byte
	code mft.Code
	err  error
}

func (p *reader) fail(code mft.Code, why string) {
	if p.err == nil {
		p.code, p.err = code, errors.New(why)
	}
}

func (p *reader) take(n int) []byte {
	if p.err != nil || n > len(p.rest) {
		p.fail(mft.CodeProtocol, "it is too short")
		return nil
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *reader) checkVersion() {
	if v := p.take(1); p.err == nil && v[0] != version {
		p.fail(mft.CodeVersion, "it is of another version")
	}
}

func (p *reader) fixed(into []byte) { copy(into, p.take(len(into))) }

func (p *reader) bytes(limit int) []byte {
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

func (p *reader) end() {
	if len(p.rest) != 0 {
		p.fail(mft.CodeProtocol, "something follows it")
	}
}
