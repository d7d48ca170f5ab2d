// Package progress says how things stand in words that fit a terminal: how far
// a transfer has come in one line of a given width ([Line]), at which rate
// ([Meter]), and numbers the way people read them ([Bytes], [Clock]). [Frame]
// draws lines over those of the frame before without a flicker.
//
// Names of files are any bytes, and peers say what they like: [Plain], [Text]
// and [Sentence] make of both what cannot command a terminal.
//
// Everything here is a function of its arguments: no clock is read, no
// terminal is asked, nothing is written. The package refuses to guess: a total
// that is not known yet shows what has moved so far, and a time left that
// cannot be told shows as dashes.
package progress
