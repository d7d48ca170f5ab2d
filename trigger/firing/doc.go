// Package firing decides when a channel runs, and what its markers say: one
// state machine that survives a crash at any moment.
//
//	for {
//		s = s.Observe(rules, world)      // what is due is owed from now on
//		step := s.Next(rules, world)     // the one thing to do now, or why nothing
//		s = s.Before(step)
//		save(s)
//		result := do(step)
//		s = s.After(step, result)
//	}
//
// Everything is a value, and a pure function of it. What has to outlive a crash is
// in [State]; whoever does the steps saves it before each. After a crash the step that
// was under way is done again, perhaps later, so each is such that doing it twice is like
// doing it once: markers are made, removed and touched, and a trigger is taken by
// renaming it to a name at which nothing else ever is. What lies there when a trigger is
// to be taken was taken by a step that is not on record.
//
// # What the markers mean
//
// A trigger that appears is left where it is until a run can begin; so one that
// appears during a run, or together with a block marker, fires when that is over, and
// several that appear in the meantime fire once. The activity marker is there before
// the trigger is taken, so that at no moment both are missing while the channel is
// at it. What was taken is owed until a run succeeds: a run that fails is repeated
// without a new trigger, later and later; a new reason makes it at once.
//
// A block marker that is there keeps a run from beginning, and holds one that is
// under way. That of a source which cannot be looked at counts as there; that of a
// destination does not, since the agent there looks itself, unless it does not let it
// be looked at: then it does not look either.
//
// When a run has ended its markers are written in this order: failure, completion,
// silence, and last of all activity is removed, so whoever waits for that finds the
// others. Completion is touched whenever a run succeeds, also one that found nothing to
// move; silence counts content and not runs. The failure marker is made anew with each
// run that fails. What cannot be written because an end cannot be reached is written
// when it can.
package firing
