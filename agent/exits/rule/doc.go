// Package rule is what exits mean: it checks an mft.Exit once, when the
// configuration is read, and then says as pure functions which commands follow
// from what happened to a transfer, with which arguments and environment.
//
//	r, notes, err := rule.Compile(exit)         // config: mistakes and notes
//	for _, run := range rule.Decide(rules, f) { // agent: run.Args, run.Env
//
// Variables stand in arguments as {name} and become opaque bytes: what comes
// from a peer is never split, quoted or given to a shell, and never chooses the
// program. A name may begin with a dash, so give `--` before {fileName}, or use
// {fullFilePath}, which begins with a slash. {{ and }} are braces.
//
// The package refuses whatever a shell would have to read: see [Split].
package rule
