package orders

import (
	"testing"
	"time"
)

func TestOrdersAfter(t *testing.T) {
	by, again := Order{By: "ann", At: time.Unix(1, 0)}, Order{By: "bob", At: time.Unix(2, 0)}
	for _, tt := range []struct {
		name string
		is   Orders
		do   Verb
		want Orders
		news bool
	}{
		{"run", Orders{Asked: 3}, Ask, Orders{Asked: 4}, true},
		{"run while it is paused", Orders{Paused: &by}, Ask, Orders{Asked: 1, Paused: &by}, true},
		{"pause", Orders{Disabled: &by}, Pause, Orders{Paused: &again, Disabled: &by}, true},
		{"pause once more: who was first stays", Orders{Paused: &by}, Pause, Orders{Paused: &by}, false},
		{"resume", Orders{Paused: &by, Asked: 1}, Resume, Orders{Asked: 1}, true},
		{"resume what is not paused", Orders{}, Resume, Orders{}, false},
		{"disable", Orders{}, Disable, Orders{Disabled: &again}, true},
		{"disable once more", Orders{Disabled: &by}, Disable, Orders{Disabled: &by}, false},
		{"enable", Orders{Disabled: &by, Paused: &by}, Enable, Orders{Paused: &by}, true},
		{"enable what is enabled", Orders{}, Enable, Orders{}, false},
		{"nothing of the kind", Orders{}, "burn", Orders{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, news := tt.is.after(tt.do, again)
			same := func(a, b *Order) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
			if news != tt.news || got.Asked != tt.want.Asked || !same(got.Paused, tt.want.Paused) || !same(got.Disabled, tt.want.Disabled) {
				t.Errorf("after(%s) = %+v, %v; want %+v, %v", tt.do, got, news, tt.want, tt.news)
			}
		})
	}
}
