package exchange

import (
	"errors"
	"fmt"
	"net"
	"time"

	"mft.dev/mft"
)

// The limits of names and statements.
const (
	// MaxName is the most bytes in the name of an object.
	MaxName = 80
	// MaxStatement is the most bytes in a statement.
	MaxStatement = 4 << 10
	// MaxStatements is the most statements of one agent that are returned.
	MaxStatements = 64
	maxID         = 64
)

// CheckLetter refuses a body that fits no letter, with CodeTooLarge.
func CheckLetter(body []byte) error {
	return checkSize("put letter", "", len(body), MaxLetter)
}

// CheckName refuses what is no name of an object, with CodeBadName.
func CheckName(name string) error {
	return checkWord("name object", name, MaxName)
}

// CheckStatement refuses an id with CodeBadName and a statement that is too
// long with CodeTooLarge.
func CheckStatement(id string, statement []byte) error {
	if err := checkWord("name statement", id, maxID); err != nil {
		return err
	}
	return checkSize("publish statement", id, len(statement), MaxStatement)
}

// CheckLife refuses a life of a grant that is not above 0, with CodeUsage, and
// cuts one that is too long to MaxGrant.
func CheckLife(life time.Duration) (time.Duration, error) {
	if life <= 0 {
		return 0, mft.Fail(mft.CodeUsage, "grant object", "", fmt.Errorf("a grant cannot last %v", life))
	}
	return min(life, MaxGrant), nil
}

// CheckGrant refuses what is no name of an object, and a life as CheckLife does,
// which it returns.
func CheckGrant(name string, life time.Duration) (time.Duration, error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	return CheckLife(life)
}

// CheckBlock refuses a block that the storage does not take, with CodeTooLarge,
// and what is no name of an object, with CodeBadName. That all but the last are at
// least MinBlock long only Publish can tell.
func (s Sizes) CheckBlock(name string, block int, content []byte) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if block < 0 || block >= s.MaxBlocks {
		return mft.Fail(mft.CodeTooLarge, "stage block of", name,
			fmt.Errorf("it has number %d, and there are no more than %d", block, s.MaxBlocks))
	}
	return checkSize("stage block of", name, len(content), s.MaxBlock)
}

// CheckBlocks refuses a number of blocks that no object has, with CodeTooLarge,
// and what is no name of one, with CodeBadName.
func (s Sizes) CheckBlocks(name string, blocks int) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if blocks < 1 || blocks > s.MaxBlocks {
		return mft.Fail(mft.CodeTooLarge, "publish object", name, fmt.Errorf("it has %d blocks, and there are 1 to %d", blocks, s.MaxBlocks))
	}
	return nil
}

// Loopback reports whether host is this host itself, to which a connection may be
// without TLS.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func checkSize(op, subject string, n, most int) error {
	if n == 0 {
		return mft.Fail(mft.CodeUsage, op, subject, errors.New("it is empty"))
	}
	if n > most {
		return mft.Fail(mft.CodeTooLarge, op, subject, fmt.Errorf("it has %d bytes, and %d are allowed", n, most))
	}
	return nil
}

func checkWord(op, word string, most int) error {
	bad := func(why string) error { return mft.Fail(mft.CodeBadName, op, word, errors.New(why)) }
	if word == "" || len(word) > most {
		return bad(fmt.Sprintf("a name has 1 to %d characters", most))
	}
	for _, c := range []byte(word) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return bad("only a-z, 0-9 and '-' are allowed")
		}
	}
	return nil
}
