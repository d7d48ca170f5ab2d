package dir

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	tokenSize = 32 // characters of what cannot be guessed
	timeSize  = 12 // hexadecimal digits of milliseconds since 1970
)

// A letterName is the name of a letter in a queue:
//
//	l-PUT-ID-TAKEN-UNTIL-CLAIM
//
// in lower-case hexadecimal of fixed width, so that names sort by when letters
// were put. PUT is what the putter says; it only decides who comes first.
type letterName struct {
	put   int64  // milliseconds
	id    string // a token
	taken int    // how often
	until int64  // end of the lease, milliseconds; 0 when it was never taken
	claim string // a token, new with every lease
}

func (n letterName) String() string {
	return fmt.Sprintf("l-%012x-%s-%04x-%012x-%s", n.put, n.id, n.taken, n.until, n.claim)
}

// before orders by age.
func (n letterName) before(m letterName) int {
	return cmp.Or(cmp.Compare(n.put, m.put), strings.Compare(n.id, m.id))
}

// leased returns the name of the letter under a new lease.
func (n letterName) leased(until time.Time) letterName {
	n.until, n.claim = millis(until), token()
	return n
}

// takenAgain counts a taking, as far as there are digits.
func (n letterName) takenAgain() letterName {
	n.taken = min(n.taken+1, math.MaxUint16)
	return n
}

// parseLetterName reads a name. Names in a queue are written by strangers.
func parseLetterName(s string) (n letterName, ok bool) {
	f := strings.Split(s, "-")
	if len(f) != 6 || f[0] != "l" || !isHex(f[1], timeSize) || !isHex(f[2], tokenSize) ||
		!isHex(f[3], 4) || !isHex(f[4], timeSize) || !isHex(f[5], tokenSize) {
		return letterName{}, false
	}
	return letterName{put: number(f[1]), id: f[2], taken: int(number(f[3])), until: number(f[4]), claim: f[5]}, true
}

// An objectName is the name of the directory that has the blocks of a published
// object:
//
//	p-TOKEN-BLOCKS-SIZE-LAST
//
// the numbers in decimal: how many blocks there are, the bytes of each, and of
// the last.
type objectName struct {
	token              string
	blocks, size, last int64
}

func (n objectName) String() string {
	return fmt.Sprintf("p-%s-%d-%d-%d", n.token, n.blocks, n.size, n.last)
}

// total is the size of the object.
func (n objectName) total() int64 { return (n.blocks-1)*n.size + n.last }

// parseObjectName reads a name, which for a reader is the word of a stranger.
func parseObjectName(s string) (n objectName, ok bool) {
	f := strings.Split(s, "-")
	if len(f) != 5 || f[0] != "p" || !isHex(f[1], tokenSize) {
		return objectName{}, false
	}
	n = objectName{token: f[1]}
	for i, to := range []*int64{&n.blocks, &n.size, &n.last} {
		v, err := strconv.ParseInt(f[2+i], 10, 32)
		if err != nil || v < 1 || strconv.FormatInt(v, 10) != f[2+i] {
			return objectName{}, false
		}
		*to = v
	}
	return n, n.blocks <= maxBlocks && n.size <= maxBlock && n.last <= n.size
}

// A grantName is the name of the file that is a grant: g-UNTIL-TOKEN.
type grantName struct {
	until int64 // milliseconds
	token string
}

func (n grantName) String() string { return fmt.Sprintf("g-%012x-%s", n.until, n.token) }

func parseGrantName(s string) (n grantName, ok bool) {
	f := strings.Split(s, "-")
	if len(f) != 3 || f[0] != "g" || !isHex(f[1], timeSize) || !isHex(f[2], tokenSize) {
		return grantName{}, false
	}
	return grantName{until: number(f[1]), token: f[2]}, true
}

// blockName is the name of one block.
func blockName(block int) string { return fmt.Sprintf("%05d", block) }

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

func millis(t time.Time) int64 { return min(max(t.UnixMilli(), 0), 1<<(4*timeSize)-1) }
