package bundle

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
)

// peer is the other end of a bundle of two, of which the test says every byte.
type peer struct {
	t     *testing.T
	conns []net.Conn
}

func (p *peer) say(i int, parts ...[]byte) {
	p.t.Helper()
	if _, err := p.conns[i].Write(slices.Concat(parts...)); err != nil {
		p.t.Errorf("writing to connection %d: %v", i, err)
	}
}

func segment(offset uint64, content string) []byte {
	return append(appendHeader(nil, header{offset, len(content)}), content...)
}

func end(offset uint64) []byte { return appendHeader(nil, header{offset: offset}) }

// play opens an end that accepts and has a peer talk to it.
func play(t *testing.T, script func(p *peer)) (got []byte, err error) {
	t.Helper()
	dialled, accepted := wires(t, 2)
	p := &peer{t: t, conns: dialled}
	var talk sync.WaitGroup
	talk.Go(func() { script(p) })
	defer talk.Wait()
	b, err := Open(t.Context(), Terms{Streams: 2, Peer: "peer"}, from(accepted))
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if err := b.SetReadDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, net.ErrClosed) {
		return nil, err
	}
	return io.ReadAll(b)
}

// greets says hello on both connections.
func (p *peer) greets() {
	p.say(0, greeting(0, 2))
	p.say(1, greeting(1, 2))
}

func TestOrder(t *testing.T) {
	for name, script := range map[string]func(p *peer){
		"in turn": func(p *peer) {
			p.say(0, segment(0, "abc"))
			p.say(1, segment(3, "def"), end(6))
			p.say(0, end(6))
		},
		"the last first": func(p *peer) {
			p.say(1, segment(2, "cd"), segment(5, "f"), end(6))
			p.say(0, segment(0, "ab"), segment(4, "e"), end(6))
		},
		"all on one, byte by byte": func(p *peer) {
			for _, c := range slices.Concat(segment(0, "abcdef"), end(6)) {
				p.say(1, []byte{c})
			}
			p.say(0, end(6))
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := play(t, func(p *peer) {
				p.greets()
				script(p)
			})
			if string(got) != "abcdef" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

// A connection that joins when others have said goodbye still brings what was
// sent on it.
func TestLateJoin(t *testing.T) {
	got, err := play(t, func(p *peer) {
		p.say(0, greeting(1, 2), segment(3, "def"), end(6))
		p.say(1, greeting(0, 2), segment(0, "abc"), end(6))
	})
	if string(got) != "abcdef" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestHostilePeer(t *testing.T) {
	long := func(size uint32) []byte {
		return append(make([]byte, 8), byte(size>>24), byte(size>>16), byte(size>>8), byte(size))
	}
	for _, tt := range []struct {
		name   string
		script func(p *peer)
		want   mft.Code
	}{
		{"greets with something else", func(p *peer) { p.greets0(); p.say(1, []byte("GET ")) }, mft.CodeProtocol},
		{"another version", func(p *peer) { p.greets0(); p.say(1, []byte{'b', 2, 1, 2}) }, mft.CodeProtocol},
		{"an index twice", func(p *peer) { p.greets0(); p.say(1, greeting(0, 2)) }, mft.CodeProtocol},
		{"an index beyond", func(p *peer) { p.greets0(); p.say(1, greeting(2, 2)) }, mft.CodeProtocol},
		{"another number of connections", func(p *peer) { p.greets0(); p.say(1, greeting(1, 3)) }, mft.CodeProtocol},
		{"too long", func(p *peer) { p.greets(); p.say(0, long(segmentMax+1)) }, mft.CodeProtocol},
		{"as long as can be said", func(p *peer) { p.greets(); p.say(1, long(1<<32-1)) }, mft.CodeProtocol},
		{"at a place that no stream has", func(p *peer) { p.greets(); p.say(0, segment(1<<63, "x")) }, mft.CodeProtocol},
		{"far ahead", func(p *peer) { p.greets(); p.say(0, segment(aheadMax+1, "x")) }, mft.CodeProtocol},
		{"a gap", func(p *peer) {
			p.greets()
			p.say(0, segment(1, "x"))
			p.say(1, segment(2, "y"))
		}, mft.CodeProtocol},
		{"a gap, and goodbye", func(p *peer) {
			p.greets()
			p.say(0, segment(1, "x"), end(2))
			p.say(1, end(2))
		}, mft.CodeProtocol},
		{"the same again", func(p *peer) { p.greets(); p.say(0, segment(0, "abc"), segment(0, "abc")) }, mft.CodeProtocol},
		{"the same on two", func(p *peer) {
			p.greets()
			p.say(0, segment(0, "abc"), segment(3, "d"))
			p.say(1, segment(2, "x"))
		}, mft.CodeProtocol},
		{"goes on after the end", func(p *peer) {
			p.greets()
			p.say(0, end(1))
			p.say(1, segment(0, "abc"))
		}, mft.CodeProtocol},
		{"ends in two places", func(p *peer) {
			p.greets()
			p.say(0, end(3))
			p.say(1, end(4))
		}, mft.CodeProtocol},
		{"ends before what came", func(p *peer) {
			p.greets()
			p.say(0, segment(0, "abc"), segment(3, "abc"))
			p.say(1, end(2))
		}, mft.CodeProtocol},
		{"less than it said", func(p *peer) {
			p.greets()
			p.say(0, segment(0, "abc"), end(5))
			p.say(1, end(5))
		}, mft.CodeDisconnected},
		{"is cut", func(p *peer) { p.greets(); p.say(0, segment(0, "abc")); p.conns[0].Close() }, mft.CodeDisconnected},
		{"is cut in a segment", func(p *peer) { p.greets(); p.say(0, segment(0, "abc")[:14]); p.conns[0].Close() }, mft.CodeDisconnected},
		{"is cut in a header", func(p *peer) { p.greets(); p.say(0, end(0)[:5]); p.conns[0].Close() }, mft.CodeDisconnected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := play(t, tt.script)
			wantCode(t, "Read", err, tt.want)
		})
	}
}

// greets0 says hello on one connection and something, so that the bundle is in
// use.
func (p *peer) greets0() { p.say(0, greeting(0, 2), segment(0, "abc")) }

// What one connection has waits for another only so far: then the peer is held
// back, and nothing is lost.
func TestOneStalls(t *testing.T) {
	const blocked = 4 << 20
	ahead := make(chan struct{})
	got, err := play(t, func(p *peer) {
		p.greets()
		var other sync.WaitGroup
		other.Go(func() {
			for offset := uint64(3); offset < blocked; {
				content := make([]byte, min(segmentMax, blocked-offset))
				p.say(1, appendHeader(nil, header{offset, len(content)}), content)
				if offset += uint64(len(content)); offset > 2*segmentMax {
					select {
					case <-ahead:
					default:
						close(ahead)
					}
				}
			}
			p.say(1, end(blocked))
		})
		<-ahead
		p.say(0, segment(0, "abc"), end(blocked))
		other.Wait()
	})
	if len(got) != blocked || err != nil {
		t.Errorf("%d bytes, %v; want %d", len(got), err, blocked)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(segment(5, "x"))
	f.Add(end(1 << 40))
	f.Add(bytes.Repeat([]byte{0xff}, headerSize))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < headerSize {
			return
		}
		h, err := parseHeader(in[:headerSize])
		if err != nil {
			wantCode(t, "parseHeader", err, mft.CodeProtocol)
			return
		}
		if h.size < 0 || h.size > segmentMax || h.offset+uint64(h.size) < h.offset {
			t.Errorf("parseHeader = %+v", h)
		}
		if got := appendHeader(nil, h); !bytes.Equal(got, in[:headerSize]) {
			t.Errorf("%x was read as %+v, which is written as %x", in, h, got)
		}
	})
}

func FuzzGreeting(f *testing.F) {
	f.Add(greeting(0, 2), 2)
	f.Add(greeting(7, 8), 8)
	f.Add([]byte("GET "), 3)
	f.Fuzz(func(t *testing.T, in []byte, streams int) {
		if len(in) < greetingSize || streams < 2 || streams > Max {
			return
		}
		i, err := parseGreeting(in[:greetingSize], streams)
		if err == nil && !bytes.Equal(greeting(i, streams), in[:greetingSize]) {
			t.Errorf("%x was read as %d of %d", in, i, streams)
		}
	})
}
