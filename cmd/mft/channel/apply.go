package channel

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/applied"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/internal/confine/filesys"
)

// maxFile is how large a file of channels may be, in bytes.
const maxFile = 1 << 20

func (s Shell) plan() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Say what applying a file of channels would change, and how much would move",
		Long: `Say what mft channel apply would change, and change nothing: the channels that
are added, changed and removed, with each field that differs and the hosts
that it concerns, and how many files a run would send at once as the file has
it.`,
		Example: `  mft channel plan -f channels.yaml`,
		Args:    argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			order, err := s.fileOrder(file)
			if err != nil {
				return err
			}
			list, err := ask(s, func(client channel.Client) ([]channel.Change, error) { return client.Plan(c.Context(), order) })
			if err != nil {
				return inFile(file, err)
			}
			return s.Print(list, func() { planned(s.Out, list) })
		},
	}
	fileFlag(c, &file)
	return c
}

func (s Shell) apply() *cobra.Command {
	var file string
	var remove bool
	c := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the channels of a file those of this host's agent",
		Long: `Make the channels of a file those of this host's agent, besides those that its
own configuration file has, which it cannot change. FILE has channels: as that
file has, without exits and run_as, and is the whole list: a channel that was
applied before and is not in it is removed, if --remove allows that.

The agent takes the channels on at once and keeps them over a restart. A run
that is under way goes on as it began, but for its bandwidth; the change counts
from the next. What a channel has sent is remembered by its name and path, so a
change does not send it again.`,
		Example: `  mft channel plan -f channels.yaml
  mft channel apply -f channels.yaml`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			order, err := s.fileOrder(file)
			if err != nil {
				return err
			}
			order.Remove = remove
			list, err := ask(s, func(client channel.Client) ([]channel.Change, error) { return client.Apply(c.Context(), order) })
			if err != nil {
				return inFile(file, err)
			}
			return s.Print(list, func() {
				planned(s.Out, list)
				fmt.Fprintln(s.Out, "applied")
			})
		},
	}
	fileFlag(c, &file)
	c.Flags().BoolVar(&remove, "remove", false, "remove channels that are not in the file")
	return c
}

func fileFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "file", "f", "", "`FILE` with channels:, - for standard input")
}

// fileOrder reads a file of channels.
func (s Shell) fileOrder(file string) (o channel.FileOrder, err error) {
	in := s.In
	switch file {
	case "":
		return o, exit.Misused("which file? Say it with -f FILE")
	case "-":
	default:
		f, err := os.Open(file)
		if err != nil {
			return o, mft.Fail(mft.CodeConfig, "read channels", file, filesys.Cause(err))
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return o, mft.Fail(mft.CodeConfig, "read channels", file, filesys.Cause(err))
	}
	o.Content = opaque.String(content)
	return o, nil
}

// inFile says which file the agent found mistakes in.
func inFile(file string, err error) error {
	if mft.CodeOf(err) == mft.CodeConfig {
		return fmt.Errorf("%s: %w", file, err)
	}
	return err
}

// planned writes what becomes of channels.
func planned(w io.Writer, list []channel.Change) {
	counts := map[applied.Kind]int{}
	for _, c := range list {
		counts[c.Kind]++
		if c.Kind != applied.Same {
			change(w, c)
		}
	}
	fmt.Fprintf(w, "%d added, %d changed, %d removed, %d unchanged\n", counts[applied.Added], counts[applied.Changed], counts[applied.Removed], counts[applied.Same])
}

func change(w io.Writer, c channel.Change) {
	sign := map[applied.Kind]string{applied.Added: "+", applied.Changed: "~", applied.Removed: "-"}[c.Kind]
	if sign == "" {
		sign = " "
	}
	var hosts []string
	for _, h := range c.Hosts {
		hosts = append(hosts, string(h))
	}
	fmt.Fprintf(w, "%s %s is %s (hosts: %s)\n", sign, c.Channel, c.Kind, strings.Join(hosts, ", "))
	for _, f := range c.Fields {
		switch {
		case f.Before == "":
			fmt.Fprintf(w, "    %s: %s\n", f.Key, progress.OneLine(f.After))
		case f.After == "":
			fmt.Fprintf(w, "    %s: %s, which goes\n", f.Key, progress.OneLine(f.Before))
		default:
			fmt.Fprintf(w, "    %s: %s, before %s\n", f.Key, progress.OneLine(f.After), progress.OneLine(f.Before))
		}
	}
	if c.Kind == applied.Added || c.Kind == applied.Changed {
		if c.Problem != nil {
			fmt.Fprintf(w, "    a run would not get far: %s\n", sentence(c.Problem))
		} else {
			fmt.Fprintf(w, "    a run would send %s, %s\n", progress.Items(c.Files), progress.Bytes(c.Bytes))
		}
	}
	for _, peer := range c.Strangers {
		fmt.Fprintf(w, "    %s is no peer of this host: nothing is sent there before mft invite and mft join\n", peer)
	}
	if c.AfterRun != "" {
		fmt.Fprintf(w, "    run %s goes on as it began; this counts from the next\n", c.AfterRun)
	}
}
