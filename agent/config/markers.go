package config

import (
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
)

// markersEntry are the markers of both ends of a channel.
type markersEntry struct {
	strict.Place
	Source      *markersOfEnd `yaml:"source" doc:"Markers on the host where the files are."`
	Destination *markersOfEnd `yaml:"destination" doc:"Markers on each host where they go, which names them in its own allow.files_from."`
}

type markersOfEnd struct {
	strict.Place
	Trigger    leaf.HostPath `yaml:"trigger" doc:"Others make it when the files are ready; the agent removes it, and the channel runs."`
	Block      leaf.HostPath `yaml:"block" doc:"While others keep it there nothing is sent."`
	Activity   leaf.HostPath `yaml:"activity" doc:"Is there while the channel runs."`
	Completion leaf.HostPath `yaml:"completion" doc:"Gets the time of each run that succeeds."`
	Failure    leaf.HostPath `yaml:"failure" doc:"Is there from a run that failed to one that succeeded."`
	Silence    leaf.HostPath `yaml:"silence" doc:"Is there while no content has moved for longer than expect.silence."`
}

// markersThere are markers of this host that a peer has a use for.
type markersThere struct {
	strict.Place
	Trigger    markerPaths `yaml:"trigger" doc:"May be looked at, and removed when a run begins."`
	Block      markerPaths `yaml:"block" doc:"May be looked at. While it is there nothing that the agent sends is taken into this directory."`
	Activity   markerPaths `yaml:"activity" doc:"May be made and removed."`
	Completion markerPaths `yaml:"completion" doc:"May be made and given another time."`
	Failure    markerPaths `yaml:"failure" doc:"May be made and removed."`
	Silence    markerPaths `yaml:"silence" doc:"May be made and removed."`
}

// markerPaths may be written as the only one.
type markerPaths []leaf.LocalPath

// Lone implements strict.Lone.
func (*markerPaths) Lone() {}

// markers returns those that are named, of both ends.
func (e *markersEntry) markers(d *strict.Decoder) (out []mft.Marker) {
	out = append(e.Source.markers(mft.EndSource), e.Destination.markers(mft.EndDestination)...)
	e.distinct(d, out)
	return out
}

func (e *markersOfEnd) markers(end mft.End) (out []mft.Marker) {
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
func (e *markersEntry) distinct(d *strict.Decoder, list []mft.Marker) {
	for i, m := range list {
		if slices.ContainsFunc(list[:i], func(x mft.Marker) bool { return x.Path == m.Path && x.End == m.End }) {
			d.Mistake(e.Line, e.Key+"."+string(m.End), "%s is the same file as another marker", m.Kind)
		}
	}
}

// markers returns those that are named.
func (e *markersThere) markers(d *strict.Decoder) (out []mft.Marker) {
	if e == nil {
		return nil
	}
	for _, m := range []struct {
		kind  mft.MarkerKind
		paths markerPaths
	}{
		{mft.MarkerTrigger, e.Trigger},
		{mft.MarkerBlock, e.Block},
		{mft.MarkerActivity, e.Activity},
		{mft.MarkerCompletion, e.Completion},
		{mft.MarkerFailure, e.Failure},
		{mft.MarkerSilence, e.Silence},
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
