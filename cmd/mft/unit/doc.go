// Package unit makes the agent of a host a unit of systemd or a service of
// Windows: it writes what the service manager reads, has it taken note of, and
// runs the agent as the service manager wants it.
//
// What the agent may do is bounded by the unit: a user of its own without
// privileges, a file system that is read-only except for what the configuration
// names, and the system calls of a server. The package refuses to touch a unit
// that it has not written.
package unit
