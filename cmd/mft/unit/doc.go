// Package unit makes the agent of a host a unit of systemd or a service of
// Windows.
package unit
