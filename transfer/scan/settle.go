package scan

import (
	"context"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// tick is longer than the clock by which any kernel stamps files stands still:
// up to 10 ms on Linux, 15.6 ms on Windows.
const tick = 25 * time.Millisecond

// Settle waits until a change of the file that id describes can no longer go
// unnoticed, at most 25 ms. Read afterwards, and the file is what id says, if
// its identity after reading is still equal to id.
//
// The reason: kernels stamp files with a clock that moves in ticks. Suppose a
// file is written, looked at, and written again within one tick: the second
// change leaves the same times, perhaps the same size, and so the same
// identity. A change that comes a tick after the last one always shows. So
// when the last change that id tells of is younger than a tick, content must
// not be read yet. Changes between the look and the end of the wait may go
// unnoticed, but they are over before reading begins; changes during reading
// show.
//
// The time of change (CTime) is what counts, since nobody can set it; where
// there is none the time of modification does. A time in the future, by a
// clock that was set or of another host, costs no more than one full wait. On
// network file systems the clocks of two hosts are compared: keep them in
// step.
//
// One exception remains on every system: a process that writes through a
// shared memory mapping changes content without changing times until the
// kernel notices, which may be after the file is closed here. The content that
// was read is what is verified and delivered, but it may be a mixture.
//
// Now is the clock; waiting ends early with CodeCancelled when ctx does.
func (s *Source) Settle(ctx context.Context, id confine.Identity, now func() time.Time) error {
	wait := settleDelay(id, now())
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return mft.Fail(mft.CodeCancelled, "wait for", s.Path, context.Cause(ctx))
	}
}

// settleDelay returns how long to wait from now on before the file may be
// read.
func settleDelay(id confine.Identity, now time.Time) time.Duration {
	changed := id.CTime
	if changed == 0 {
		changed = id.MTime
	}
	// The look was not before the change, so a tick from now is always
	// enough.
	return min(tick, tick-now.Sub(time.Unix(0, changed)))
}
