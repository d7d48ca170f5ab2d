package identity

import (
	"slices"
	"time"

	"mft.dev/mft"
)

// merge lays what the file holds over what is configured. It is a pure
// function of both.
func merge(configured, kept map[mft.AgentName]Peer) map[mft.AgentName]Peer {
	out := make(map[mft.AgentName]Peer, len(configured)+len(kept))
	for name, p := range kept {
		if p.Configured {
			continue // it only completes a configured peer
		}
		p = p.clone()
		p.Pins = descend(slices.DeleteFunc(slices.Clone(p.Pins), func(k PinnedKey) bool {
			return k.Source != SourceInvite
		}), p.Pins)
		out[name] = p
	}
	for name, c := range configured {
		out[name] = mergePeer(c, kept[name])
	}
	return out
}

// mergePeer completes the configured peer c by what the file holds of it.
func mergePeer(c, kept Peer) Peer {
	p := c.clone()
	p.Configured = true
	if p.Address == "" {
		p.Address = kept.Address
	}
	p.Sealing, p.Added = slices.Clone(kept.Sealing), kept.Added
	p.FilesInto = union(c.FilesInto, kept.FilesInto)
	p.RequestsRoot = union(c.RequestsRoot, kept.RequestsRoot)
	p.AllowDelete = kept.AllowDelete // of what the file of peers grants; the configuration has its own
	p.Pins = nil
	for _, k := range c.Pins {
		if known := kept.find(k.Pin); known != nil {
			// That it was replaced, and its public half, stay known.
			k.Since, k.Until, k.Key = known.Since, known.Until, known.Key
		}
		k.Source, k.By = SourceConfig, ""
		p.Pins = append(p.Pins, k)
	}
	p.Pins = descend(p.Pins, kept.Pins)
	return p
}

// descend adds to roots the keys among kept that one of them vouched for, and
// those that these vouched for. Only such keys count: when the operator
// replaces a pin, what the old key vouched for goes with it.
func descend(roots, kept []PinnedKey) []PinnedKey {
	has := func(pin Pin) bool {
		return slices.ContainsFunc(roots, func(k PinnedKey) bool { return k.Pin == pin })
	}
	for grown := true; grown; {
		grown = false
		for _, k := range kept {
			if k.Source == SourceRotation && !has(k.Pin) && has(k.By) {
				roots = append(roots, k)
				grown = true
			}
		}
	}
	return roots
}

// prune forgets keys of pins that are over at now. What a forgotten key
// vouched for counts as vouched for by its own voucher. Keys that nobody
// vouched for stay: all others descend from them.
func prune(pins []PinnedKey, now time.Time) []PinnedKey {
	var out []PinnedKey
	by := map[Pin]Pin{}
	for _, k := range pins { // vouchers come before what they vouched for
		if older, forgotten := by[k.By]; forgotten {
			k.By = older
		}
		if k.Source == SourceRotation && expired(k.Until, now) {
			by[k.Pin] = k.By
			continue
		}
		out = append(out, k)
	}
	return out
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
