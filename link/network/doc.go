// Package network is the process of a host that is exposed to the network, and what the agent
// knows of it. It has the sockets of the direct link, and no files, no journal and no keys.
//
//	err := network.Main(ctx, socket, listener, log)     // in the process
//	c := network.NewClient(open, log)                   // in the agent: a link.Network
//
// The two talk over a Unix socket, in messages of a closed set (messages.go). The process reads
// what a connection asks for and asks the agent. A data connection it hands over before its
// handshake, and has done with it. Of a control connection, or one for pairing, it does the
// handshake: what proves this agent's key the agent has signed, and the agent judges what the
// other end has shown. Then it passes what is said, in the clear, over a pair of sockets that the
// agent has made.
//
// The agent believes it nothing that has effect: that is in signed envelopes. It keeps it to the
// messages, to one signature of a handshake for each connection, and to bounds; whoever breaks
// them is heard no further, and all its connections end. See docs/design/005-network-process.md.
package network
