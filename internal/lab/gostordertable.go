package lab

import (
	"cmp"
	"maps"
	"slices"
)

// gostOrders are the orders to GOSTs, their tunnels and their clients.
func gostOrders() []order {
	tunnel := func(do func(TunnelOrder, args) error) func(*Lab, args) error {
		return func(l *Lab, a args) error {
			return onAll(a["stub"], l.tunnelled(), "no GOST of the lab has a tunnel to", func(stub string) error { return do(l.Tunnel(stub), a) })
		}
	}
	client := func(do func(ClientOrder, args) error) func(*Lab, args) error {
		return func(l *Lab, a args) error {
			return onAll(a["stub"], l.clients(), "no GOST of the lab has a client", func(id string) error { return do(l.Client(id), a) })
		}
	}
	gost := func(do func(GOSTOrder) error) func(*Lab, args) error {
		return func(l *Lab, a args) error {
			return onAll(cmp.Or(a["gost"], "*"), l.gostNames(), "no GOST of the lab is called", func(name string) error { return do(l.GOST(name)) })
		}
	}
	return []order{
		{"<stub> tunnel fails", "GOST's service for it accepts no connections", tunnel(func(o TunnelOrder, _ args) error { return o.Fail() })},
		{"<stub> tunnel heals", "it does again", tunnel(func(o TunnelOrder, _ args) error { return o.Heal() })},
		{"<stub> tunnel closes", "the service is taken away", tunnel(func(o TunnelOrder, _ args) error { return o.Close() })},
		{"<stub> tunnel opens", "it is made again", tunnel(func(o TunnelOrder, _ args) error { return o.Open() })},
		{"<stub> tunnel restarts [<way>]", "it is replaced by a new one", tunnel(func(o TunnelOrder, a args) error { return o.Restart(cmp.Or(Way(a["way"]), WayPut)) })},
		{"<stub> tunnel carries <n>", "so many short connections", tunnel(func(o TunnelOrder, a args) error { return o.Carry(a.number("n")) })},
		{"<stub> tunnel misses <n>", "so many whose target can't be reached", tunnel(func(o TunnelOrder, a args) error { return o.Miss(a.number("n")) })},
		{"<stub> tunnel login", "somebody comes in by it and stays", tunnel(func(o TunnelOrder, _ args) error { return o.Login() })},
		{"<stub> tunnel logout", "and leaves", tunnel(func(o TunnelOrder, _ args) error { return o.Logout() })},
		{"<stub> tunnel miscounts", "one connection is taken off its count too often", tunnel(func(o TunnelOrder, _ args) error { return o.Miscount() })},
		{"<stub> client carries <n>", "so many short connections, as a client of GOST's relay", client(func(o ClientOrder, a args) error { return o.Carry(a.number("n")) })},
		{"<stub> client login", "one that stays", client(func(o ClientOrder, _ args) error { return o.Login() })},
		{"<stub> client logout", "and leaves", client(func(o ClientOrder, _ args) error { return o.Logout() })},
		{"gost stops [<gost>]", "the program ends, and says so as far as it gets", gost(GOSTOrder.Stop)},
		{"gost starts [<gost>]", "and runs again", gost(GOSTOrder.Start)},
		{"gost restarts [<gost>]", "both, a second apart", gost(GOSTOrder.Restart)},
		{"gost crashes [<gost>]", "the same, but it ends without a word", gost(GOSTOrder.Crash)},
		{"gost forgets [<gost>]", "the same, and its start isn't heard either", gost(GOSTOrder.Forget)},
		{"gost reloads [<gost>]", "it reads its configuration again: every service is new", gost(GOSTOrder.Reload)},
		{"gost silent [<gost>]", "no report gets out; tunnels go on", gost(GOSTOrder.Silence)},
		{"gost speaks [<gost>]", "reports get out again", gost(GOSTOrder.Speak)},
	}
}

// collectorOrders are those that only the collector can be given.
func collectorOrders() []order {
	collector := func(do func(CollectorOrder, args) error) func(*Lab, args) error {
		return func(l *Lab, a args) error { return do(l.Collector(), a) }
	}
	return []order{
		{"collector says <code>", "takes no report and answers that; 201 is a refusal too", collector(func(o CollectorOrder, a args) error { return o.Say(a.number("code")) })},
		{"collector denies", "takes none and answers that it isn't ok", collector(func(o CollectorOrder, _ args) error { return o.Deny() })},
		{"collector loses answers [<n>]", "takes the next n, or all, and is cut off before it answers", collector(func(o CollectorOrder, a args) error { return o.Lose(a.number("n")) })},
		{"collector well", "ends every fault of the collector", collector(func(o CollectorOrder, _ args) error { return o.Well() })},
	}
}

// tunnelled are the stubs that GOSTs have tunnels to, sorted.
func (l *Lab) tunnelled() []string {
	stubs := map[string]bool{}
	for _, g := range l.gosts {
		for _, s := range g.services {
			if s.stub != "" {
				stubs[s.stub] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(stubs))
}

// clients are the clients of GOSTs' relays, sorted.
func (l *Lab) clients() []string {
	ids := map[string]bool{}
	for _, g := range l.gosts {
		for _, id := range g.spec.Clients {
			ids[id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

func (l *Lab) gostNames() []string {
	var names []string
	for _, g := range l.gosts {
		names = append(names, g.spec.Name)
	}
	return names
}
