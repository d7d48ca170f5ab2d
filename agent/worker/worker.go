package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer/throttle"
)

// A Seat is what a worker is for: the first thing that it is told, by the supervisor.
type Seat struct {
	// Name is for people.
	Name string
	// Read and Write are the directories, absolute and clean. With "/" among them there
	// is no wall around files but the user's own rights.
	Read, Write []string
	// User is who the process has been made.
	UID, GID uint32
	Groups   []uint32
}

// The messages of the supervisor.
const (
	KindSeat   = 1 // Seat
	KindErrand = 2 // with the connection of an errand
)

// IdleAfter is how long a worker stays that has nothing to do.
const IdleAfter = 15 * time.Second

// Main is the life of the process: it hears the supervisor on a socket, raises its
// walls, and does errands until the supervisor closes that or nothing was to do for
// a while.
func Main(ctx context.Context, socket *os.File, log *slog.Logger) error {
	conn, err := post.Open(socket)
	if err != nil {
		return mft.Fail(mft.CodeInternal, "start a worker", "", err)
	}
	defer conn.Close()
	m, err := conn.Receive()
	var seat Seat
	if err == nil && m.Kind != KindSeat {
		err = errors.New("no seat came")
	}
	if err == nil {
		err = plain.Parse(m.Payload, &seat)
	}
	if err != nil {
		return mft.Fail(mft.CodeInternal, "start a worker", "", err)
	}
	report, err := restrict.Apply(seat.Policy())
	if err != nil {
		return err
	}
	log.Info("a worker starts", "for", seat.Name, "walls", report.String())
	return seat.serve(ctx, conn)
}

// Policy is what the process of a seat may do.
func (s *Seat) Policy() restrict.Policy {
	p := restrict.Worker(s.Read, s.Write)
	p.User = &restrict.User{UID: s.UID, GID: s.GID, Groups: s.Groups}
	p.Optional = []string{"/etc/passwd", "/etc/group"} // owners have names
	for _, dir := range append(s.Read, s.Write...) {
		p.AllFiles = p.AllFiles || dir == "/"
	}
	if s.UID == 0 {
		p.Keep = OwnersCapabilities()
	}
	return p
}

// OwnersCapabilities are those with which root gives files away and reads those of
// others: CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID.
func OwnersCapabilities() []int { return []int{0, 1, 2, 3, 4} }

// serve does errands as they come.
func (s *Seat) serve(ctx context.Context, conn *post.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	var errands sync.WaitGroup
	defer errands.Wait()
	defer cancel()
	pace := throttle.New(nil, time.Now) // this process is that of one channel, or sends at no pace
	idle := &idling{leave: func() { conn.Close() }}
	idle.ended(0)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for {
		m, err := conn.Receive()
		if err != nil {
			return nil // the supervisor has ended, or there was nothing to do
		}
		if m.Kind != KindErrand || m.File == nil {
			return mft.Fail(mft.CodeInternal, "hear the supervisor", "", fmt.Errorf("message %d makes no sense", m.Kind))
		}
		there, err := post.Open(m.File)
		if err != nil {
			return mft.Fail(mft.CodeInternal, "hear the supervisor", "", err)
		}
		idle.begun()
		errands.Go(func() {
			defer idle.ended(1)
			s.do(ctx, errand.New(there), pace)
		})
	}
}

// An idling leaves when nothing was begun for a while.
type idling struct {
	leave func()

	mu    sync.Mutex
	open  int
	timer *time.Timer
}

func (i *idling) begun() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open++
	i.timer.Stop()
}

// ended counts n errands less.
func (i *idling) ended(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open -= n; i.open > 0 {
		return
	}
	if i.timer == nil {
		i.timer = time.AfterFunc(IdleAfter, i.rest)
		return
	}
	i.timer.Reset(IdleAfter)
}

func (i *idling) rest() {
	i.mu.Lock()
	open := i.open
	i.mu.Unlock()
	if open == 0 {
		i.leave()
	}
}

func doneWith(receipt mft.Receipt, signed *protocol.Envelope) errand.Done {
	done := errand.Done{Receipt: &receipt}
	if signed != nil {
		done.Envelope = protocol.AppendEnvelope(nil, signed)
	}
	return done
}
