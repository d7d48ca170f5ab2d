// Package store is what a relay keeps for agents, on its own disk: letters, leases,
// grants and statements in one SQLite database, the blocks of objects in files
// beside it.
//
//	s, err := store.Open(ctx, store.Config{Dir: dir})
//	go s.Run(ctx)  // collects what nobody comes for
//	err = s.Put(ctx, "ledger", "erp", body)
//
// What a method has reported as done is on stable storage, and is done whole or not
// at all: the files of blocks are flushed before the database names them, are
// never written again, and what the database does not name is removed at the next
// start. The package believes who the caller says that it acts for, and does not
// look into letters and objects.
package store

import (
	"context"
	_ "embed" // of the schema
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/identity/statefile"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/durable"
	"mft.dev/mft/journal/database"
)

// Config says where a store lies and what it is good for.
type Config struct {
	// Dir is a directory of the relay alone; it is made if need be.
	Dir string
	// Quota returns what an agent may have; nil for DefaultQuota.
	Quota func(mft.AgentName) wire.Quota
	// Total is what all agents may have together, in bytes of objects; 0 is without
	// such a limit. Reserve is what is left free of the file system; DefaultReserve if
	// it is 0.
	Total, Reserve int64
	// Unfinished is how long an object is kept that is not published and to which
	// nothing comes, Unfetched how long a published one that nobody reads, and
	// Letters how long a letter: DefaultUnfinished, DefaultUnfetched and
	// DefaultLetters if they are 0. All of it counts while the relay runs.
	Unfinished, Unfetched, Letters time.Duration
	// Now is the clock; nil is time.Now. Only how it goes on counts, except for the
	// ends of grants.
	Now func() time.Time
	// Collected is told how much has been removed that nobody came for; may be nil.
	Collected func(letters, objects int64)
	// Failed is told why something could not be collected; may be nil.
	Failed func(error)
	// Full is told when agents begin to be refused because of Total or Reserve; may be
	// nil.
	Full func(error)
	// Free returns what is left of the file system; nil asks it.
	Free func() (confine.Space, error)
}

// Defaults. A letter is good for 14 days, and an object for as long as the
// letters about it.
const (
	DefaultUnfinished = 7 * 24 * time.Hour
	DefaultUnfetched  = 16 * 24 * time.Hour
	DefaultLetters    = 15 * 24 * time.Hour
)

// DefaultQuota is what an agent may have unless the operator says otherwise.
func DefaultQuota(mft.AgentName) wire.Quota {
	return wire.Quota{Letters: 10_000, Objects: 10_000, Bytes: 100 << 30}
}

// A Store is open. Its methods may be called concurrently.
type Store struct {
	c     Config
	db    *database.DB
	root  *os.Root      // of Config.Dir
	disk  *confine.Root // the same
	told  atomic.Bool   // Config.Full was, and nothing had room since
	clock clock
	bells bells

	mu     sync.Mutex              // guards coming
	coming map[mft.AgentName]int64 // bytes of blocks under way
}

const (
	objectsDir = "objects"
	// applicationID marks a file as that of a relay: "mftr".
	applicationID = 0x6d667472
)

//go:embed schema1.sql
var schema1 string

// Open opens the store and removes what a crash has left. Errors: mft.CodeRunning
// when another process has it, mft.CodeJournal when the database cannot be used,
// and those of the file system.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Quota == nil {
		c.Quota = DefaultQuota
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	for d, by := range map[*time.Duration]time.Duration{&c.Unfinished: DefaultUnfinished, &c.Unfetched: DefaultUnfetched, &c.Letters: DefaultLetters} {
		if *d == 0 {
			*d = by
		}
	}
	if c.Reserve == 0 {
		c.Reserve = DefaultReserve
	}
	if err := statefile.MakePrivateDir(c.Dir); err != nil {
		return nil, err
	}
	db, err := database.Open(ctx, filepath.Join(c.Dir, "relay.db"), database.Form{ApplicationID: applicationID, Steps: []string{schema1}})
	if err != nil {
		return nil, err
	}
	s := &Store{c: c, db: db, coming: map[mft.AgentName]int64{}}
	if s.c.Free == nil {
		s.c.Free = s.free
	}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) begin(ctx context.Context) (err error) {
	if s.root, err = os.OpenRoot(s.c.Dir); err != nil {
		return failure("open directory", s.c.Dir, err)
	}
	if s.disk, err = confine.Open(s.c.Dir); err != nil {
		return err
	}
	if err := s.root.Mkdir(objectsDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return failure("make directory", objectsDir, err)
	}
	if err := s.flush("."); err != nil {
		return err
	}
	var ran int64
	if _, err := s.db.Row(ctx, "reading the clock", "SELECT ran FROM clock", nil, &ran); err != nil {
		return err
	}
	s.clock = newClock(s.c.Now, time.Duration(ran))
	return s.tidy(ctx)
}

// Close waits for what is being written and gives the store up. What runs must have
// ended.
func (s *Store) Close() error {
	var errs []error
	if s.root != nil {
		errs = append(errs, s.saveClock(context.Background()), s.root.Close())
	}
	if s.disk != nil {
		errs = append(errs, s.disk.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}

// flush makes the names in a directory of the store durable.
func (s *Store) flush(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // it keeps names in its own log
	}
	d, err := s.root.Open(dir)
	if err != nil {
		return failure("open directory", dir, err)
	}
	return failure("flush directory", dir, errors.Join(d.Sync(), d.Close()))
}

// failure gives an error of the file system its code.
func failure(op, subject string, err error) error {
	if err == nil {
		return nil
	}
	return mft.Fail(durable.Code(err), op, subject, err)
}

// A refusal says why an order cannot be carried out.
func refusal(code mft.Code, op, subject, why string) error {
	return mft.Fail(code, op, subject, errors.New(why))
}

// Place returns what an agent has here.
func (s *Store) Place(ctx context.Context, agent mft.AgentName) (wire.Place, error) {
	p := wire.Place{Agent: agent, Now: s.c.Now().UnixMilli(), Quota: s.c.Quota(agent)}
	_, err := s.db.Row(ctx, "counting what an agent has", `SELECT
		(SELECT count(*) FROM letters WHERE recipient = ?1), (SELECT count(*) FROM letters WHERE sender = ?1),
		count(*), coalesce(sum(size), 0) FROM objects WHERE owner = ?1`,
		[]any{string(agent)}, &p.Letters, &p.Put, &p.Objects, &p.Bytes)
	return p, err
}
