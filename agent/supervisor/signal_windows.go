package supervisor

import "os"

// interrupt is what tells a process to end.
func interrupt() os.Signal { return os.Kill }
