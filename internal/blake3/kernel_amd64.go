package blake3

import "golang.org/x/sys/cpu"

// hasKernel tells whether compress can run here: the processor has, and the
// operating system keeps, the registers of AVX-512.
func hasKernel() bool {
	return cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasBMI2
}

// compress hashes the inputs of all lanes and leaves their chaining values in
// l.out. It reads no byte beyond what the lanes say.
//
//go:noescape
func compress(l *lanes)
