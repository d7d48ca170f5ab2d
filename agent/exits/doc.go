// Package exits runs commands on the receiving host because of transfers: before
// one is accepted, for each file that was delivered, and when one has failed.
//
//	runner, err := exits.New(exits.Config{Rules: rules, Agent: name, Journal: j, Log: log, Now: now})
//	err = runner.Admit(ctx, offer, landing) // first offer, before it is accepted
//	err = runner.Watch(tx, transfer)        // in the transaction that accepts it
//	err = runner.Run(ctx)                   // everything else, until ctx ends
//
// What is promised. What a transfer delivers is noted in the transaction that
// makes it COMMITTED, so no crash loses a command. Commands of phases post and
// error run after the transfer has ended, whichever way: a file that was
// delivered is delivered. That a command begins is durable before it does, its
// outcome after. If the agent is interrupted in between, the command may have
// run in full, in part or not at all, and mft.Exit.Again decides: by default it is
// not run again but told with CodeExit, so that it ran at most once; with Again
// it runs at least once. A retry follows only a command that is known to have
// failed. Commands of phase pre may run again for every new offer of a
// transfer that was not accepted yet.
//
// A command that fails undoes nothing: there is an event with its output, and a
// transfer that is done says so in its reason. Not run on are directories,
// symbolic links, files that were there already, and those that a mirror only
// renamed.
//
// Commands of one transfer run one after another, in the order of the files and
// then of the rules. Package rule says what follows from what, package process
// runs it.
package exits
