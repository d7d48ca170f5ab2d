// Package faraway puts two ends far away from each other on one machine: two
// network namespaces, joined by a way that takes time, has a bandwidth, a queue
// and, if wanted, loss.
//
//	path, err := faraway.Open(ctx, terms)
//	defer path.Close()
//	run(path.Sender(), path.Receiver())
//
// Each namespace has a TUN device, and between the two a forwarder carries
// packet by packet, so TCP itself meets the delay and the loss; a proxy that
// ends connections would hide both from it. The forwarder takes CPU time of the
// same machine, from everybody alike.
//
// The package needs root, Linux and the command ip. It refuses to leave
// anything behind: the namespaces have no names and end with the process.
package faraway
