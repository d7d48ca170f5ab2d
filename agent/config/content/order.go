package content

import (
	"errors"
	"fmt"
	"strconv"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/strict"
)

// Order is the section `order:`.
//
//	order: {by: time, batch: 10}
type Order struct {
	strict.Place
	By    OrderBy `yaml:"by" need:"yes" doc:"What files are ordered by: name, their path below the source; or time, the oldest first."`
	Batch Batch   `yaml:"batch" doc:"How many files are sent at a time, 1 to 200. Default: 1."`
}

// Order returns what the section says; without it there is no order.
func (e *Order) Order() mft.Order {
	if e == nil {
		return mft.Order{}
	}
	return mft.Order{By: mft.OrderBy(e.By), Batch: max(int(e.Batch), 1)}
}

// OrderBy is an mft.OrderBy.
type OrderBy string

// ReadText implements strict.Leaf.
func (v *OrderBy) ReadText(s string) error {
	switch *v = OrderBy(s); mft.OrderBy(s) {
	case mft.OrderByName, mft.OrderByTime:
		return nil
	}
	return errors.New("want name or time")
}

// Schema implements strict.Leaf.
func (*OrderBy) Schema() map[string]any {
	return map[string]any{"enum": []mft.OrderBy{mft.OrderByName, mft.OrderByTime}}
}

// A Batch is how many files one transfer has at most.
type Batch int

const maxBatch = 200

// ReadText implements strict.Leaf.
func (v *Batch) ReadText(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxBatch {
		return fmt.Errorf("want a number from 1 to %d", maxBatch)
	}
	*v = Batch(n)
	return nil
}

// Schema implements strict.Leaf.
func (*Batch) Schema() map[string]any {
	return map[string]any{"type": "integer", "minimum": 1, "maximum": maxBatch}
}

// DocumentOfOrder returns what Order reads; nil of nothing.
func DocumentOfOrder(o mft.Order) map[string]any {
	if o.Batch == 0 {
		return nil
	}
	return map[string]any{"by": string(o.By), "batch": o.Batch}
}
