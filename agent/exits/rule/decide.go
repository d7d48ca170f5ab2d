package rule

import (
	"crypto/sha256"
	"slices"

	"mft.dev/mft"
)

// A Run is one command that follows from facts.
type Run struct {
	Rule *Rule
	// Key names the command within its transfer: the same rule on the same
	// occasion has the same key after a restart, whatever else is configured
	// by then.
	Key   [16]byte
	Facts Facts
	Args  []string // program first
	Env   []string // the MFT_ variables, NAME=value
}

// Decide returns the commands that follow, in the order of the rules.
// Occasion tells apart what may happen more than once in one transfer to the
// same path, such as two versions of a file. A rule that stands there twice
// counts once.
func Decide(rules []*Rule, f Facts, occasion []byte) []Run {
	var out []Run
	seen := map[[16]byte]bool{}
	for _, r := range rules {
		if r.exit.Phase != f.Phase || !r.For(f.end(), f.Peer, f.Channel) || !r.matches(&f) {
			continue
		}
		key := r.keyOf(f.Path, occasion)
		if seen[key] {
			continue
		}
		seen[key] = true
		run := r.Run(f)
		run.Key = key
		out = append(out, run)
	}
	return out
}

// Run returns the command that the rule makes of facts, whether or not it follows from them,
// without a key.
func (r *Rule) Run(f Facts) Run {
	run := Run{Rule: r, Facts: f, Env: environment(&f)}
	for _, a := range r.args {
		run.Args = append(run.Args, a.expand(&f))
	}
	return run
}

// For reports whether the rule may concern transfers of which this host is one end
// and an agent the other, and of a channel.
func (r *Rule) For(at mft.End, peer mft.AgentName, channel string) bool {
	return r.exit.At == at && (r.exit.From == "" || r.exit.From == peer) && (r.exit.Channel == "" || r.exit.Channel == channel)
}

func (r *Rule) matches(f *Facts) bool {
	if len(f.Sources) == 0 {
		return r.match.MatchString(f.Path)
	}
	return slices.ContainsFunc(f.Sources, r.match.MatchString)
}

// Phase returns when the rule applies.
func (r *Rule) Phase() mft.ExitPhase { return r.exit.Phase }

func (r *Rule) keyOf(path string, occasion []byte) (key [16]byte) {
	h := sha256.New()
	h.Write(r.key[:])
	of := sha256.Sum256([]byte(path))
	h.Write(of[:])
	h.Write(occasion)
	copy(key[:], h.Sum(nil))
	return key
}
