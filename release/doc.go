// Package release says what a release of mft is and whether this host may
// install it: a manifest that names the binaries of one version with their
// sizes and digests, signed by keys that the host was configured with.
//
//	sealed, err := release.Seal(manifest, key)       // who makes releases
//	m, err := release.Open(sealed, pinned)           // who installs them
//	d, err := m.Decide(release.Host{…})              // newer? for this system?
//
// A manifest is a text of two parts: a first line, a line for each signature,
// an empty line; then a JSON object, whose bytes are what is signed. Nothing of
// it is interpreted before a signature of a pinned key has been verified, and it
// must be written as [Seal] writes it: one manifest has one form.
//
// The package refuses to take a key from a manifest, to hear of a time other
// than the one that it is given, and to touch a file that is not a key.
package release
