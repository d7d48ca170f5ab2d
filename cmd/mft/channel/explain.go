package channel

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/cmd/mft/show"
)

// Explain returns `mft explain`.
func Explain(s Shell) *cobra.Command {
	most := 10
	c := &cobra.Command{
		Use:   "explain CHANNEL [FILE]",
		Short: "Say why a channel runs or waits, and why each file moves or does not",
		Long: `Say what a channel waits for, and for each file at its source whether a run
would send it now, and why not if it would not. The agent decides as a run
does, and sends nothing. FILE is a path on this host, or one below the source
of the channel; without it all files are counted by reason, and some of each
are named.`,
		Example: `  mft explain finance-nightly
  mft explain finance-nightly /srv/out/report.csv`,
		Args:              argument.Takes(1, 2, "the name of a channel, and at most one FILE"),
		ValidArgsFunction: s.Names,
		RunE: func(c *cobra.Command, args []string) error {
			if most < 1 || most > 1000 {
				return exit.Misused("--most %d is not a number from 1 to 1000", most)
			}
			file := ""
			if len(args) > 1 {
				file = args[1]
			}
			e, err := ask(s, func(client channel.Client) (channel.Explanation, error) {
				return client.Explain(c.Context(), args[0], file, most)
			})
			if err != nil {
				return err
			}
			return s.Print(e, func() { explained(s.Out, e, file != "", time.Now()) })
		},
	}
	c.Flags().IntVar(&most, "most", most, "name at most `N` files for each reason")
	return c
}

// explained writes what a run would do, and what the channel waits for.
func explained(w io.Writer, e channel.Explanation, one bool, now time.Time) {
	waits := show.OrDash(e.Channel.Waits)
	if !e.Channel.Since.IsZero() {
		waits += ", since " + at(e.Channel.Since, now)
	}
	fmt.Fprintf(w, "channel %s is %s and waits: %s\n", e.Channel.Name, e.Channel.Phase, waits)
	for _, t := range e.Channel.Triggers {
		if t.Today != "" {
			fmt.Fprintf(w, "%s %s does not fire today: today is %s\n", t.Kind, t.Text, t.Today)
		}
		if !t.Due.IsZero() {
			fmt.Fprintf(w, "the next run is due by %s %s, %s\n", t.Kind, t.Text, at(t.Due, now))
		}
	}
	for _, m := range e.Channel.Markers {
		if m.Kind == mft.MarkerBlock && m.There != nil && *m.There {
			fmt.Fprintf(w, "the block marker %s is there\n", progress.Plain(m.Path))
		}
	}
	if !one {
		fmt.Fprintf(w, "a run would send %s, %s\n", progress.Items(e.Files), progress.Bytes(e.Bytes))
	}
	if e.Channel.Limited || e.Channel.Limit > 0 {
		fmt.Fprintf(w, "it may send: %s\n", bandwidth(e.Channel, now))
	}
	if after := afterwards(e.Channel); after != "" {
		fmt.Fprintln(w, after)
	}
	if e.Channel.Problem != nil {
		fmt.Fprintf(w, "problem: %s\n", sentence(e.Channel.Problem))
	}
	for _, r := range e.Reasons {
		fmt.Fprintf(w, "\n%s, because %s: %s, %s\n", moves(r), r.Why, progress.Items(r.Files), progress.Bytes(r.Bytes))
		show.Table(w, func(w io.Writer) {
			for _, f := range r.First {
				fmt.Fprintf(w, "  %s\t%s\t%s\n", progress.Plain(string(f.Path)), progress.Bytes(f.Bytes), about(f, now))
			}
		})
		if more := r.Files - int64(len(r.First)); more > 0 {
			fmt.Fprintf(w, "  and %d more\n", more)
		}
	}
}

func moves(r channel.Reason) string {
	if r.Moves {
		return "moves"
	}
	return "does not move"
}

// about says what else there is to know of a file.
func about(f channel.File, now time.Time) string {
	var text []string
	add := func(format string, args ...any) { text = append(text, fmt.Sprintf(format, args...)) }
	if f.Pattern != "" {
		add("pattern %q", f.Pattern)
	}
	if f.Problem != nil {
		add("%s", sentence(f.Problem))
	}
	if !f.Until.IsZero() {
		add("has to stay the same until %s to count as arrived", at(f.Until, now))
	}
	if f.Transfer != nil {
		add("sent %s by transfer %s, which is %s", at(f.At, now), f.Transfer, show.OrDash(string(f.State)))
		if f.SentSize != f.Bytes {
			add("it had %s then", progress.Bytes(f.SentSize))
		}
		if f.State == mft.StateCancelled {
			add("it moves again when it changes, or with mft transfer retry %s", f.Transfer)
		}
	}
	return strings.Join(text, "; ")
}
