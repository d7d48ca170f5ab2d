package agent_test

import "os"

// pipe stands for a named pipe, which is not a file on Windows.
func pipe(path string) error { return os.Mkdir(path, 0o755) }
