package channel

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/show"
)

// Groups returns `mft group` with the commands below it.
func Groups(s Shell) *cobra.Command {
	return argument.Group("group", "Look at server groups, and choose which member is active", "", s.groups(), s.use())
}

func (s Shell) groups() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the server groups of channels, and who is active",
		Long: `List the server groups of the channels that begin at this host: how the active
member of each is found, who it is, and if there is none, why not.`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := ask(s, func(client channel.Client) ([]channel.Group, error) { return client.Groups(c.Context()) })
			if err != nil {
				return err
			}
			return s.Print(list, func() { groupTable(s.Out, list) })
		},
	}
}

func (s Shell) use() *cobra.Command {
	return &cobra.Command{
		Use:   "use NAME MEMBER|auto",
		Short: "Choose the active member of a server group",
		Long: `Make a member of a server group the active one for the channels that begin at
this host, whatever its configuration finds. It stays so over restarts, until
another is chosen, or auto, which has the active member found again. A run that
is under way follows. Where channels begin at the group, choose the same on each
of its members.`,
		Args: argument.Takes(2, 2, "the name of a group, and a member or auto"),
		RunE: func(c *cobra.Command, args []string) error {
			choice := channel.Choice{Member: mft.AgentName(args[1])}
			if args[1] == "auto" {
				choice.Member = ""
			}
			list, err := ask(s, func(client channel.Client) ([]channel.Group, error) { return client.Use(c.Context(), args[0], choice) })
			if err != nil {
				return err
			}
			return s.Print(list, func() { groupTable(s.Out, list) })
		},
	}
}

func groupTable(w io.Writer, list []channel.Group) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no channel that begins at this host names a server group")
		return
	}
	show.Table(w, func(w io.Writer) {
		fmt.Fprintln(w, "GROUP\tACTIVE\tFOUND BY\tMEMBERS\tPROBLEM")
		for _, g := range list {
			by, problem := string(g.By), ""
			if g.Chosen != "" {
				by = "choice"
			}
			if g.Problem != nil {
				problem = sentence(g.Problem)
			}
			var members []string
			for _, m := range g.Members {
				members = append(members, string(m))
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", g.Name, cmp.Or(string(g.Active), "none"), by, strings.Join(members, ", "), problem)
		}
	})
}
