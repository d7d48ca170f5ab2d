package contender

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"mft.dev/mft/bench/contender/meter"
)

// limits are what this machine can do when less is asked of it.
func limits(self, root string) []*Contender {
	alone := func(argv func(Trip) []string) func(context.Context, *meter.Lap, Trip) error {
		return func(ctx context.Context, lap *meter.Lap, t Trip) error {
			args := argv(t)
			return lap.Run(ctx, exec.CommandContext(ctx, args[0], args[1:]...))
		}
	}
	return []*Contender{
		{Name: "cp", Limit: true, Root: root, run: alone(func(t Trip) []string {
			return []string{"cp", "-a", t.Source, t.Into + "/"}
		})},
		{Name: "find", Limit: true, Stays: true, Root: root, run: alone(func(t Trip) []string {
			return []string{"sh", "-c", `exec find "$1" -printf '%s %T@ %P\n' >/dev/null`, "sh", t.Source}
		})},
		{Name: "blake3", Limit: true, Stays: true, Root: root, run: alone(func(t Trip) []string {
			return []string{self, "limit-digest", t.Source}
		})},
		{Name: "tls", Limit: true, Timeless: true, Root: root, run: func(ctx context.Context, lap *meter.Lap, t Trip) error {
			return runTLS(ctx, lap, self, t)
		}},
	}
}

// runTLS starts the receiver, which says where it is, and then the sender.
func runTLS(ctx context.Context, lap *meter.Lap, self string, t Trip) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // also of a receiver that nobody sends to
	receiver := exec.CommandContext(ctx, self, "limit-receive", filepath.Join(t.Into, filepath.Base(t.Source)))
	said, err := receiver.StdoutPipe()
	if err != nil {
		return err
	}
	received := lap.Start(meter.Receiver, receiver)
	line, err := bufio.NewReader(said).ReadString('\n')
	at := strings.Fields(line)
	if err != nil || len(at) != 2 {
		cancel()
		return errors.Join(fmt.Errorf("the receiver of the TLS copy says %q", line), err, received(ctx))
	}
	err = lap.Run(ctx, exec.CommandContext(ctx, self, "limit-send", at[0], at[1], t.Source))
	if err != nil {
		cancel()
	}
	return errors.Join(err, received(ctx))
}
