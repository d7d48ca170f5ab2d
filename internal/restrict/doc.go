// Package restrict takes from the calling process what it does not need: it
// raises walls around a process that cannot be taken down again by it or by
// anything that it starts.
//
//	report, err := restrict.Apply(restrict.Worker([]string{"/srv/out"}, []string{"/srv/in"}))
//	if err != nil {
//		return err // a wall that the policy requires is missing, or failed: do not go on
//	}
//
// [Apply] is called once, early, in a process that does nothing else yet: what
// is open already stays open. All threads are covered. What was raised is tried
// before Apply returns, by doing what must fail; a wall that does not hold is an
// error, never a report. A [Policy] says which walls there have to be
// (Policy.Require); others may be missing where the kernel does not have them,
// and the [Report] says which and why. No wall is left out silently.
//
// A process gets its user by being started with it: [Starting] returns what the
// parent needs for that. The package changes no user by itself, holds no
// privilege back for later, and needs Linux: on other systems every wall is
// reported as missing.
package restrict
