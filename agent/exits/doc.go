// Package exits runs commands because of transfers: on the receiving host before
// one is accepted, for each file that was delivered, and when one has failed; on the
// sending host before one is offered, for what it names when it is done, and when it
// has failed.
//
//	runner, err := exits.New(exits.Config{Exits: list, Agent: name, Journal: j, Log: log, Now: now})
//	err = runner.Admit(ctx, &offer, landing) // first offer, before it is accepted
//	err = runner.Watch(tx, transfer)         // in the transaction that accepts it
//	err = runner.Offer(ctx, transfer)        // the sender, before it is offered
//	err = runner.Ended(tx, transfer)         // in the transaction that ends it
//	runner.Run(ctx)                          // everything else, until ctx ends
//
// What is promised. What a transfer delivers is noted in the transaction that
// makes it COMMITTED, so no crash loses a command. Commands of phases post and
// error run after the transfer has ended, whichever way: a file that was
// delivered is delivered. That a command begins is durable before it does, its
// outcome after. If the agent is interrupted in between, the command may have
// run in full, in part or not at all; then it is run again, so that it runs at
// least once, and MFT_RUN tells it that it is not the first time. With
// mft.Exit.Once it is told with CodeExit instead, and ran at most once. Commands
// of phase pre may run again for every new offer of a transfer that was not
// accepted yet.
//
// A command that fails is run again as its exit says, while others have their
// turn. One that fails for good undoes nothing: the journal has its exit status
// and output, and a transfer that is done says so in its reason. Not run on are
// directories, symbolic links, files that were there already, and those that a
// mirror only renamed.
//
// Commands of one transfer run one after another, in the order of the files and
// then of the rules. Package rule says what follows from what, package process
// runs it.
package exits
