package gate

import (
	"fmt"
	"net"
	"testing"

	"pgregory.net/rapid"
)

func from(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }

// visits lets visitors in and notes who is turned away.
type visits struct {
	gate   *Gate
	turned []string
}

func (v *visits) enter(name, ip string) *Visitor {
	return v.gate.Enter(from(ip), func() { v.turned = append(v.turned, name) })
}

func TestTheOldestMakesRoom(t *testing.T) {
	v := visits{gate: New(3, 2)}
	v.enter("a1", "10.0.0.1")
	a2 := v.enter("a2", "10.0.0.1")
	v.enter("a3", "10.0.0.1") // one too many of its address
	v.enter("b1", "10.0.0.2")
	v.enter("c1", "10.0.0.3") // one too many of all: a2 is the oldest
	v.gate.Leave(a2)          // it has left already
	v.enter("c2", "10.0.0.3")
	if got, want := fmt.Sprint(v.turned), "[a1 a2 a3]"; got != want {
		t.Errorf("turned away %v, want %v", got, want)
	}
}

func TestLeavingMakesRoom(t *testing.T) {
	v := visits{gate: New(2, 1)}
	for range 100 {
		a, b := v.enter("a", "10.0.0.1"), v.enter("b", "10.0.0.2")
		v.gate.Leave(a)
		v.gate.Leave(a)
		v.gate.Leave(b)
	}
	if len(v.turned) != 0 {
		t.Errorf("turned away %v", v.turned)
	}
	if n := len(v.gate.of); n != 0 {
		t.Errorf("%d addresses are remembered after everybody left", n)
	}
}

func TestNetwork(t *testing.T) {
	tests := []struct {
		name string
		a, b string
		same bool
	}{
		{"one IPv4 address", "10.0.0.1", "10.0.0.1", true},
		{"neighbours", "10.0.0.1", "10.0.0.2", false},
		{"IPv4 in IPv6", "10.0.0.1", "::ffff:10.0.0.1", true},
		{"one IPv6 network", "2001:db8::1", "2001:db8::2:3:4:5", true},
		{"two IPv6 networks", "2001:db8::1", "2001:db8:0:1::1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := network(from(tt.a)) == network(from(tt.b)); got != tt.same {
				t.Errorf("network(%s) == network(%s) is %v, want %v", tt.a, tt.b, got, tt.same)
			}
		})
	}
	network(&net.UnixAddr{Name: "x"}) // counts as one
}

// Whoever comes and goes: the bounds hold, nobody is turned away without need,
// and nobody twice.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most, mostOf = 5, 3
		g := New(most, mostOf)
		inside := map[int]*Visitor{}
		address := map[int]string{}
		for i := range rapid.IntRange(0, 60).Draw(t, "steps") {
			if len(inside) > 0 && rapid.Bool().Draw(t, "leaves") {
				for who, v := range inside {
					g.Leave(v)
					delete(inside, who)
					break
				}
				continue
			}
			ip := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}).Draw(t, "ip")
			full := len(inside) == most
			of := 0
			for who := range inside {
				if address[who] == ip {
					of++
				}
			}
			before := len(inside)
			address[i] = ip
			inside[i] = g.Enter(from(ip), func() {
				if _, in := inside[i]; !in {
					t.Fatalf("%d was turned away twice or after it left", i)
				}
				delete(inside, i)
			})
			if gone := before + 1 - len(inside); (gone == 1) != (full || of == mostOf) {
				t.Fatalf("%d made room for %d of %s, with %d inside", gone, i, ip, before)
			}
		}
		if g.waiting.Len() != len(inside) {
			t.Fatalf("%d are inside, the gate counts %d", len(inside), g.waiting.Len())
		}
	})
}
