// Package exchangetest proves that an adapter does what package exchange asks
// of it: [Run] is one suite for all, with a test for each sentence of the
// contract.
//
//	func TestConformance(t *testing.T) {
//		exchangetest.Run(t, func(t *testing.T) exchangetest.Bench { … })
//	}
//
// It asks for no more than the contract; what storage may do to those who ask
// for more, the package faulty does.
package exchangetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// A Bench is one storage with two agents, A and B, and nothing in it.
type Bench struct {
	// NameA and NameB are the names of the agents.
	NameA, NameB mft.AgentName
	// A and B are the storage as they see it. Twin is that of a second process
	// of B.
	A, B, Twin exchange.Exchange
	// Absent is the name of an agent that the storage never heard of.
	Absent mft.AgentName
	// Lease is how long letters are taken for, and Life how long objects are
	// granted for, where a test sees them end. A storage with a clock of its own
	// wants them as short as it takes them.
	Lease, Life time.Duration
	// Elapse lets so much time pass for the storage: it moves a clock, or waits.
	Elapse func(d time.Duration)
	// Uncounted says that the storage does not count how often a letter is taken.
	Uncounted bool
}

// Run holds an adapter to the contract. Each test opens a bench of its own;
// they run at the same time. Take should return soon when there is no letter.
func Run(t *testing.T, open func(t *testing.T) Bench) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Queue", queueTests},
		{"Container", containerTests},
		{"Reader", readerTests},
		{"Keys", keysTests},
		{"Context", contextTests},
	} {
		for _, c := range group.tests {
			t.Run(group.name+"/"+strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				c.run(&suite{T: t, ctx: ctx, Bench: open(t)})
			})
		}
	}
}

// A test is one part of the suite.
type test struct {
	name string
	run  func(s *suite)
}

// A suite is one test under way.
type suite struct {
	*testing.T
	Bench
	ctx context.Context
}

// long is a lease that does not end while a test runs.
const long = 10 * time.Minute

// ok ends the test when err is not nil.
func (s *suite) ok(err error, format string, args ...any) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// fails complains unless err has one of the codes.
func (s *suite) fails(err error, codes []mft.Code, format string, args ...any) {
	s.Helper()
	if !slices.Contains(codes, mft.CodeOf(err)) {
		s.Errorf("%s: error %v, want code %q", fmt.Sprintf(format, args...), err, codes)
	}
}

// refused complains unless err has a code that says what is wrong.
func (s *suite) refused(err error, format string, args ...any) {
	s.Helper()
	var known *mft.Error
	if !errors.As(err, &known) || !mft.CodeOf(err).Known() || mft.CodeOf(err) == mft.CodeOther {
		s.Errorf("%s: error %v, want one with a code", fmt.Sprintf(format, args...), err)
	}
}

func only(codes ...mft.Code) []mft.Code { return codes }

// block is the length of all blocks but the last of the objects of a test.
func (s *suite) block() int { return max(s.A.Sizes.MinBlock, 4<<10) }

// content makes n bytes, others for each seed.
func content(seed uint64, n int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(p) // never fails
	return p
}

// stage stages a whole object, the last block first.
func (s *suite) stage(x exchange.Exchange, name string, whole []byte) (blocks int) {
	s.Helper()
	size := s.block()
	blocks = (len(whole) + size - 1) / size
	for i := range slices.Backward(make([]struct{}, blocks)) {
		s.ok(x.Container.Stage(s.ctx, name, i, whole[i*size:min(len(whole), (i+1)*size)]), "Stage(%q, %d)", name, i)
	}
	return blocks
}

// publish stages and publishes an object of n bytes and returns them.
func (s *suite) publish(x exchange.Exchange, name string, seed uint64, n int) []byte {
	s.Helper()
	whole := content(seed, n)
	s.ok(x.Container.Publish(s.ctx, name, s.stage(x, name, whole)), "Publish(%q)", name)
	return whole
}

// grant grants an object for a time that does not end while the test runs.
func (s *suite) grant(x exchange.Exchange, name string) string {
	s.Helper()
	g, err := x.Container.Grant(s.ctx, name, exchange.MaxGrant)
	s.ok(err, "Grant(%q)", name)
	return g.Ref
}

// holds complains unless the object has this content.
func (s *suite) holds(r exchange.Reader, ref string, want []byte) {
	s.Helper()
	got := make([]byte, len(want))
	s.ok(r.Read(s.ctx, ref, 0, got), "Read(%d bytes)", len(got))
	if !bytes.Equal(got, want) {
		s.Errorf("Read returned other content than was published")
	}
	s.fails(r.Read(s.ctx, ref, int64(len(want)), make([]byte, 1)), only(mft.CodeNotFound), "Read of one byte behind the end")
}

// list returns the objects of a container by name.
func (s *suite) list(x exchange.Exchange) map[string]exchange.Object {
	s.Helper()
	out := map[string]exchange.Object{}
	s.ok(x.Container.List(s.ctx, func(o exchange.Object) bool {
		if _, again := out[o.Name]; again {
			s.Errorf("List: %q came twice", o.Name)
		}
		out[o.Name] = o
		return true
	}), "List")
	return out
}
