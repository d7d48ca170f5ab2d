package post

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	here, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	there, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

func TestMessages(t *testing.T) {
	here, there := pair(t)
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sent := []Message{
		{Kind: 1, ID: 7, Payload: []byte("one")},
		{Kind: 2, ID: 1 << 31},
		{Kind: 3, Payload: []byte("with a file"), File: file},
		{Kind: 4, Payload: bytes.Repeat([]byte{5}, 3<<20), File: file},
		{Kind: 5, Payload: []byte("the last")},
	}
	failed := make(chan error, 1)
	go func() {
		for _, m := range sent {
			if err := here.Send(m); err != nil {
				failed <- err
			}
		}
		here.Close()
	}()
	for _, want := range sent {
		m, err := there.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind != want.Kind || m.ID != want.ID || !bytes.Equal(m.Payload, want.Payload) || (m.File == nil) != (want.File == nil) {
			t.Errorf("Receive = %d %d, %d bytes, want %d %d, %d bytes", m.Kind, m.ID, len(m.Payload), want.Kind, want.ID, len(want.Payload))
		}
		if m.File != nil {
			if b, err := io.ReadAll(io.NewSectionReader(m.File, 0, 100)); err != nil || string(b) != "content" {
				t.Errorf("the file that came has %q, %v", b, err)
			}
			m.File.Close()
		}
	}
	if _, err := there.Receive(); err != io.EOF {
		t.Errorf("Receive after the end: %v, want io.EOF", err)
	}
	select {
	case err := <-failed:
		t.Error(err)
	default:
	}
}

func TestForm(t *testing.T) {
	for name, b := range map[string][]byte{
		"too large":      {0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0},
		"no such flag":   {0, 0, 0, 0, 1, 2, 0, 0, 0, 0},
		"no file":        {0, 0, 0, 0, 1, 1, 0, 0, 0, 0},
		"cut in header":  {0, 0, 0},
		"cut in payload": {9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := pair(t)
			if _, err := here.Socket().Write(b); err != nil {
				t.Fatal(err)
			}
			here.Close()
			if m, err := there.Receive(); err == nil || errors.Is(err, net.ErrClosed) {
				t.Errorf("Receive = %+v, %v, want an error of the form", m, err)
			}
		})
	}
}
