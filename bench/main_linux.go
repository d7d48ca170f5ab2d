package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"mft.dev/mft/bench/faraway"
	"mft.dev/mft/bench/result"
	"mft.dev/mft/bench/workload"
)

// options are what the command line says.
type options struct {
	scale    float64
	rounds   int
	only     map[string]bool // nil is everything
	against  map[string]bool // nil is everybody
	dir      string          // on a RAM disk
	disk     string          // "" is none
	mft      string          // "" is built
	json     string
	markdown string
	svg      string
	from     string
	limit    time.Duration // of one run
	way      faraway.Terms // without loss
}

func main() {
	if done, err := part(os.Args[1:]); done {
		exit(err)
	}
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err = run(ctx, o)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := f.Bool("quick", false, "everything in a minute or two: scale 0.02, one round, and only those whom the bar names, unless they are given")
	f.Float64Var(&o.scale, "scale", 1, "share of the full sizes")
	f.IntVar(&o.rounds, "rounds", 5, "how often each contender is measured, after one round that warms up")
	only := f.String("only", "", "`LETTERS` of the workloads to run, with commas: a,b,j1 (default: all)")
	against := f.String("against", "", "`NAMES` of the contenders besides mft, with commas: rsync+ssh,cp (default: all)")
	f.StringVar(&o.dir, "dir", "/dev/shm", "`DIR` for the data, on a RAM disk")
	f.StringVar(&o.disk, "disk", "", "repeat everything with the data in `DIR`, on a disk")
	f.StringVar(&o.mft, "mft", "", "measure this `BINARY` instead of building mft")
	f.StringVar(&o.json, "json", "", "write all samples to `FILE`")
	f.StringVar(&o.markdown, "markdown", "", "rewrite the table in `FILE`, between its marks")
	f.StringVar(&o.svg, "svg", "", "write the plot to `FILE`")
	f.StringVar(&o.from, "from", "", "measure nothing: read what -json wrote to `FILE`, or to several, with commas")
	megabytes := f.Float64("bandwidth", 50, "of the far away rows, in `MB/S`")
	rtt := f.Duration("rtt", 50*time.Millisecond, "round trip of the far away rows")
	f.StringVar(&o.way.Congestion, "congestion", "cubic", "`NAME` of the congestion control in the far away rows")
	f.DurationVar(&o.limit, "limit", 15*time.Minute, "give up a single run after this time")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("what is %q? see -help", f.Arg(0))
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if *quick && !given["scale"] {
		o.scale = 0.02
	}
	if *quick && !given["rounds"] {
		o.rounds = 1
	}
	if *quick && !given["against"] {
		*against = "rsync+ssh,rsyncd,cp,tls,find"
	}
	o.only, o.against = set(*only), set(*against)
	if err := known(o.only); err != nil {
		return o, err
	}
	o.way.Delay, o.way.Bandwidth = *rtt/2, *megabytes*1e6
	o.way.Queue = int(2 * o.way.Bandwidth * rtt.Seconds())
	if *rtt <= 0 || *megabytes <= 0 {
		return o, errors.New("-rtt and -bandwidth must be above 0")
	}
	if o.scale <= 0 || o.scale > 1 || o.rounds < 1 {
		return o, errors.New("-scale must be above 0 and no more than 1, -rounds at least 1")
	}
	return o, nil
}

// set is what a list with commas names, nil if it names nothing.
func set(list string) map[string]bool {
	if list == "" {
		return nil
	}
	out := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		out[strings.TrimSpace(name)] = true
	}
	return out
}

// known refuses keys that no workload has.
func known(keys map[string]bool) error {
	all := map[string]bool{"k": true}
	for _, w := range workload.All() {
		all[w.Key], all[w.Key[:1]] = true, true
	}
	for key := range keys {
		if !all[key] {
			return fmt.Errorf("there is no workload %q", key)
		}
	}
	return nil
}

// wants says whether a workload was asked for, by its key or its letter.
func (o options) wants(key string) bool {
	return o.only == nil || o.only[key] || o.only[key[:1]]
}

// takers are those of a workload that were asked for.
func (o options) takers(w workload.Workload) []string {
	return slices.DeleteFunc(slices.Clone(w.Takers), func(name string) bool {
		return name != "mft" && o.against != nil && !o.against[name]
	})
}

// run measures, or reads what was measured, and says it.
func run(ctx context.Context, o options) error {
	var report *result.Report
	var err error
	if o.from != "" {
		report, err = read(o.from)
	} else {
		report, err = measure(ctx, o)
	}
	if report == nil {
		return err
	}
	if err != nil {
		o.markdown, o.svg = "", "" // half a measurement is not for a document
	}
	return errors.Join(err, say(report, o))
}

// read reads reports that -json wrote, the later ones over the earlier ones.
func read(names string) (*result.Report, error) {
	var all *result.Report
	for name := range strings.SplitSeq(names, ",") {
		r, err := readOne(name)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = r
		} else if err := all.Add(r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
}

func readOne(name string) (*result.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return result.ReadJSON(f)
}

// say prints the report and writes the files that were asked for.
func say(r *result.Report, o options) error {
	errs := []error{r.Table(os.Stdout), r.Judge(os.Stdout)}
	if o.json != "" {
		errs = append(errs, toFile(o.json, func(f *os.File) error { return r.WriteJSON(f) }))
	}
	plot := ""
	if o.svg != "" {
		errs = append(errs, os.WriteFile(o.svg, []byte(r.Plot()), 0o644))
		plot = filepath.Base(o.svg)
	}
	if o.markdown != "" {
		errs = append(errs, rewrite(o.markdown, r.Markdown(plot)))
	}
	return errors.Join(errs...)
}

// rewrite puts a text between the marks of a file.
func rewrite(name, text string) error {
	document, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	changed, err := result.Replace(string(document), text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, []byte(changed), 0o644)
}

func toFile(name string, write func(*os.File) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
