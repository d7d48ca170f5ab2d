package farend

import "mft.dev/mft"

// Each host that a channel leads to is an end of its own, with the same markers: what
// one says of its trigger and its block counts like those of the others.

// Markers returns the markers of all ends of a channel, and which of them are on other
// hosts.
func Markers(ch mft.Channel, groups []mft.ServerGroup) (all []mft.Marker, far map[mft.Marker]Mark) {
	far = map[mft.Marker]Mark{}
	for _, m := range ch.Markers {
		if m.End != mft.EndDestination {
			all = append(all, m)
			continue
		}
		for _, to := range mft.Hosts(ch.To, groups) {
			there := mft.Marker{Kind: m.Kind, End: m.End + " " + mft.End(to), Path: m.Path}
			if _, twice := far[there]; !twice {
				far[there] = Mark{Agent: to, Channel: ch.Name, Kind: m.Kind, Path: m.Path}
				all = append(all, there)
			}
		}
	}
	return all, far
}

// Of returns the markers of the channels that begin at an agent that are on other
// hosts.
func Of(channels []mft.Channel, groups []mft.ServerGroup, self mft.AgentName) (out []Mark) {
	for _, ch := range channels {
		if ch.From.Agent != self {
			continue
		}
		all, far := Markers(ch, groups)
		for _, m := range all {
			if mark, is := far[m]; is {
				out = append(out, mark)
			}
		}
	}
	return out
}
