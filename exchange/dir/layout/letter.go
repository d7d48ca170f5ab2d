// Package layout is what stands in the folder of package dir as text: names of
// letters, grants and layers, references, and the index of an object. All of it is
// read from strangers as well, so each Parse takes only what its String writes, and
// nothing that leads out of a directory.
package layout

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	// TokenSize is how many characters there are in what cannot be guessed.
	TokenSize = 32
	timeSize  = 12 // hexadecimal digits of milliseconds since 1970
)

// Token returns TokenSize characters that cannot be guessed.
func Token() string {
	var b [TokenSize / 2]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Millis returns the milliseconds since 1970 that names have room for.
func Millis(t time.Time) int64 { return min(max(t.UnixMilli(), 0), 1<<(4*timeSize)-1) }

// A Letter is the name of a letter in a queue:
//
//	l-PUT-ID-TAKEN-UNTIL-CLAIM
//
// in lower-case hexadecimal of fixed width, so that names sort by when letters
// were put. PUT is what the putter says; it only decides who comes first.
type Letter struct {
	Put   int64  // milliseconds
	ID    string // a token
	Taken int    // how often
	Until int64  // end of the lease, milliseconds; 0 when it was never taken
	Claim string // a token, new with every lease
}

// NewLetter returns the name of a letter that is put now.
func NewLetter(now time.Time) Letter {
	return Letter{Put: Millis(now), ID: Token(), Claim: strings.Repeat("0", TokenSize)}
}

func (n Letter) String() string {
	return fmt.Sprintf("l-%012x-%s-%04x-%012x-%s", n.Put, n.ID, n.Taken, n.Until, n.Claim)
}

// Before orders by age.
func (n Letter) Before(m Letter) int {
	return cmp.Or(cmp.Compare(n.Put, m.Put), strings.Compare(n.ID, m.ID))
}

// Leased returns the name of the letter under a new lease.
func (n Letter) Leased(until time.Time) Letter {
	n.Until, n.Claim = Millis(until), Token()
	return n
}

// TakenAgain counts a taking, as far as there are digits.
func (n Letter) TakenAgain() Letter {
	n.Taken = min(n.Taken+1, math.MaxUint16)
	return n
}

// ParseLetter reads a name. Names in a queue are written by strangers.
func ParseLetter(s string) (n Letter, ok bool) {
	f := strings.Split(s, "-")
	if len(f) != 6 || f[0] != "l" || !isHex(f[1], timeSize) || !isHex(f[2], TokenSize) ||
		!isHex(f[3], 4) || !isHex(f[4], timeSize) || !isHex(f[5], TokenSize) {
		return Letter{}, false
	}
	return Letter{Put: number(f[1]), ID: f[2], Taken: int(number(f[3])), Until: number(f[4]), Claim: f[5]}, true
}

// A Grant is the name of the file that is a grant: g-UNTIL-TOKEN.
type Grant struct {
	Until int64 // milliseconds since 1970
	Token string
}

func (n Grant) String() string { return fmt.Sprintf("g-%012x-%s", n.Until, n.Token) }

func ParseGrant(s string) (n Grant, ok bool) {
	f := strings.Split(s, "-")
	if len(f) != 3 || f[0] != "g" || !isHex(f[1], timeSize) || !isHex(f[2], TokenSize) {
		return Grant{}, false
	}
	return Grant{Until: number(f[1]), Token: f[2]}, true
}

func isHex(s string, size int) bool {
	if len(s) != size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// number reads what isHex has seen.
func number(s string) int64 {
	v, _ := strconv.ParseInt(s, 16, 64) // cannot fail: at most 12 digits
	return v
}
