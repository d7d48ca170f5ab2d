package resident

import "testing"

func TestBytes(t *testing.T) {
	before := Bytes()
	if before <= 0 {
		t.Fatalf("Bytes() = %d, want what a running process has", before)
	}
	held := make([]byte, 64<<20)
	for i := range held {
		held[i] = 1
	}
	if after := Bytes(); after-before < 32<<20 {
		t.Errorf("Bytes() = %d after touching 64 MiB more than %d", after, before)
	}
	if held[len(held)-1] != 1 {
		t.Fatal("the memory was let go")
	}
}
