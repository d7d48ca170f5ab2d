// Package expectation decides whether what people count on of a channel has come to
// pass: that content moves by a time of the day, and how much of it.
//
//	s, found := s.Observe(rules, now)          // from time to time
//	s, found = s.Ended(rules, count, now)      // when a run has moved content
//
// Everything is a value, and a pure function of it. What has to outlive the process is in
// [State]; whoever calls keeps it together with what was found, so that each finding is
// told once.
//
// # Due times
//
// Between one due time and the next content has to move once. If it did not by the
// due time the channel is late; if it has not by then and the grace, missing. What moves
// afterwards ends that, and counts for the time that was missed and not for the next.
// What was due while nobody looked is judged when somebody looks again, the last of it
// only. A clock that is put back makes nothing late twice.
//
// # Amounts
//
// A run that moved content is held to a range of bytes and one of files. Runs that
// found nothing to move are not: a channel may look far more often than there is
// something.
package expectation

import (
	"fmt"
	"time"

	"mft.dev/mft"
)

// A Clock says when content is due.
type Clock interface {
	// Next returns the first moment after another at which it is due, if any.
	Next(after time.Time) (time.Time, bool)
}

// Rules are what is expected of a channel.
type Rules struct {
	// Due is nil if nothing is due at a time. Grace is how long after that content that
	// is late becomes content that is missing.
	Due   Clock
	Grace time.Duration
	// Bytes and Items are what a run moves that moves something.
	Bytes, Items mft.Range
}

// A State is what has to outlive the process, as JSON for instance. The zero value is
// that of a channel of which nothing was expected before.
type State struct {
	// Judged is the last due time that was looked at, or when it was first looked.
	Judged time.Time
	// Moved says that content has moved since Judged, other than what ended an Overdue.
	Moved bool
	// Overdue is the due time that was missed, zero if none is, and Missing says that
	// the grace is over too.
	Overdue time.Time
	Missing bool
}

// A Finding is something to tell.
type Finding struct {
	// Code is mft.CodeLate, CodeMissing or CodeUnusual; CodeOK when what was overdue has
	// come.
	Code   mft.Code
	Detail string
}

// Code is mft.CodeLate or CodeMissing while something is overdue, else CodeOK.
func (s State) Code() mft.Code {
	switch {
	case s.Missing:
		return mft.CodeMissing
	case !s.Overdue.IsZero():
		return mft.CodeLate
	}
	return mft.CodeOK
}

// String says what is overdue, if anything.
func (s State) String() string {
	if s.Overdue.IsZero() {
		return "nothing is overdue"
	}
	return "content was due by " + s.Overdue.Format(stamp)
}

// Observe judges what is due at now.
func (s State) Observe(r Rules, now time.Time) (State, []Finding) {
	if r.Due == nil {
		return State{}, nil
	}
	if s.Judged.IsZero() || s.Judged.Sub(now) > longest { // nobody can have looked then
		return State{Judged: now}, nil
	}
	var found []Finding
	if due, ok := r.Due.Next(s.Judged); ok && !due.After(now) {
		latest := last(r.Due, due, now)
		moved := s.Moved && latest.Equal(due) // else it was for the first of them
		s = State{Judged: latest}
		if due = latest; !moved {
			s.Overdue = due
			found = append(found, Finding{mft.CodeLate, s.String()})
		}
	}
	if !s.Overdue.IsZero() && !s.Missing && !now.Before(s.Overdue.Add(r.Grace)) {
		s.Missing = true
		found = append(found, Finding{mft.CodeMissing, fmt.Sprintf("%v, and has not come in the %v after it", s, r.Grace)})
	}
	return s, found
}

// stamp is how a due time is shown: in its zone, which says where.
const stamp = "2006-01-02 15:04:05 MST"

// longest is longer than any time between two due times that somebody configures for
// a reason. A state that was kept further ahead was kept by a clock that was wrong.
const longest = 24 * time.Hour

// last returns the last due time up to now, of which due is one.
func last(c Clock, due, now time.Time) time.Time {
	before, from := due.Add(-time.Nanosecond), now // of the first the next due time is up to now, of the second it is not
	for from.Sub(before) > time.Nanosecond {
		middle := before.Add(from.Sub(before) / 2)
		if next, ok := c.Next(middle); ok && !next.After(now) {
			before, due = middle, next
		} else {
			from = middle
		}
	}
	return due
}

// Ended notes that a run has ended well and moved so much, more than nothing.
func (s State) Ended(r Rules, moved mft.Count, now time.Time) (State, []Finding) {
	var found []Finding
	for _, m := range []struct {
		what  string
		is    int64
		bound mft.Range
	}{{"files", moved.Items, r.Items}, {"bytes", moved.Bytes, r.Bytes}} {
		if !m.bound.Holds(m.is) {
			found = append(found, Finding{mft.CodeUnusual, fmt.Sprintf("a run moved %d %s, expected are %v", m.is, m.what, m.bound)})
		}
	}
	if r.Due == nil {
		return State{}, found
	}
	if s.Overdue.IsZero() {
		s.Moved = true
		return s, found
	}
	late := now.Sub(s.Overdue).Round(time.Second)
	found = append(found, Finding{mft.CodeOK, fmt.Sprintf("%v, and has come, %v late", s, late)})
	s.Overdue, s.Missing = time.Time{}, false
	return s, found
}
