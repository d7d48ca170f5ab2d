// Package quickstart shows mft at work on one machine: two agents in
// processes of their own, paired with each other, and a channel from the
// outbox of one to the inbox of the other. [Run] sets them up, moves a sample,
// checks it, and tells what happens until its context ends.
//
// Everything lies below one directory, ports and keys included, so that
// running it again goes on where it was. What it does to the agents it does
// as a person would: it writes their files and speaks to their sockets.
//
// The package refuses to reach beyond the loopback interface and that
// directory, and to leave a process behind: the agents end with Run, and where
// the system can see to it also when this process is killed.
package quickstart
