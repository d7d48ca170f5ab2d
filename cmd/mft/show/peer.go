package show

import (
	"fmt"
	"io"

	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/progress"
)

// Peers writes a table.
func Peers(w io.Writer, peers []localapi.Peer) {
	if len(peers) == 0 {
		fmt.Fprintln(w, "no peers yet; `mft invite` here and what it prints on another host add one")
		return
	}
	Table(w, func(w io.Writer) {
		fmt.Fprintln(w, "NAME\tLINK\tADDRESS\tMAY SEND INTO\tMAY ASK FROM")
		for _, p := range peers {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Name, link(p), OrDash(p.Address), directories(p.FilesInto), directories(p.RequestsFrom))
		}
	})
}

// link is the state of the connection in a word or two.
func link(p localapi.Peer) string {
	if p.LinkReason != nil && p.Link != "up" {
		return fmt.Sprintf("%s (%s)", p.Link, p.LinkReason.Code)
	}
	return p.Link
}

// Peer writes a page about one peer.
func Peer(w io.Writer, p localapi.Peer) {
	page(w, func(line func(name, format string, args ...any)) {
		line("peer", "%s", p.Name)
		line("address", "%s", OrDash(p.Address))
		for _, pin := range p.Pins {
			line("key", "%s", pin)
		}
		if p.Configured {
			line("known by", "configuration")
		} else {
			line("known by", "pairing, %s", p.Added.Local().Format(stamp))
		}
		if p.LinkSince.IsZero() {
			line("link", "%s", p.Link)
		} else {
			line("link", "%s since %s", p.Link, p.LinkSince.Local().Format(stamp))
		}
		reason(line, p.LinkReason)
		if p.Software != "" {
			line("software", "%s", progress.Plain(p.Software))
		}
		line("may send into", "%s", directories(p.FilesInto))
		line("may remove from", "%s", directories(p.DeletesFrom))
		line("may ask from", "%s", directories(p.RequestsFrom))
	})
}

// May says what a peer is allowed here.
func May(w io.Writer, p localapi.Peer) {
	fmt.Fprintf(w, "%s may send files into: %s\n", p.Name, directories(p.FilesInto))
	fmt.Fprintf(w, "%s may remove files from: %s\n", p.Name, directories(p.DeletesFrom))
	fmt.Fprintf(w, "%s may ask for files from: %s\n", p.Name, directories(p.RequestsFrom))
}

// Keys writes a table of the agent's own keys.
func Keys(w io.Writer, keys localapi.Keys) {
	Table(w, func(w io.Writer) {
		fmt.Fprintln(w, "PIN\tMADE\tVALID")
		for _, k := range keys.Keys {
			valid := "current"
			if !k.Current {
				valid = "until " + k.Retires.Local().Format(stamp)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", k.Pin, k.Created.Local().Format(stamp), valid)
		}
	})
}
