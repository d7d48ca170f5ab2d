// Package worker is the process that reads and writes the files of one channel, or of
// one grant of the allow list, as the user whose files they are; it also looks at the
// source of the channel and does what is to be done to markers. It holds no key and
// no journal, and knows nothing but what the errands that it is given say.
//
//	mft worker        (started by the supervisor, with a socket)
//
// The supervisor says first where the files are ([Seat]); the process raises its
// walls around that, and only then is given errands: each comes from the agent over
// a connection of its own, see package errand. What an errand names outside of its
// directories is refused, whatever the agent says. The data connections of a
// transfer come to it as sockets; it does their TLS itself, with a certificate that
// it makes for that attempt. It ends when the supervisor does, or has had nothing to
// do for a while.
package worker
