// Package selection decides which entries of a tree a channel moves: an ordered
// list of rules that include and exclude, with the meaning that rsync gives its
// filter rules, and limits of size and age.
//
//	rules, err := selection.ParseText("+ */\n+ *.csv\n- *\n")
//	s := selection.Selection{Rules: rules, Limits: selection.Limits{MinAge: time.Minute}}
//	d := s.Decide(selection.Entry{Path: "out/a.csv", Type: mft.ItemFile, Size: 9, MTime: then}, now)
//	fmt.Println(d) // moves: rule 2, "+ *.csv"
//
// # Rules
//
// A rule is "+ pattern" (or "include pattern") for what moves, "- pattern" (or
// "exclude pattern") for what stays. The first rule whose pattern matches decides;
// what no rule matches moves. Every directory on the way down is asked for like any
// other entry, and one that stays is not entered: nothing below it moves, whatever
// later or earlier rules say of that. So who wants nothing but x/y/a.csv includes
// x/ and x/y/ too, and who wants some files from anywhere includes */ .
//
// # Patterns
//
//	a*.csv      compared with the last component of a path, as there is no slash
//	x/a.csv     ... with as many components from its end as the pattern has
//	x/**.csv    ... with the end of a path, from its beginning or behind any slash,
//	            as there is a **
//	/a.csv      ... with the whole path below the channel's root
//	a/          matches directories only
//	?           one byte, but no slash
//	*           any number of bytes, but no slash
//	**          any number of bytes; **/a is a at any depth, the top included
//	x/***       the directory x, and everything below it
//	[a-z_]      one byte of a class, [!a-z] or [^a-z] one that is not in it;
//	            [[:alpha:]] and its like know ASCII; no class matches a slash
//	\           takes from what follows its meaning, but is itself in a pattern
//	            that has none of * ? [
//
// Names are bytes without an encoding, and upper and lower case differ. A pattern
// that could match nothing is refused where rsync goes on in silence: one with an
// open bracket, an empty component, "." or "..". So is what rsync has beyond that:
// modifiers, per-directory files, and rules for one end only (hide, protect).
//
// # Limits
//
// [Limits] hold for files, as they do in rsync: directories and symbolic links move
// whatever their size and age. What a transfer of mft puts aside, .mft-*.part, never
// moves.
//
// Everything here is a value and a pure function of it, which several goroutines may
// use at once; nothing looks at a disk or a clock. The time that it takes to match is
// bounded by the product of the lengths of path and patterns.
package selection
