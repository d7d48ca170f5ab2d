package landing

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/staging"
)

// outputAhead is how many chunks are hashed and not yet written.
const outputAhead = 4

// An output writes to the temporary file, in a goroutine of its own, so that the
// next chunk is hashed meanwhile. It takes all that is put into its queue, also
// when a write has failed: so buffers always come back.
type output struct {
	file  *staging.File
	final string // for errors
	queue chan chunk
	ended chan struct{} // the goroutine has returned
	fault chan struct{} // closed when a write has failed

	// Owned by the goroutine; read after fault, ended, or an answer to wait.
	err           error
	wrote, synced int64
	verified      int64 // end of the last good CHECK; everything before is written
}

// A chunk is one step of an output.
type chunk struct {
	at      int64
	content []byte        // written at at
	home    chan<- []byte // where the buffer goes; it has room
	good    bool          // what comes before at was verified
	reached chan<- struct{}
}

// write begins writing to a file of which everything before offset is there
// and verified.
func write(file *staging.File, final string, offset int64) *output {
	o := &output{
		file: file, final: final, wrote: offset, synced: offset, verified: offset,
		queue: make(chan chunk, outputAhead), ended: make(chan struct{}), fault: make(chan struct{}),
	}
	go o.run()
	return o
}

func (o *output) run() {
	defer close(o.ended)
	for c := range o.queue {
		if err := o.take(c); err != nil {
			o.err = err
			close(o.fault)
		}
		if c.home != nil {
			c.home <- c.content[:cap(c.content)]
		}
		if c.reached != nil {
			close(c.reached)
		}
	}
}

func (o *output) take(c chunk) error {
	switch {
	case o.err != nil:
		return nil
	case c.good:
		o.verified = c.at
		return nil
	case len(c.content) == 0:
		return nil
	}
	if _, err := o.file.WriteAt(c.content, c.at); err != nil {
		return mft.Fail(confine.CodeFor(err), "write", o.final, err)
	}
	o.wrote = c.at + int64(len(c.content))
	if o.wrote-o.synced >= writebackEvery {
		confine.StartWriteback(o.file.File, o.synced, o.wrote-o.synced)
		o.synced = o.wrote
	}
	return nil
}

// put queues a chunk. Its error is that of an earlier one.
func (o *output) put(ctx context.Context, c chunk) error {
	select {
	case <-o.fault:
		return o.err
	default:
	}
	select {
	case o.queue <- c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns when everything that was put is written.
func (o *output) wait(ctx context.Context) error {
	reached := make(chan struct{})
	if err := o.put(ctx, chunk{reached: reached}); err != nil {
		return err
	}
	<-reached
	return o.err
}

// stop ends the goroutine, and returns the error that put has not returned.
func (o *output) stop() error {
	close(o.queue)
	<-o.ended
	return o.err
}
