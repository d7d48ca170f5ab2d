package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// script makes a program of sh that everybody may run.
func (h *host) script(name, text string) string {
	h.t.Helper()
	file := filepath.Join(h.Dir, name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(file, 0o755); err != nil {
		h.t.Fatal(err)
	}
	return file
}

// shared makes a directory into which everybody may write.
func (h *host) shared(name string) string {
	h.t.Helper()
	dir := filepath.Join(h.Dir, name)
	err := os.Mkdir(dir, 0o777)
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return dir
}

// TestSeparateExits has commands of a host whose agent is not root run as whom each names:
// one reads what was delivered for its user, which the agent's own cannot; none reads what the agent has.
func TestSeparateExits(t *testing.T) {
	alpha, beta := newSeparate(t)
	told := beta.shared("told")
	tell := beta.script("tell", `cat "$2" > "`+told+`/$1.content" 2>/dev/null
cat "$3/journal.db" > /dev/null 2>&1 && echo journal >> "`+told+`/$1.read"
grep -E '^(Uid|Gid|CapEff|NoNewPrivs)' /proc/self/status | tr '\t\n' '  ' > "`+told+`/$1.new"
printf '%s %s %s' "$HOME" "$USER" "$MFT_RUN" >> "`+told+`/$1.new"
mv "`+told+`/$1.new" "`+told+`/$1"`)
	one := func(name, who string) string {
		return fmt.Sprintf("{phase: post, umask: '022', run: [%q, %s, \"{fullFilePath}\", %q]%s}", tell, name, beta.Data(), who)
	}
	beta.configure(fmt.Sprintf("allow: {files_from: [{agent: alpha, into: %q, %s}]}\nexits: [%s]\n", beta.In(), as(), strings.Join([]string{
		fmt.Sprintf("{phase: pre, user: %d, group: %d, run: [/bin/sh, -c, '[ $(id -u) = %d ]']}", filesUser, groupUser, filesUser),
		one("files", fmt.Sprintf(", user: %d, group: %d", filesUser, groupUser)),
		one("agents", ""), one("root", ", user: root, allow_root: true"),
	}, ", ")))
	alpha.start()
	beta.start()
	pair(beta, alpha, alpha.Addr)
	file := filepath.Join(alpha.Out(), "f")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	alpha.mft("copy", file, "--dest-agent", "beta", "--dest-path", beta.In()+"/")
	for name, want := range map[string]struct {
		ids, caps, env, content string
	}{
		"files":  {fmt.Sprintf("Uid: %d %[1]d %[1]d %[1]d Gid: %d ", filesUser, groupUser), "0000000000000000", fmt.Sprintf("/ %d 1", filesUser), "content"},
		"agents": {fmt.Sprintf("Uid: %d %[1]d %[1]d %[1]d Gid: %[1]d ", agentUser), "0000000000000000", fmt.Sprintf("/ %d 1", agentUser), ""},
		"root":   {"Uid: 0 0 0 0 Gid: 0 ", "00000000000000ff", "/root root 1", "content"},
	} {
		eventually(t, "the command of "+name, is(filepath.Join(told, name), true), beta.Tail)
		said, err := os.ReadFile(filepath.Join(told, name))
		if got := strings.Join(strings.Fields(string(said)), " "); err != nil || !strings.HasPrefix(got, want.ids) || !strings.Contains(got, "NoNewPrivs: 1") ||
			!strings.Contains(got, "CapEff: "+want.caps) || !strings.HasSuffix(got, want.env) {
			t.Errorf("%s: %s, %v; want %+v", name, got, err, want)
		}
		if content, err := os.ReadFile(filepath.Join(told, name+".content")); err != nil || string(content) != want.content {
			t.Errorf("%s has read %q, %v, want %q", name, content, err, want.content)
		}
		if is(filepath.Join(told, name+".read"), true)() {
			t.Errorf("%s has read the journal of the agent", name)
		}
	}
}

// TestSeparateExitsEnd: a command ends with the agent, however that ends, before the next life
// runs it again; and one whose process is killed has failed, and is killed too.
func TestSeparateExitsEnd(t *testing.T) {
	kill := func(h *host, pid int) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			h.t.Error(err)
		}
	}
	for _, tt := range []struct {
		name  string
		end   func(h *host, launcher int)
		again bool // it has to be started again
	}{
		{"the host is told to end", func(h *host, _ int) { h.stop() }, true},
		{"the supervisor is killed", func(h *host, _ int) { h.Kill() }, true},
		{"the agent is killed", func(h *host, _ int) {
			running := h.Running()
			kill(h, h.children(agentUser)[0])
			<-running.Ended()
			h.Kill()
		}, true},
		{"the process of the command is killed", kill, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alpha, beta := newSeparate(t)
			told := beta.shared("told")
			wait := beta.script("wait", `echo $$ $PPID > "`+told+`/new"; mv "`+told+`/new" "`+told+`/$MFT_RUN"; [ $MFT_RUN = 1 ] && exec sleep 600; exit 0`)
			beta.configure(fmt.Sprintf("allow: {files_from: [{agent: alpha, into: %q, %s}]}\nexits: [{phase: post, user: %d, retries: 1, retry_delay: 1ms, run: [%q]}]\n",
				beta.In(), as(), otherUser, wait))
			alpha.start()
			beta.start()
			pair(beta, alpha, alpha.Addr)
			file := filepath.Join(alpha.Out(), "f")
			if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
				t.Fatal(err)
			}
			alpha.mft("copy", file, "--dest-agent", "beta", "--dest-path", beta.In()+"/")
			first := filepath.Join(told, "1")
			eventually(t, "the command runs", is(first, true), beta.Tail)
			var command, launcher int
			said, err := os.ReadFile(first)
			if err == nil {
				_, err = fmt.Sscan(string(said), &command, &launcher)
			}
			if err != nil {
				t.Fatal(err)
			}
			tt.end(beta, launcher)
			if tt.again {
				eventually(t, "all processes have ended", func() bool { return !beta.lives() }, beta.Tail)
				eventually(t, "the command has ended", func() bool { return gone(command) }, beta.Tail)
				beta.start()
			}
			eventually(t, "the command runs again", is(filepath.Join(told, "2"), true), beta.Tail)
			if !gone(command) {
				t.Error("the first one still runs")
			}
		})
	}
}

// gone reports whether a process has ended, but for being waited for.
func gone(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(status), ") Z ")
}

// TestSeparateExitsNobody: a user that is not there, and root without leave, keep the host from starting.
func TestSeparateExitsNobody(t *testing.T) {
	_, beta := newSeparate(t)
	for user, why := range map[string]string{"no-such-user-here": "no user", "root": "allow_root"} {
		beta.configure(fmt.Sprintf("exits: [{phase: post, user: %s, run: [/bin/true]}]\n", user))
		for _, command := range [][]string{{"run"}, {"config", "check"}} {
			_, err := beta.run(command...)
			if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "exits[0]") || !strings.Contains(err.Error(), "exit status 7") {
				t.Errorf("mft %s with the user %s: %v", strings.Join(command, " "), user, err)
			}
		}
	}
}

// TestSeparateGuard has the check of a guard run as the user of its channel, who alone can look at the
// source, and a run begin when it is content.
func TestSeparateGuard(t *testing.T) {
	alpha, beta := newSeparated(t)
	check := alpha.script("check", `[ "$(id -u)" = `+fmt.Sprint(filesUser)+` ] || echo "it is $(id)"; ls "$1"; [ -e "$1/good" ]`)
	alpha.configure(fmt.Sprintf(`
channels:
  - name: guarded
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {manual: true}
    guard: {check: [%q, %q]}
    %s
`, alpha.Out(), beta.In(), check, alpha.Out(), as()))
	beta.configure(fmt.Sprintf("allow: {files_from: [{agent: alpha, into: %q, run_as: {user: %d, group: %d}}]}\n", beta.In(), otherUser, groupUser))
	connect(alpha, beta)
	put(t, filepath.Join(alpha.Out(), "f"), "content")
	if out, err := alpha.run("channel", "run", "guarded"); err == nil || !strings.Contains(out+err.Error(), "GUARD_FAILED") || !strings.Contains(out+err.Error(), `exit status 1; it said "f"`) {
		t.Errorf("a source that is not good: %v, %s; want GUARD_FAILED", err, out)
	}
	put(t, filepath.Join(alpha.Out(), "good"), "")
	alpha.mft("channel", "run", "guarded")
	becomes(t, "a good source is sent", has(filepath.Join(beta.In(), "f"), "content"))
}

// TestSeparateReplaced has the file of the program replaced while it runs, as an upgrade does: what the
// supervisor starts after that is what it is itself, for it would not understand another.
func TestSeparateReplaced(t *testing.T) {
	_, beta := newSeparate(t)
	program := filepath.Join(filepath.Dir(beta.Dir), "mft")
	content, err := os.ReadFile(beta.Binary())
	if err == nil {
		err = os.WriteFile(program, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	replaced := newSeparateHostOf(t, program, "gamma", filesUser)
	told := replaced.shared("told")
	replaced.configure(fmt.Sprintf("allow: {files_from: [{agent: beta, into: %q, %s}]}\nexits: [{phase: post, user: %d, run: [/bin/cp, \"{fullFilePath}\", %q]}]\n", replaced.In(), as(), filesUser, told))
	beta.configure("")
	beta.start()
	replaced.start()
	pair(replaced, beta, beta.Addr)
	if err := os.WriteFile(program+".new", []byte("#!/bin/false\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(program+".new", program); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(beta.Dir, "f")
	if err := os.WriteFile(file, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, agentUser, agentUser); err != nil {
		t.Fatal(err)
	}
	beta.mft("copy", file, "--dest-agent", "gamma", "--dest-path", replaced.In()+"/")
	eventually(t, "the command has run", has(filepath.Join(told, "f"), "content"), replaced.Tail)
}
