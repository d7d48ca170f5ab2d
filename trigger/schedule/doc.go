// Package schedule says when a channel that runs by the clock is due.
//
//	s, err := schedule.Parse("0 2 * * MON-FRI", london, schedule.EveryDay, nil)
//	at, ok := s.Next(time.Now())
//
// # Expressions
//
// An expression has the five fields of a crontab, or six with the seconds in
// front:
//
//	seconds        0-59
//	minutes        0-59
//	hours          0-23
//	day of month   1-31  L (the last)  L-3 (three days before it)  15W (the
//	                     working day nearest to the 15th, in the same month)  LW
//	month          1-12  JAN-DEC
//	day of week    0-7   SUN-SAT (0 and 7 are Sunday)  FRI#2 (the second)  5L (the last)
//
// A field is * or a list of values, ranges (MON-FRI, 22-4) and steps (*/15,
// 10-40/10, 5/20), with commas. ? is * for days. When both fields of days are
// limited a day has to fit one of them, as in a crontab; a field that begins with *
// and has a step is limited. @hourly, @daily (@midnight), @weekly, @monthly and
// @yearly (@annually) stand for what they say.
//
// # Working days
//
// A [Calendar] says which days are working days, without one those from Monday to
// Friday are. [Days] limits a schedule to them, or moves what is due on another day.
// Whatever comes to lie on one day is due on it once.
//
// # When clocks change
//
// A wall clock that is put forward leaves times out; what is due then is due at
// the first moment after. One that is put back shows times twice; what is due
// then is due the first time. But with * for the hours a schedule means time that
// passes: it is due whenever a clock on the wall shows such a minute, so
// */15 * * * * stays a quarter of an hour the whole night.
//
// Everything here is a value and a pure function of it; nothing looks at a clock.
package schedule
