package exchangetest

import (
	"fmt"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

var keysTests = []test{
	{"statements are published", statementsPublished},
	{"sizes and ids", statementSizes},
	{"more than are returned", manyStatements},
}

// statements complains unless an agent has stated exactly this.
func (s *suite) statements(of mft.AgentName, want ...string) {
	s.Helper()
	for _, x := range []exchange.Exchange{s.A, s.B, s.Twin} {
		list, err := x.Keys.Statements(s.ctx, of)
		if err != nil && (len(want) > 0 || mft.CodeOf(err) != mft.CodeNotFound) {
			s.Fatalf("Statements(%q): %v", of, err)
		}
		var got []string
		for _, statement := range list {
			got = append(got, string(statement))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			s.Errorf("Statements(%q): %.60q, want %.60q", of, got, want)
		}
	}
}

func statementsPublished(s *suite) {
	s.statements(s.NameA)
	s.statements(s.Absent)
	s.ok(s.A.Keys.Publish(s.ctx, "key-1", []byte("first")), "Publish")
	s.statements(s.NameA, "first")
	s.ok(s.A.Keys.Publish(s.ctx, "key-1", []byte("first")), "Publish again")
	s.ok(s.B.Keys.Publish(s.ctx, "key-1", []byte("of b")), "Publish")
	s.ok(s.Twin.Keys.Publish(s.ctx, "key-2", []byte("of its twin")), "Publish")
	s.statements(s.NameA, "first")
	s.statements(s.NameB, "of b", "of its twin")
	s.ok(s.A.Keys.Publish(s.ctx, "key-1", []byte("replaced")), "Publish over it")
	s.statements(s.NameA, "replaced")
	if _, err := s.A.Keys.Statements(s.ctx, "../"+s.NameA); mft.CodeOf(err) != mft.CodeBadName {
		s.Errorf("Statements of what is no name: %v", err)
	}
}

func statementSizes(s *suite) {
	most := string(content(1, exchange.MaxStatement))
	s.ok(s.A.Keys.Publish(s.ctx, strings.Repeat("a", 64), []byte(most)), "Publish of the longest statement")
	s.statements(s.NameA, most)
	s.fails(s.A.Keys.Publish(s.ctx, "long", []byte(most+"x")), only(mft.CodeTooLarge), "Publish of a byte too much")
	s.fails(s.A.Keys.Publish(s.ctx, "empty", nil), only(mft.CodeUsage), "Publish of nothing")
	for _, id := range []string{"", ".", "..", "a/b", "../x", "A", "a.b", "a\x00", strings.Repeat("a", 65)} {
		s.fails(s.A.Keys.Publish(s.ctx, id, []byte("x")), only(mft.CodeBadName), "Publish(%q)", id)
	}
	s.statements(s.NameA, most)
}

func manyStatements(s *suite) {
	const n = exchange.MaxStatements + 3
	for i := range n {
		s.ok(s.A.Keys.Publish(s.ctx, fmt.Sprintf("key-%03d", i), fmt.Appendf(nil, "statement %d", i)), "Publish")
	}
	list, err := s.B.Keys.Statements(s.ctx, s.NameA)
	s.ok(err, "Statements")
	if len(list) != exchange.MaxStatements {
		s.Errorf("Statements returned %d, want %d", len(list), exchange.MaxStatements)
	}
	if last := fmt.Sprintf("statement %d", n-1); !slices.ContainsFunc(list, func(b []byte) bool { return string(b) == last }) {
		s.Errorf("the latest statement is not among those returned")
	}
}
