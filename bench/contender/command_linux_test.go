package contender

import (
	"strings"
	"testing"
)

// TestCommandLines holds what docs/performance.md says of the contenders.
func TestCommandLines(t *testing.T) {
	s := &sshd{own: "/own", port: "2222", host: "root@127.0.0.1"}
	const flags = "2222 -i /own/user -c aes128-gcm@openssh.com -o StrictHostKeyChecking=no" +
		" -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes"
	tree := Trip{Source: "/source/item", Into: "/into", Tree: true}
	file := Trip{Source: "/source/item", Into: "/into"}
	mirrored := Trip{Source: "/source/item", Into: "/into", Tree: true, Mirror: true}
	for _, tc := range []struct {
		name  string
		argv  func(Trip) ([]string, string)
		trip  Trip
		want  string
		input string
	}{
		{"rsync", s.rsync, tree, "rsync -a -e ssh -F none -p " + flags + " /source/item root@127.0.0.1:/into/", ""},
		{"rsync, mirrored", s.rsync, mirrored, "rsync -a -e ssh -F none -p " + flags + " --delete /source/item root@127.0.0.1:/into/", ""},
		{"scp", s.scp, tree, "scp -q -r -p -F none -P " + flags + " /source/item root@127.0.0.1:/into/", ""},
		{"sftp", s.sftp, tree, "sftp -q -b - -F none -P " + flags + " root@127.0.0.1", "put -R -p \"/source/item\" \"/into/\"\n"},
		{
			"tar", s.tar, tree,
			`sh -c tar -C "$1" -cf - "$2" | { shift 2; ssh "$@"; } sh /source item -F none -p ` + flags + " root@127.0.0.1 tar -C '/into' -xpf -", "",
		},
		{
			"rclone of a tree", s.rclone, tree, "rclone copy --config  --log-level ERROR /source/item" +
				" :sftp,host=127.0.0.1,port=2222,user=root,key_file='/own/user',shell_type=unix,disable_hashcheck=true:/into/item", "",
		},
		{
			"rclone of a file", s.rclone, file, "rclone copy --config  --log-level ERROR /source/item" +
				" :sftp,host=127.0.0.1,port=2222,user=root,key_file='/own/user',shell_type=unix,disable_hashcheck=true:/into", "",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			argv, input := tc.argv(tc.trip)
			if got := strings.Join(argv, " "); got != tc.want {
				t.Errorf("the command line is\n%s\nwant\n%s", got, tc.want)
			}
			if input != tc.input {
				t.Errorf("the input is %q, want %q", input, tc.input)
			}
		})
	}
}

// TestStoredCommandLines: all of it goes to a container, and from there to where
// it has to be.
func TestStoredCommandLines(t *testing.T) {
	e := &emulator{blobs: "http://h:1/acc", sas: "sig=s", self: "bench"}
	tree := Trip{Source: "/source/item", Into: "/into", Tree: true}
	file := Trip{Source: "/source/item", Into: "/into"}
	const rclone = "rclone copy --config  --log-level ERROR "
	const azcopy = "azcopy copy --log-level=ERROR --output-level=essential "
	for _, tc := range []struct {
		name     string
		argv     func(string, Trip) (up, down []string)
		trip     Trip
		up, down string
	}{
		{"sdk", e.sdk, tree, "bench bare-upload http://h:1/acc c /source/item", "bench bare-download http://h:1/acc c /into"},
		{
			"rclone of a file", e.rclone, file, rclone + "/source/item :azureblob,sas_url='http://h:1/acc?sig=s':c",
			rclone + ":azureblob,sas_url='http://h:1/acc?sig=s':c /into",
		},
		{
			"rclone of a tree", e.rclone, tree, rclone + "/source/item :azureblob,sas_url='http://h:1/acc?sig=s':c/item",
			rclone + ":azureblob,sas_url='http://h:1/acc?sig=s':c /into",
		},
		{
			"azcopy of a file", e.azcopy, file, azcopy + "--from-to=LocalBlob /source/item http://h:1/acc/c/item?sig=s",
			azcopy + "--from-to=BlobLocal http://h:1/acc/c/item?sig=s /into/item",
		},
		{
			"azcopy of a tree", e.azcopy, tree, azcopy + "--recursive --from-to=LocalBlob /source/item http://h:1/acc/c?sig=s",
			azcopy + "--recursive --from-to=BlobLocal http://h:1/acc/c/item?sig=s /into",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up, down := tc.argv("c", tc.trip)
			if got := strings.Join(up, " "); got != tc.up {
				t.Errorf("up it is\n%s\nwant\n%s", got, tc.up)
			}
			if got := strings.Join(down, " "); got != tc.down {
				t.Errorf("down it is\n%s\nwant\n%s", got, tc.down)
			}
		})
	}
}

func TestPlace(t *testing.T) {
	here := Place{Address: "127.0.0.1"}
	if got := here.command("a", "b").Args; strings.Join(got, " ") != "a b" {
		t.Errorf("here the command is %q, want a b", got)
	}
	there := Place{Address: "10.0.0.1", Enter: []string{"bench", "within", "/ns"}}
	for range 2 { // appending must not reach into Enter
		if got := there.command("a", "b").Args; strings.Join(got, " ") != "bench within /ns a b" {
			t.Errorf("there the command is %q, want bench within /ns a b", got)
		}
	}
	if got, want := slashed("10.0.0.1:22"), "10.0.0.1/22"; got != want {
		t.Errorf("slashed = %q, want %q", got, want)
	}
}
