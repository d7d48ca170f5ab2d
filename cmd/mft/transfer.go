package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/show"
)

func newTransfer(s *shell) *cobra.Command {
	return argument.Group("transfer", "List transfers, look at one, or change its course", "",
		newTransferList(s),
		newTransferShow(s),
		newAction(s, localapi.ActionCancel, "End transfers at both ends", false,
			"Partial files are removed; what was delivered stays."),
		newAction(s, localapi.ActionPause, "Stop transfers until they are resumed", false,
			"What has been moved is kept. The pause outlasts a restart of the agent."),
		newAction(s, localapi.ActionResume, "Go on with paused transfers", false,
			"A waiting transfer tries again at once."),
		newAction(s, localapi.ActionRetry, "Start transfers again that ended", true,
			"Each becomes a new transfer, whose id is printed."),
		newTransferID(s),
	)
}

func newTransferID(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "id",
		Short: "Make an id for --id of copy and req",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			id, err := localapi.NewID()
			if err != nil {
				return err
			}
			return s.print(id, func() { s.printf("%s\n", id) })
		},
	}
}

func newTransferList(s *shell) *cobra.Command {
	var states []string
	var filter localapi.Filter
	var peer string
	c := &cobra.Command{
		Use:   "list",
		Short: "List transfers, the newest first",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range states {
				state := mft.State(name)
				if !slices.Contains(mft.States(), state) {
					return exit.Misused("there is no state %q; the states are %v", name, mft.States())
				}
				filter.States = append(filter.States, state)
			}
			if filter.Limit < 1 {
				return exit.Misused("--limit %d is less than 1", filter.Limit)
			}
			filter.Peer = mft.AgentName(peer)
			client, err := s.client()
			if err != nil {
				return err
			}
			rows, err := client.Transfers(c.Context(), filter)
			if err != nil {
				return err
			}
			return s.print(rows, func() { show.Transfers(s.out, rows) })
		},
	}
	f := c.Flags()
	f.StringSliceVar(&states, "state", nil, "only those in `STATE`, such as waiting or failed; may be repeated")
	f.StringVar(&peer, "peer", "", "only those with agent `NAME`")
	f.StringVar(&filter.Channel, "channel", "", "only those of channel `NAME`")
	f.IntVar(&filter.Limit, "limit", 50, "at most `N`")
	completeWith(c, "peer", s.completePeers())
	return c
}

func newTransferShow(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a transfer with everything that happened to it on this host",
		Long: "Show a transfer with everything that happened to it on this host.\n\n" +
			"On the receiving host the commands follow that ran because of it, with their\nexit status; --json has what they wrote.",
		Args:              argument.Takes(1, 1, "ID"),
		ValidArgsFunction: s.completeTransfers(false),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := mft.ParseTransferID(args[0])
			if err != nil {
				return err
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			detail, err := client.Transfer(c.Context(), id)
			if err != nil {
				return err
			}
			return s.print(detail, func() { show.Transfer(s.out, detail) })
		},
	}
}

func newAction(s *shell, action localapi.Action, short string, ended bool, long string) *cobra.Command {
	return &cobra.Command{
		Use:               string(action) + " ID…",
		Short:             short,
		Long:              short + ".\n\n" + long,
		Args:              argument.Takes(1, -1, "the ID of a transfer"),
		ValidArgsFunction: s.completeTransfers(ended),
		RunE: func(c *cobra.Command, args []string) error {
			var ids []mft.TransferID
			for _, arg := range args {
				id, err := mft.ParseTransferID(arg)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return s.act(c, action, ids)
		},
	}
}

// act does action to each transfer, and does not stop at one that refuses.
func (s *shell) act(c *cobra.Command, action localapi.Action, ids []mft.TransferID) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	var rows []localapi.Transfer
	var each []exit.Status
	for _, id := range ids {
		row, err := client.Act(c.Context(), id, action)
		each = append(each, exit.Of(err))
		if err != nil {
			exit.Complain(s.errs, err)
			if errors.Is(err, &mft.Error{Code: mft.CodeNotRunning}) {
				break
			}
			continue
		}
		rows = append(rows, row)
		if !s.json {
			s.printf("%s\n", done(action, id, row))
		}
	}
	if s.json {
		if err := s.print(rows, nil); err != nil {
			return err
		}
	}
	if status := exit.Together(each); status != exit.OK {
		return exit.Ended{Status: status}
	}
	return nil
}

func done(action localapi.Action, id mft.TransferID, row localapi.Transfer) string {
	if action == localapi.ActionRetry {
		return fmt.Sprintf("%s is tried again as %s", id, row.ID)
	}
	return fmt.Sprintf("%s is %s", id, row.State)
}
