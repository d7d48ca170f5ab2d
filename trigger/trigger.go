// Package trigger decides for which files a channel fires. It is made of pure
// decisions: what was seen and the time come in as values, a verdict goes
// out.
//
// [CheckPatterns] is for whoever reads a configuration, [Matches] and
// [Stability] for whoever looks at the source of a channel: a file moves when
// the selection lets its path through and [Stability.See] says that it is
// stable.
//
// The package reads no directory and no clock, starts nothing, and remembers
// only what a [Stability] was told, which is bounded. It does not know what
// was sent before: that is the journal's.
package trigger
