// Package localapi is how people and scripts on one host talk to the agent of
// that host, in the manner of package route.
//
// The agent's process calls [Serve]; a command makes a [Client] and calls its
// methods, which mirror those of agent.Agent:
//
//	c := localapi.NewClient("/var/lib/mft/mft.sock")
//	placed, err := c.Copy(ctx, localapi.CopyOrder{
//		Sources:      []string{"/srv/out/report.csv"},
//		Destinations: []localapi.Destination{{Agent: "ledger", Path: "/srv/in/"}},
//	})
//
// Field names in JSON are stable, times are RFC 3339, names of files survive byte
// for byte.
//
// The package refuses to listen on anything but a Unix socket, and to serve
// anybody but the owner of the socket, its group and root: the permissions of
// the socket and, where the system tells who calls, the caller's identity are
// both checked. Who may use the socket may send any file that the agent can
// read, so the group is to be chosen as if it were that of the agent itself.
// It decides nothing about transfers and keeps no state.
package localapi
