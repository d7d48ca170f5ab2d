package delta

import "golang.org/x/sys/cpu"

// sumStep is how many bytes sumSteps takes at a time.
const sumStep = 32

// sumSteps adds up steps·32 bytes from p on, 2^14 steps at most. a is their sum.
// before is the sum, over the steps, of what a was when the step began; within
// that of the bytes of a step, of which the last counts once, the one before it
// twice, and so on. It needs AVX2.
//
//go:noescape
func sumSteps(p *byte, steps int) (a, before, within uint64)

// write adds content.
func (s *sum) write(p []byte) {
	if cpu.X86.HasAVX2 {
		p = s.writeSteps(p)
	}
	s.writePlain(p)
}

// writeSteps adds what of p are whole steps, and returns the rest. The lanes of
// within hold 32 bits, of which a step takes 15 at most.
func (s *sum) writeSteps(p []byte) []byte {
	for len(p) >= sumStep {
		steps := min(len(p)/sumStep, 1<<14)
		a, before, within := sumSteps(&p[0], steps)
		n := uint64(steps * sumStep)
		s.b += n*s.a + sumStep*before + within
		s.a += a
		p = p[n:]
	}
	return p
}
