// Package trigger decides for which files a channel fires. It is made of pure
// decisions: what was seen and the time come in as values, a verdict goes
// out.
//
// [CheckPatterns] is for whoever reads a configuration, [Source], [Since] and
// [Stability] for whoever looks at the source of a channel: a file moves when
// [Source.Choose] and then [Since] say so and, where it may still be written,
// [Stability.See] says that it is stable. Whoever explains why a file does not move asks
// the same functions.
//
// The package reads no directory and no clock, starts nothing, and remembers
// only what a [Stability] was told, which is bounded. It does not know what
// was sent before: that is the journal's.
package trigger
