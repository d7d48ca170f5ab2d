package faraway

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	longest = 2048    // no packet has more bytes
	aboard  = 1 << 16 // more packets than this are never under way
)

// A conveyor carries the packets of one direction.
type conveyor struct {
	shape   shaper
	in      io.Reader // every Read is a packet
	out     io.Writer // every Write is one
	passed  atomic.Int64
	dropped atomic.Int64
}

type parcel struct {
	arrival time.Time
	packet  []byte
}

// run carries until in ends, and returns when the last packet has arrived.
func (c *conveyor) run() {
	under := make(chan parcel, aboard)
	var spare sync.Pool
	var deliver sync.WaitGroup
	deliver.Go(func() {
		for p := range under {
			time.Sleep(time.Until(p.arrival))
			_, _ = c.out.Write(p.packet) // a packet that is not taken is lost
			buffer := p.packet[:longest]
			spare.Put(&buffer)
		}
	})
	for {
		buffer, ok := spare.Get().(*[]byte)
		if !ok {
			b := make([]byte, longest)
			buffer = &b
		}
		n, err := c.in.Read(*buffer)
		if err != nil {
			break
		}
		c.passed.Add(int64(n))
		arrival, ok := c.shape.admit(time.Now(), n)
		if !ok {
			c.dropped.Add(1)
			spare.Put(buffer)
			continue
		}
		under <- parcel{arrival, (*buffer)[:n]}
	}
	close(under)
	deliver.Wait()
}
