package localapi

import (
	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/journal"
)

func transferOf(t mft.Transfer) Transfer {
	return Transfer{
		ID: t.ID, Role: t.Role, Peer: t.Peer, Channel: t.Channel, State: t.State, Reason: route.ProblemOfReason(t.Reason),
		Sources: t.Sources, Destination: opaque.String(t.Destination), Overwrite: t.Overwrite, Requested: t.Requested,
		Compare: t.Compare, Compress: t.Compress, Preserve: t.Preserve, Mirror: MirrorOf(t.Mirror), Unchanged: Count(t.Unchanged), Removed: t.Removed,
		Totals: Count(t.Totals), Moved: Count(t.Moved), Created: t.Created, Updated: t.Updated, Attempts: t.Attempts,
	}
}

func transfersOf(list []mft.Transfer) []Transfer {
	out := make([]Transfer, len(list))
	for i, t := range list {
		out[i] = transferOf(t)
	}
	return out
}

func exitOf(r journal.ExitRun) Exit {
	out := Exit{
		Phase: r.Phase, Path: opaque.String(r.Path), Command: r.Command, State: "again", Runs: r.Runs, Failures: r.Failures,
		Status: r.Status, Code: r.Code, Detail: r.Detail, Output: opaque.String(r.Output), At: r.At,
	}
	switch {
	case r.Running:
		out.State = "running"
	case r.Ended:
		out.State = "ended"
	}
	return out
}

func eventOf(e mft.Event) Event {
	out := Event{Seq: e.Seq, Time: e.Time, Kind: e.Kind, Channel: e.Channel, Peer: e.Peer, Code: e.Code, Detail: e.Detail}
	if !e.Transfer.IsZero() {
		out.Transfer = &e.Transfer
	}
	return out
}

func peerOf(p pairing.Peer) Peer {
	out := Peer{
		Name: p.Name, Address: p.Address, Pins: []string{}, Configured: p.Configured, Link: "down",
		LinkSince: p.Link.Since, Software: p.Link.Software, Added: p.Added,
		FilesInto: some(p.Files), DeletesFrom: some(p.Removes), RequestsFrom: some(p.RequestsFrom),
	}
	if p.Link.Connected {
		out.Link = "up"
	} else {
		out.LinkReason = route.ProblemOf(p.Link.LastError)
	}
	for _, k := range p.Pins {
		out.Pins = append(out.Pins, string(k.Pin))
	}
	return out
}

// some makes no list an empty one, which is not null in JSON.
func some(list []string) []string { return append([]string{}, list...) }
