package main

import (
	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

// completions is what a shell is told when somebody presses Tab.
type completions = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

func completeWith(c *cobra.Command, flag string, f completions) {
	// The error says that there is no such flag, which is a defect that the
	// test of the completions finds.
	_ = c.RegisterFlagCompletionFunc(flag, f)
}

// completePeers proposes the names of known peers; without an agent, none.
func (s *shell) completePeers(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	client, err := s.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := quick(c.Context())
	defer cancel()
	peers, err := client.Peers(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, p := range peers {
		names = append(names, string(p.Name))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeTransfers proposes the transfers to which an action applies.
func (s *shell) completeTransfers(ended bool) completions {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		client, err := s.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := quick(c.Context())
		defer cancel()
		var filter localapi.Filter
		for _, state := range mft.States() {
			if state.Terminal() == ended {
				filter.States = append(filter.States, state)
			}
		}
		rows, err := client.Transfers(ctx, filter)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		for _, row := range rows {
			ids = append(ids, row.ID.String()+"\t"+string(row.State)+" "+string(row.Peer))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
