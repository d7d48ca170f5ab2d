package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mft.dev/mft"
)

type content struct {
	Secret string `json:"secret"`
}

func TestWriteAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	if err := Write("write", path, content{"s3cret"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v (%v), want 0600", info.Mode(), err)
	}
	var got content
	if err := Read("read", path, Private, &got); err != nil || got.Secret != "s3cret" {
		t.Errorf("Read = %+v, %v", got, err)
	}
}

func TestReadRefuses(t *testing.T) {
	tests := []struct {
		name    string
		content string
		mode    os.FileMode
		allowed Check
		want    mft.Code
	}{
		{"private", `{"secret":"s3cret"}`, 0o600, Private, mft.CodeOK},
		{"readable, where that is fine", `{"secret":"s3cret"}`, 0o644, Owned, mft.CodeOK},
		{"readable", `{"secret":"s3cret"}`, 0o644, Private, mft.CodeConfig},
		{"writable", `{"secret":"s3cret"}`, 0o620, Owned, mft.CodeConfig},
		{"empty", ``, 0o600, Private, mft.CodeCorrupt},
		{"other field", `{"secret":"s3cret","more":1}`, 0o600, Private, mft.CodeCorrupt},
		{"something behind", `{"secret":"s3cret"} x`, 0o600, Private, mft.CodeCorrupt},
		{"other type", `"s3cret"`, 0o600, Private, mft.CodeCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && tt.mode != 0o600 {
				t.Skip("no mode bits")
			}
			path := filepath.Join(t.TempDir(), "f.json")
			if err := errors.Join(os.WriteFile(path, []byte(tt.content), 0o600), os.Chmod(path, tt.mode)); err != nil {
				t.Fatal(err)
			}
			var got content
			err := Read("read", path, tt.allowed, &got)
			if code := mft.CodeOf(err); code != tt.want {
				t.Errorf("Read: code %s (%v), want %s", code, err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the content: %v", err)
			}
		})
	}
	err := Read("read", filepath.Join(t.TempDir(), "none"), Private, &content{})
	if code := mft.CodeOf(err); code != mft.CodeNotFound {
		t.Errorf("Read of no file: code %s (%v), want %s", code, err, mft.CodeNotFound)
	}
	if err := Write("write", filepath.Join(t.TempDir(), "none", "f"), content{}); err == nil {
		t.Error("Write without a directory succeeded")
	}
}
