// Package progress says how far something has come, in one line of a given
// width: [Line]. [Meter] tells the rate, [Frame] draws lines over those of the
// frame before without a flicker, and [Bytes] and [Clock] write numbers the
// way people read them.
//
// Everything here is a function of its arguments: no clock is read, no
// terminal is asked, nothing is written. The package refuses to guess: a total
// that is not known yet shows what has moved so far, and a time left that
// cannot be told shows as dashes.
package progress
