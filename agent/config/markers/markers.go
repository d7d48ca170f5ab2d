// Package markers is what the configuration says of marker files: those of a channel,
// and those of this host that a peer has a use for. What they mean is for package
// trigger/firing.
package markers

import (
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
)

// Ends are the markers of both ends of a channel.
type Ends struct {
	strict.Place
	Source      *End `yaml:"source" doc:"Markers on the host where the files are."`
	Destination *End `yaml:"destination" doc:"Markers on each host where they go, which names them in its own allow.files_from."`
}

// An End is the markers of one end of a channel.
type End struct {
	strict.Place
	Trigger    leaf.HostPath `yaml:"trigger" doc:"Others make it when the files are ready; the agent removes it, and the channel runs."`
	Block      leaf.HostPath `yaml:"block" doc:"While others keep it there nothing is sent."`
	Activity   leaf.HostPath `yaml:"activity" doc:"Is there while the channel runs."`
	Completion leaf.HostPath `yaml:"completion" doc:"Gets the time of each run that succeeds."`
	Failure    leaf.HostPath `yaml:"failure" doc:"Is there from a run that failed to one that succeeded."`
	Silence    leaf.HostPath `yaml:"silence" doc:"Is there while no content has moved for longer than expect.silence."`
}

// There are markers of this host that a peer has a use for.
type There struct {
	strict.Place
	Trigger    Paths `yaml:"trigger" doc:"May be looked at, and removed when a run begins."`
	Block      Paths `yaml:"block" doc:"May be looked at. While it is there nothing that the agent sends is taken into this directory."`
	Activity   Paths `yaml:"activity" doc:"May be made and removed."`
	Completion Paths `yaml:"completion" doc:"May be made and given another time."`
	Failure    Paths `yaml:"failure" doc:"May be made and removed."`
	Silence    Paths `yaml:"silence" doc:"May be made and removed."`
	Active     Paths `yaml:"active" doc:"May be looked at: it is there while this host is the active member of a server group."`
}

// Paths may be written as the only one.
type Paths []leaf.LocalPath

// Lone implements strict.Lone.
func (*Paths) Lone() {}

// Markers returns those that are named, of both ends.
func (e *Ends) Markers(d *strict.Decoder) (out []mft.Marker) {
	if e == nil {
		return nil
	}
	out = append(e.Source.markers(mft.EndSource), e.Destination.markers(mft.EndDestination)...)
	e.distinct(d, out)
	return out
}

func (e *End) markers(end mft.End) (out []mft.Marker) {
	if e == nil {
		return nil
	}
	for _, m := range []struct {
		kind mft.MarkerKind
		path leaf.HostPath
	}{
		{mft.MarkerTrigger, e.Trigger},
		{mft.MarkerBlock, e.Block},
		{mft.MarkerActivity, e.Activity},
		{mft.MarkerCompletion, e.Completion},
		{mft.MarkerFailure, e.Failure},
		{mft.MarkerSilence, e.Silence},
	} {
		if m.path != "" {
			out = append(out, mft.Marker{Kind: m.kind, End: end, Path: string(m.path)})
		}
	}
	return out
}

// distinct makes sure that no file is two markers of one end.
func (e *Ends) distinct(d *strict.Decoder, list []mft.Marker) {
	for i, m := range list {
		if slices.ContainsFunc(list[:i], func(x mft.Marker) bool { return x.Path == m.Path && x.End == m.End }) {
			d.Mistake(e.Line, e.Key+"."+string(m.End), "%s is the same file as another marker", m.Kind)
		}
	}
}

// Markers returns those that are named.
func (e *There) Markers(d *strict.Decoder) (out []mft.Marker) {
	if e == nil {
		return nil
	}
	for _, m := range []struct {
		kind  mft.MarkerKind
		paths Paths
	}{
		{mft.MarkerTrigger, e.Trigger},
		{mft.MarkerBlock, e.Block},
		{mft.MarkerActivity, e.Activity},
		{mft.MarkerCompletion, e.Completion},
		{mft.MarkerFailure, e.Failure},
		{mft.MarkerSilence, e.Silence},
		{mft.MarkerActive, e.Active},
	} {
		for _, path := range m.paths {
			if slices.ContainsFunc(out, func(x mft.Marker) bool { return x.Path == string(path) }) {
				d.Mistake(e.Line, e.Key, "%s is the same file as another marker", m.kind)
			}
			out = append(out, mft.Marker{Kind: m.kind, End: mft.EndDestination, Path: string(path)})
		}
	}
	return out
}
