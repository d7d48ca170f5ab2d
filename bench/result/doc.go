// Package result holds what a benchmark measured and says it to people: as a
// table of text or Markdown, as a plot in SVG, as JSON, and held against the
// bar that the project has set itself.
//
//	report.Table(os.Stdout)
//	result.Verdicts(report)
//
// It refuses to hide: a row that has no number says why, and a bar that could
// not be measured is not called reached.
package result
