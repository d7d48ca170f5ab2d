package rehearsal

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/agent/rehearsal/scene"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/rehearsal"
)

// A pipe is a conversation with a keeper in the same process.
type pipe struct {
	keeper Keeper
	speaks uint8
	asked  *int
	answer *protocol.Envelope
	err    error
}

func (p *pipe) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	if len(body) > protocol.MaxBody {
		return fmt.Errorf("a body of %d bytes", len(body))
	}
	if kind == protocol.KindRehearse {
		*p.asked++
		p.err = p.keeper.Answer(ctx, p, &protocol.Envelope{Kind: kind, Sender: "alpha", Body: body})
		return nil
	}
	p.answer = &protocol.Envelope{Kind: kind, Body: body}
	return nil
}

func (p *pipe) Receive(context.Context) (*protocol.Envelope, error) {
	if p.err == nil {
		return p.answer, nil
	}
	r := mft.ReasonOf(p.err)
	return &protocol.Envelope{Kind: protocol.KindDecision, Body: protocol.AppendDecision(nil, &mft.Decision{Code: r.Code, Detail: r.Detail})}, nil
}

func (p *pipe) Speaks() uint8 { return p.speaks }
func (p *pipe) Close()        {}

// A bench is a source, a destination, and what was asked.
type bench struct {
	from, to string
	grant    mft.Grant
	speaks   uint8
	asked    int
}

func newBench(t testing.TB) *bench {
	b := &bench{from: t.TempDir(), to: t.TempDir(), speaks: protocol.VersionRehearsals}
	b.grant = mft.Grant{Agent: "alpha", Root: b.to, AllowDelete: true}
	return b
}

func (b *bench) asker(q rehearsal.Question) *Asker {
	if q.Destination == "" {
		q.Destination = filepath.ToSlash(b.to) + "/"
	}
	if q.Overwrite == "" {
		q.Overwrite = mft.OverwriteReplace
	}
	if q.Compare == "" {
		q.Compare = mft.CompareQuick
	}
	return &Asker{To: "beta", Question: q, Open: func(context.Context, mft.AgentName, mft.TransferID) (Conversation, error) {
		return &pipe{keeper: Keeper{Grants: func(mft.AgentName) []mft.Grant { return []mft.Grant{b.grant} }, Look: look}, speaks: b.speaks, asked: &b.asked}, nil
	}}
}

// whole walks all of the source, as a mirror does.
func (b *bench) whole(rules ...string) Walk {
	ch := mft.Channel{Name: "box", Mirror: mft.Mirror{On: true}, Select: mft.Selection{Rules: rules}}
	return Source{Channel: ch, Place: source.Place{Channel: b.from, Select: ch.Select}, At: lookout.Local{Root: b.from}}.Walk
}

// look looks in this process.
func look(ctx context.Context, _ mft.AgentName, root, top string, q *rehearsal.Question, _ []byte) ([]rehearsal.Answer, error) {
	return scene.At(ctx, root, top, q)
}

var when = time.Unix(1_700_000_000, 0)

func put(t testing.TB, dir, rel, content string) {
	t.Helper()
	at := filepath.Join(dir, filepath.FromSlash(rel))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if content == "/" {
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(at, when, when); err != nil {
		t.Fatal(err)
	}
}

// found sums the findings up by path; what is removed has how many entries.
func found(t testing.TB, a *Asker, walk Walk) (map[string]string, error) {
	t.Helper()
	out := map[string]string{}
	refused, err := a.Run(t.Context(), walk, func(f Finding) {
		text := string(f.Verdict)
		if f.Verdict == Removed {
			text = fmt.Sprintf("removed %d", f.Items)
		}
		if out[f.Path] != "" {
			t.Errorf("%q is %s and %s", f.Path, out[f.Path], text)
		}
		out[f.Path] = text
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, refused
}

func TestVerdicts(t *testing.T) {
	b := newBench(t)
	for rel, content := range map[string]string{
		"new": "x", "same": "x", "size": "xx", "blocked": "x", "sub/new": "x", "sub/deep/new": "x", "file/in": "x", "kept.tmp": "x", "empty": "/",
	} {
		put(t, b.from, rel, content)
	}
	for rel, content := range map[string]string{
		"same": "x", "size": "x", "blocked": "/", "file": "x", "left.tmp": "x", "gone": "x", "empty/gone": "x", "old/a": "x", "old/b/c": "x", "old/b/keep.tmp": "x",
		"old/b/d/e": "x",
	} {
		put(t, b.to, rel, content)
	}
	put(t, b.from, "time", "x")
	put(t, b.to, "time", "y")
	if err := os.Chtimes(filepath.Join(b.to, "time"), when, when.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	rules := []string{"- *.tmp"}
	before := snapshot(t, b.to)
	got, refused := found(t, b.asker(rehearsal.Question{Mirror: mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}, Rules: rules}), b.whole(rules...))
	want := map[string]string{
		"new": "new", "same": "same", "size": "changed", "time": "changed", "blocked": "blocked", "sub": "new", "sub/new": "new", "sub/deep": "new", "sub/deep/new": "new",
		"file": "blocked", "file/in": "blocked", "empty": "same", "gone": "removed 1", "empty/gone": "removed 1", "old": "removed 4",
	}
	if diff := cmp.Diff(want, got); diff != "" || refused != nil {
		t.Errorf("refused %v, %s", refused, diff)
	}
	if diff := cmp.Diff(before, snapshot(t, b.to)); diff != "" {
		t.Errorf("the destination is another one: %s", diff)
	}
	_, refused = found(t, b.asker(rehearsal.Question{Mirror: mft.Mirror{On: true, MaxFiles: 3, MaxPercent: -1}, Rules: rules}), b.whole(rules...))
	if mft.CodeOf(refused) != mft.CodeDeleteLimit {
		t.Errorf("with 5 files to be removed of 3 at most: %v, want DELETE_LIMIT", refused)
	}
	_, refused = found(t, b.asker(rehearsal.Question{Mirror: mft.Mirror{On: true, MaxFiles: -1, MaxPercent: 40}, Rules: rules}), b.whole(rules...))
	if mft.CodeOf(refused) != mft.CodeDeleteLimit {
		t.Errorf("with 6 of 13 entries to be removed, of 40 %% at most: %v, want DELETE_LIMIT", refused)
	}
	for _, tt := range []struct {
		q    rehearsal.Question
		want string
	}{
		{rehearsal.Question{Compare: mft.CompareContent}, "unsure"},
		{rehearsal.Question{Compare: mft.CompareNone}, "changed"},
		{rehearsal.Question{Overwrite: mft.OverwriteNever}, "kept"},
	} {
		if got, _ := found(t, b.asker(tt.q), b.whole()); got["same"] != tt.want || got["gone"] != "" {
			t.Errorf("%+v: %v, want same to be %s and nothing to be removed", tt.q, got, tt.want)
		}
	}
}

// snapshot has names, sizes and times of a tree.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		out[p] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAgainstTheTrees: for any two trees, every path is told of once, and what is told
// is what a comparison of the whole trees says. Some directories take several messages.
func TestAgainstTheTrees(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		dirs := []string{"", "a", "a/b", "c", "c/" + strings.Repeat("d", 200)}
		from, to := map[string]string{}, map[string]string{}
		for _, tree := range []map[string]string{from, to} {
			for _, d := range dirs {
				n := rapid.IntRange(0, 3).Draw(rt, "files")
				if d == "a" && rapid.IntRange(0, 3).Draw(rt, "many") == 0 {
					n = 250
				}
				for i := range n {
					size := rapid.IntRange(0, 1).Draw(rt, "size")
					tree[path.Join(d, fmt.Sprintf("%s%03d", strings.Repeat("f", 1+n/250*200), rapid.IntRange(i, i+1).Draw(rt, "name")))] = strings.Repeat("x", size)
				}
			}
		}
		for p, content := range from {
			put(t, b.from, p, content)
		}
		for p, content := range to {
			put(t, b.to, p, content)
		}
		got := map[string]Verdict{}
		var removed int64
		q := rehearsal.Question{Mirror: mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}}
		_, err := b.asker(q).Run(t.Context(), b.whole(), func(f Finding) {
			if f.Verdict == Removed {
				removed += f.Items
			} else if f.Dir {
				return
			} else if got[f.Path] != "" {
				rt.Errorf("%s is told of twice", f.Path)
			}
			got[f.Path] = f.Verdict
		})
		if err != nil {
			rt.Fatal(err)
		}
		dirsOf := func(tree map[string]string) map[string]bool {
			out := map[string]bool{}
			for p := range tree {
				for d := path.Dir(p); d != "."; d = path.Dir(d) {
					out[d] = true
				}
			}
			return out
		}
		var extra int64
		for p := range to {
			if _, is := from[p]; !is {
				extra++
			}
		}
		there := dirsOf(from)
		for d := range dirsOf(to) {
			if !there[d] {
				extra++
			}
		}
		if removed != extra {
			rt.Errorf("%d entries would be removed, want %d", removed, extra)
		}
		for p, content := range from {
			want := New
			if old, is := to[p]; is {
				if want = Changed; old == content {
					want = Same
				}
			}
			if got[p] != want {
				rt.Errorf("%s is %q, want %s", p, got[p], want)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	put(t, b.from, "a", "x")
	mirror := mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
	for what, tt := range map[string]struct {
		with func(*bench)
		q    rehearsal.Question
		want mft.Code
	}{
		"no grant for the place":      {func(b *bench) { b.grant.Root = filepath.Join(b.to, "else") }, rehearsal.Question{}, mft.CodeNotAllowed},
		"no grant to remove":          {func(b *bench) { b.grant.AllowDelete = false }, rehearsal.Question{Mirror: mirror}, mft.CodeNotAllowed},
		"a place above the grant":     {func(*bench) {}, rehearsal.Question{Destination: filepath.ToSlash(b.to) + "/../x"}, mft.CodeBadPath},
		"an agent of before":          {func(b *bench) { b.speaks = protocol.VersionMarkers }, rehearsal.Question{}, mft.CodeVersion},
		"rules that cannot be used":   {func(*bench) {}, rehearsal.Question{Mirror: mirror, Rules: []string{"? x"}}, mft.CodeProtocol},
		"rules that are far too long": {func(*bench) {}, rehearsal.Question{Mirror: mirror, Rules: manyRules()}, mft.CodeTooLarge},
	} {
		t.Run(what, func(t *testing.T) {
			one := *b
			tt.with(&one)
			_, err := one.asker(tt.q).Run(t.Context(), one.whole(), func(f Finding) { t.Errorf("it is told of %+v", f) })
			if mft.CodeOf(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func manyRules() (out []string) {
	for range 900 {
		out = append(out, "- "+strings.Repeat("r", 100))
	}
	return out
}

// TestLinksAreNotFollowed: what a link at the destination leads to is not told of.
func TestLinksAreNotFollowed(t *testing.T) {
	b := newBench(t)
	secret := t.TempDir()
	put(t, secret, "a", "x")
	put(t, secret, "b", "x")
	put(t, b.from, "d/a", "x")
	if err := os.Symlink(secret, filepath.Join(b.to, "d")); err != nil {
		t.Fatal(err)
	}
	got, _ := found(t, b.asker(rehearsal.Question{Mirror: mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}}), b.whole())
	if diff := cmp.Diff(map[string]string{"d": "blocked", "d/a": "blocked"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestUnread: what cannot be looked at is told of, and nothing is removed in its place.
func TestUnread(t *testing.T) {
	b := newBench(t)
	put(t, b.to, "a", "x")
	put(t, b.to, "young", "x")
	put(t, b.to, ".mft-1.part/x", "x") // of a transfer that has not ended
	walk := func(_ context.Context, visit func(Thing) error) error {
		for _, thing := range []Thing{
			{Item: mft.Item{Path: "a"}, Err: mft.Fail(mft.CodePermission, "open", "a", fs.ErrPermission)},
			{Item: mft.Item{Path: "young"}, Stays: true},
		} {
			if err := visit(thing); err != nil {
				return err
			}
		}
		return nil
	}
	got, _ := found(t, b.asker(rehearsal.Question{Mirror: mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}}), walk)
	if diff := cmp.Diff(map[string]string{"a": "unread"}, got); diff != "" {
		t.Error(diff)
	}
}
