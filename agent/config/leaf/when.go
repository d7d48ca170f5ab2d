package leaf

import (
	"errors"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/trigger/schedule"
)

// A Schedule is an expression of package schedule.
type Schedule string

func (v *Schedule) ReadText(s string) error {
	*v = Schedule(s)
	if _, err := schedule.Parse(s, time.UTC, schedule.EveryDay, nil); err != nil {
		var known *mft.Error
		if errors.As(err, &known) {
			return known.Err
		}
		return err
	}
	return nil
}

func (*Schedule) Schema() map[string]any { return Text(`^(@[a-z]+|\S+(\s+\S+){4,5})$`) }

// A Zone is the name of a time zone.
type Zone string

func (v *Zone) ReadText(s string) error {
	if _, err := time.LoadLocation(s); err != nil || s == "" || s == "Local" {
		return errors.New("want the name of a time zone, such as Europe/London or UTC")
	}
	*v = Zone(s)
	return nil
}

func (*Zone) Schema() map[string]any { return Text(`^[A-Za-z0-9_+/-]+$`) }

// A Silence is how long nothing may happen.
type Silence time.Duration

func (v *Silence) ReadText(s string) error {
	d, err := between(s, time.Minute, 8760*time.Hour)
	*v = Silence(d)
	return err
}

func (*Silence) Schema() map[string]any { return Text(durationPattern) }

// A PollTime is the time between two polls.
type PollTime time.Duration

func (v *PollTime) ReadText(s string) error {
	d, err := between(s, time.Second, 24*time.Hour)
	*v = PollTime(d)
	return err
}

func (*PollTime) Schema() map[string]any { return Text(durationPattern) }
