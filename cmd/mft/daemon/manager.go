package daemon

import (
	"context"
	"net"
	"strconv"
	"time"
)

// notify tells the service manager of a change of state, if there is one that
// wants to know (sd_notify(3)).
func (o Options) notify(state string) {
	name := o.Env("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	if name[0] == '@' {
		name = "\x00" + name[1:] // of the abstract name space
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err == nil {
		defer conn.Close()
		_, err = conn.Write([]byte(state))
	}
	if err != nil {
		o.Log.Warn("cannot tell the service manager", "state", state, "err", err)
	}
}

// watchdog tells the service manager at half the time that it asks for
// (sd_watchdog_enabled(3)) that the process works, until ctx ends: that look has
// returned, whatever it saw. One that hangs has the process killed.
func (o Options) watchdog(ctx context.Context, look func(context.Context)) {
	us, err := strconv.ParseInt(o.Env("WATCHDOG_USEC"), 10, 64)
	if err != nil || us < 2 {
		return
	}
	every := time.Duration(us) * time.Microsecond / 2
	again := time.NewTicker(every)
	defer again.Stop()
	for {
		asked, cancel := context.WithTimeout(ctx, every)
		look(asked)
		cancel()
		o.notify("WATCHDOG=1")
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}
