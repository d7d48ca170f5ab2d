package command

import (
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/strict"
)

// List returns the exits of a section, and notes for the operator; what is wrong
// with one is a mistake of d.
func List(d *strict.Decoder, entries []Entry) (list []mft.Exit, notes []string) {
	for i := range entries {
		e := &entries[i]
		exit, more, err := e.Exit()
		if err != nil {
			if e.Phase != "" { // else that is the mistake
				d.Mistake(e.Line, e.Key, "%v", err)
			}
			continue
		}
		list = append(list, exit)
		notes = append(notes, at(e.Place, more)...)
	}
	return list, notes
}

// OfChannel returns those exits of a channel that are for this host: those at
// the source if it sends, those at the destination if it receives
// what the channel sends.
func OfChannel(d *strict.Decoder, entries []Entry, c *mft.Channel, sends, receives bool) (list []mft.Exit, notes []string) {
	if c.From.Group != "" && len(entries) > 0 {
		d.Mistake(entries[0].Line, entries[0].Key, "the channel begins at a server group; put its commands under exits, for each member with agent and channel")
	}
	for i := range entries {
		e := &entries[i]
		if e.Agent != "" || e.Channel != "" {
			d.Mistake(e.Line, e.Key, "agent and channel are those of the channel that it stands in")
		}
		e.Channel = Text(c.Name)
		if e.At != End(mft.EndSource) {
			e.Agent = Source(c.From.Agent)
		}
	}
	for i := range entries {
		one, more := List(d, entries[i:i+1]) // what is wrong is wrong on every host
		if entries[i].At == "" && receives || entries[i].At != "" && sends {
			list, notes = append(list, one...), append(notes, more...)
		}
	}
	return list, notes
}

// OfAzure returns the exits of azure-mft that can be run. The others become
// notes: its file loads as it is.
func OfAzure(entries []Azure) (list []mft.Exit, notes []string) {
	for i := range entries {
		e := &entries[i]
		exit, more, err := e.Exit()
		if err != nil {
			more = []string{fmt.Sprintf("this exit is NOT run: %v", err)}
		} else {
			list = append(list, exit)
		}
		notes = append(notes, at(e.Place, more)...)
	}
	return list, notes
}

// at says where a note belongs.
func at(p strict.Place, notes []string) []string {
	var out []string
	for _, note := range notes {
		out = append(out, strict.Mistake{Line: p.Line, Key: p.Key, What: note}.String())
	}
	return out
}
