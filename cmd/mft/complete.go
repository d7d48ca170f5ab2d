package main

import (
	"context"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

// completions is what a shell is told when somebody presses Tab.
type completions = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

func completeWith(c *cobra.Command, flag string, f completions) {
	// The error says that there is no such flag: TestCompletions finds that.
	_ = c.RegisterFlagCompletionFunc(flag, f)
}

// completeDirectories has flags completed by directories of this host.
func completeDirectories(c *cobra.Command, flags ...string) {
	for _, name := range flags {
		completeWith(c, name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		})
	}
}

// proposals asks the agent; without one there are none.
func (s *shell) proposals(ask func(ctx context.Context, client *localapi.Client) ([]string, error)) completions {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(c.Context(), completionTime)
		defer cancel()
		client, err := s.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, _ := ask(ctx, client) // who presses Tab wants no error
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// completePeers proposes the names of known peers.
func (s *shell) completePeers() completions {
	return s.proposals(func(ctx context.Context, client *localapi.Client) (names []string, err error) {
		peers, err := client.Peers(ctx)
		for _, p := range peers {
			names = append(names, string(p.Name))
		}
		return names, err
	})
}

// completeChannels proposes the names of channels that begin here.
func (s *shell) completeChannels() completions {
	return s.proposals(func(ctx context.Context, client *localapi.Client) (names []string, err error) {
		a, err := client.Status(ctx)
		for _, c := range a.Channels {
			names = append(names, c.Name)
		}
		return names, err
	})
}

// completeTransfers proposes transfers that have ended, or that have not.
func (s *shell) completeTransfers(ended bool) completions {
	return s.proposals(func(ctx context.Context, client *localapi.Client) (ids []string, err error) {
		var filter localapi.Filter
		for _, state := range mft.States() {
			if state.Terminal() == ended {
				filter.States = append(filter.States, state)
			}
		}
		rows, err := client.Transfers(ctx, filter)
		for _, row := range rows {
			ids = append(ids, row.ID.String()+"\t"+string(row.State)+" "+string(row.Peer))
		}
		return ids, err
	})
}
