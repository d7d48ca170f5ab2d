package exchangetest

import (
	"bytes"
	"strings"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

var containerTests = []test{
	{"blocks become an object", blocksBecomeObject},
	{"a block is staged again", stagedAgain},
	{"what is not published is not read", notPublished},
	{"published for good", publishedForGood},
	{"a block is missing", blockMissing},
	{"blocks of one size", blocksOfOneSize},
	{"removed", objectRemoved},
	{"listed", objectsListed},
	{"names", objectNames},
	{"sizes", blockSizes},
	{"of each agent", containerOfEach},
	{"at the same time", containerConcurrent},
	{"several publish one", severalPublish},
}

func blocksBecomeObject(s *suite) {
	size := s.block()
	for name, n := range map[string]int{
		"one-byte": 1, "one-block": size, "a-block-and-a-byte": size + 1, "three-blocks": 3 * size, "four": 3*size + size/2,
	} {
		whole := s.publish(s.A, name, 1, n)
		ref := s.grant(s.A, name)
		s.holds(s.B.Reader, ref, whole)
		s.holds(s.Twin.Reader, ref, whole)
		s.holds(s.A.Reader, ref, whole)
	}
}

func stagedAgain(s *suite) {
	size := s.block()
	whole := content(1, 2*size+7)
	blocks := s.stage(s.A, "again", content(2, len(whole)))
	s.ok(s.A.Container.Stage(s.ctx, "again", 2, content(3, size)), "Stage of a longer last block")
	s.stage(s.A, "again", whole)
	s.ok(s.A.Container.Publish(s.ctx, "again", blocks), "Publish")
	s.holds(s.B.Reader, s.grant(s.A, "again"), whole)

	// What was staged beyond the end is not part of it.
	s.stage(s.A, "shorter", whole)
	s.ok(s.A.Container.Publish(s.ctx, "shorter", 2), "Publish of the first two blocks")
	s.holds(s.B.Reader, s.grant(s.A, "shorter"), whole[:2*size])
}

func notPublished(s *suite) {
	s.stage(s.A, "half", content(1, 2*s.block()))
	for _, name := range []string{"half", "none"} {
		g, err := s.A.Container.Grant(s.ctx, name, exchange.MaxGrant)
		if err == nil { // a storage need not look before it grants
			err = s.B.Reader.Read(s.ctx, g.Ref, 0, make([]byte, 1))
		}
		s.fails(err, only(mft.CodeNotFound), "Grant or Read of %q, which is not published", name)
	}
	if o, ok := s.list(s.A)["half"]; !ok || o.Published {
		s.Errorf("List shows %+v, want an object that is not published", o)
	}
}

func publishedForGood(s *suite) {
	whole := s.publish(s.A, "good", 1, 3*s.block()-1)
	ref := s.grant(s.A, "good")
	s.ok(s.A.Container.Publish(s.ctx, "good", 3), "Publish again")
	s.ok(s.A.Container.Publish(s.ctx, "good", 3), "Publish for the third time")

	// Whatever is tried now changes nothing.
	if err := s.A.Container.Stage(s.ctx, "good", 0, content(2, s.block())); err != nil {
		s.fails(err, only(mft.CodeExists), "Stage of what is published")
	}
	s.holds(s.B.Reader, ref, whole)
	_ = s.A.Container.Publish(s.ctx, "good", 3)
	s.holds(s.B.Reader, ref, whole)
	s.fails(s.A.Container.Publish(s.ctx, "good", 1), only(mft.CodeExists), "Publish with another number of blocks")
	s.holds(s.B.Reader, ref, whole)
	s.holds(s.B.Reader, s.grant(s.A, "good"), whole)
	if o := s.list(s.A)["good"]; !o.Published || o.Size != int64(len(whole)) {
		s.Errorf("List shows %+v, want it published with %d bytes", o, len(whole))
	}
}

func blockMissing(s *suite) {
	size := s.block()
	whole := content(1, 3*size)
	for _, missing := range []int{0, 1, 2} {
		name := "missing-" + string(rune('0'+missing))
		for i := range 3 {
			if i != missing {
				s.ok(s.A.Container.Stage(s.ctx, name, i, whole[i*size:(i+1)*size]), "Stage")
			}
		}
		s.refused(s.A.Container.Publish(s.ctx, name, 3), "Publish without block %d", missing)
		if s.list(s.A)[name].Published {
			s.Errorf("without block %d it was published", missing)
		}
		s.ok(s.A.Container.Stage(s.ctx, name, missing, whole[missing*size:(missing+1)*size]), "Stage of what is missing")
		s.ok(s.A.Container.Publish(s.ctx, name, 3), "Publish when block %d is there", missing)
		s.holds(s.B.Reader, s.grant(s.A, name), whole)
	}
	s.refused(s.A.Container.Publish(s.ctx, "never", 1), "Publish of what was never staged")
	s.refused(s.A.Container.Publish(s.ctx, "missing-0", 0), "Publish of no blocks")
}

// blocksOfOneSize publishes what breaks the rule: it may be refused, or become
// the blocks one after the other.
func blocksOfOneSize(s *suite) {
	size := s.block()
	a, b := content(1, size), content(2, size+1)
	s.ok(s.A.Container.Stage(s.ctx, "uneven", 0, a), "Stage")
	s.ok(s.A.Container.Stage(s.ctx, "uneven", 1, b), "Stage")
	if err := s.A.Container.Publish(s.ctx, "uneven", 2); err != nil {
		s.refused(err, "Publish")
		return
	}
	s.holds(s.B.Reader, s.grant(s.A, "uneven"), append(a, b...))
}

func objectRemoved(s *suite) {
	size := s.block()
	s.publish(s.A, "gone", 1, 2*size)
	s.stage(s.A, "half", content(2, 2*size))
	ref := s.grant(s.A, "gone")
	for range 2 {
		for _, name := range []string{"gone", "half", "never"} {
			s.ok(s.A.Container.Remove(s.ctx, name), "Remove(%q)", name)
		}
	}
	s.fails(s.B.Reader.Read(s.ctx, ref, 0, make([]byte, 1)), only(mft.CodeNotFound), "Read of what was removed")
	if got := s.list(s.A); len(got) != 0 {
		s.Errorf("List after all was removed: %v", got)
	}
	s.refused(s.A.Container.Publish(s.ctx, "half", 2), "Publish of what was removed")
	whole := s.publish(s.A, "gone", 3, size+1)
	s.holds(s.B.Reader, s.grant(s.A, "gone"), whole)
}

func objectsListed(s *suite) {
	if got := s.list(s.A); len(got) != 0 {
		s.Fatalf("List of an empty container: %v", got)
	}
	want := map[string]int64{}
	for i := range 7 {
		name := "object-" + string(rune('a'+i))
		want[name] = int64(s.block() + i)
		s.publish(s.A, name, 1, s.block()+i)
	}
	s.stage(s.A, "staged", content(1, 10))
	s.stage(s.A, "object", content(1, 10)) // the beginning of other names
	got := s.list(s.A)
	if len(got) != len(want)+2 || got["staged"].Published || got["object"].Published {
		s.Errorf("List: %v, want %d objects and two that are not published", got, len(want))
	}
	for name, size := range want {
		o := got[name]
		if o.Name != name || !o.Published || o.Size != size || o.Changed.IsZero() {
			s.Errorf("List: %+v, want %q with %d bytes and a time", o, name, size)
		}
		if first := got["object-a"].Changed; o.Changed.Before(first) {
			s.Errorf("List: %q was changed at %v, before the first one at %v", name, o.Changed, first)
		}
	}
	n := 0
	s.ok(s.A.Container.List(s.ctx, func(exchange.Object) bool { n++; return n < 3 }), "List of three")
	if n != 3 {
		s.Errorf("List went on after yield returned false: %d calls, want 3", n)
	}
}

func objectNames(s *suite) {
	size := s.block()
	for _, name := range []string{"a", "-", "0-9", "a--b", strings.Repeat("n", exchange.MaxName), strings.Repeat("n", exchange.MaxName-1)} {
		whole := s.publish(s.A, name, uint64(len(name)), size+1)
		s.holds(s.B.Reader, s.grant(s.A, name), whole)
	}
	for _, name := range []string{
		"", ".", "..", "a/b", "../a", "a.b", "A", "ü", "a b", "a\x00", "a\\b", "a%2fb", "a?b", "a#b", strings.Repeat("n", exchange.MaxName+1),
	} {
		bad := only(mft.CodeBadName)
		s.fails(s.A.Container.Stage(s.ctx, name, 0, []byte("x")), bad, "Stage(%q)", name)
		s.fails(s.A.Container.Publish(s.ctx, name, 1), bad, "Publish(%q)", name)
		_, err := s.A.Container.Grant(s.ctx, name, s.Life)
		s.fails(err, bad, "Grant(%q)", name)
		s.fails(s.A.Container.Remove(s.ctx, name), bad, "Remove(%q)", name)
	}
	if got := s.list(s.A); len(got) != 6 {
		s.Errorf("List: %d objects, want 6", len(got))
	}
}

func blockSizes(s *suite) {
	sizes := s.A.Sizes
	if sizes.MinBlock < 0 || sizes.MaxBlock < 8<<20 || sizes.MinBlock > 8<<20 || sizes.MaxBlocks < 10_000 {
		s.Errorf("Sizes are %+v: parcels want blocks of 8 MiB, and 10,000 of them", sizes)
	}
	tooLarge := only(mft.CodeTooLarge)
	s.fails(s.A.Container.Stage(s.ctx, "far", -1, []byte("x")), tooLarge, "Stage of block -1")
	s.fails(s.A.Container.Stage(s.ctx, "far", sizes.MaxBlocks, []byte("x")), tooLarge, "Stage of block %d", sizes.MaxBlocks)
	s.fails(s.A.Container.Stage(s.ctx, "far", 0, nil), only(mft.CodeUsage), "Stage of nothing")
	if sizes.MaxBlock <= 64<<20 {
		s.fails(s.A.Container.Stage(s.ctx, "far", 0, make([]byte, sizes.MaxBlock+1)), tooLarge, "Stage of a byte too much")
	}
	if got := s.list(s.A); len(got) != 0 {
		s.Errorf("List after what was refused: %v", got)
	}
	s.ok(s.A.Container.Stage(s.ctx, "far", sizes.MaxBlocks-1, []byte("x")), "Stage of the last block that there may be")
	s.ok(s.A.Container.Stage(s.ctx, "large", 0, make([]byte, 8<<20)), "Stage of 8 MiB")
	s.ok(s.A.Container.Publish(s.ctx, "large", 1), "Publish of 8 MiB")
	s.holds(s.B.Reader, s.grant(s.A, "large"), make([]byte, 8<<20))
}

func containerOfEach(s *suite) {
	a := s.publish(s.A, "same", 1, 100)
	b := s.publish(s.B, "same", 2, 100)
	refA, refB := s.grant(s.A, "same"), s.grant(s.Twin, "same")
	if bytes.Equal(a, b) || refA == refB {
		s.Fatal("two objects are one")
	}
	s.holds(s.B.Reader, refA, a)
	s.holds(s.A.Reader, refB, b)
	s.ok(s.B.Container.Remove(s.ctx, "same"), "Remove")
	s.holds(s.B.Reader, refA, a)
	if got := s.list(s.B); len(got) != 0 {
		s.Errorf("List of B after its object was removed: %v", got)
	}
}

// containerConcurrent publishes several objects while others read whatever is
// listed as published: all of that is whole.
func containerConcurrent(s *suite) {
	const objects, blocks = 4, 4
	size := s.block()
	whole := content(1, blocks*size)
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for o := range objects {
		name := "object-" + string(rune('a'+o))
		writers.Go(func() {
			var staged sync.WaitGroup
			for i := range blocks {
				staged.Go(func() {
					if err := s.A.Container.Stage(s.ctx, name, i, whole[i*size:(i+1)*size]); err != nil {
						s.Errorf("Stage: %v", err)
					}
				})
			}
			staged.Wait()
			for range 2 { // at the same time as another
				staged.Go(func() {
					if err := s.A.Container.Publish(s.ctx, name, blocks); err != nil {
						s.Errorf("Publish: %v", err)
					}
				})
			}
			staged.Wait()
		})
	}
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					s.wholeOrNothing(whole)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	s.wholeOrNothing(whole)
	if got := s.list(s.A); len(got) != objects {
		s.Errorf("List: %d objects, want %d", len(got), objects)
	}
}

// severalPublish has two processes of B stage and publish one object at once, each
// with other content: whatever each of them reads once it is published, all read.
func severalPublish(s *suite) {
	const objects, goroutines, blocks = 8, 3, 2
	size := s.block()
	for o := range objects {
		name := "object-" + string(rune('a'+o))
		read := make([][]byte, 2*goroutines)
		var all sync.WaitGroup
		for i := range read {
			all.Go(func() {
				x := []exchange.Exchange{s.B, s.Twin}[i%2]
				for s.ctx.Err() == nil {
					for b := range blocks { // either may fail because another was faster
						_ = x.Container.Stage(s.ctx, name, b, content(uint64(i), size))
					}
					_ = x.Container.Publish(s.ctx, name, blocks)
					if read[i] = s.published(x, name, blocks*size); read[i] != nil {
						return
					}
				}
			})
		}
		all.Wait()
		for i, x := range []exchange.Exchange{s.B, s.Twin} {
			if now := s.published(x, name, blocks*size); now == nil || !bytes.Equal(now, read[i]) {
				s.Errorf("what process %d has published changed", i)
			}
		}
		for i := range read {
			if !bytes.Equal(read[i], read[0]) {
				s.Fatalf("writer %d reads something else than writer 0", i)
			}
		}
	}
}

// published returns the content of an object, nothing when it is not published yet.
func (s *suite) published(x exchange.Exchange, name string, size int) []byte {
	g, err := x.Container.Grant(s.ctx, name, exchange.MaxGrant)
	p := make([]byte, size)
	if err == nil {
		err = s.A.Reader.Read(s.ctx, g.Ref, 0, p)
	}
	if err != nil {
		s.fails(err, only(mft.CodeNotFound), "Grant or Read of %q", name)
		return nil
	}
	return p
}

// wholeOrNothing reads every published object of A.
func (s *suite) wholeOrNothing(want []byte) {
	err := s.A.Container.List(s.ctx, func(o exchange.Object) bool {
		if !o.Published {
			return true
		}
		g, err := s.A.Container.Grant(s.ctx, o.Name, exchange.MaxGrant)
		if err != nil {
			s.Errorf("Grant of a published object: %v", err)
			return false
		}
		got := make([]byte, len(want))
		if err := s.B.Reader.Read(s.ctx, g.Ref, 0, got); err != nil || o.Size != int64(len(want)) || !bytes.Equal(got, want) {
			s.Errorf("a published object with %d bytes is not whole: %v", o.Size, err)
		}
		return true
	})
	if err != nil {
		s.Errorf("List: %v", err)
	}
}
