package health_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"labstatus/internal/health"
)

// tunnelModel is what to think of one tunnel, told by counting half-seconds. A count of
// -1 means: not so.
type tunnelModel struct {
	steady, grace int
	verdict       health.Verdict
	word          string // the latest

	spell   int // since the first failed of the spell
	failing bool
	healed  int // since failed stood last
	ready   int
	closed  int
	accused int // since the latest failed or closed
	running int // since the latest running
	greeted int // since the first ready after running
	prompt  bool
	drowsy  bool     // the instance before it was failing
	open    []string // instances that may still say closed
}

func newTunnelModel(period, lastChecked time.Duration) *tunnelModel {
	halves := func(d time.Duration) int { return int(d / (time.Second / 2)) }
	return &tunnelModel{
		steady: halves(2 * period), grace: halves(max(2*period, lastChecked)), verdict: health.VerdictUnknown,
		spell: -1, healed: -1, ready: -1, closed: -1, accused: -1, running: -1, greeted: -1, open: []string{"stranger"},
	}
}

func (m *tunnelModel) bad() bool {
	return m.verdict == health.VerdictMissing || m.verdict == health.VerdictUnhealthy
}

// halfSecond passes.
func (m *tunnelModel) halfSecond() {
	for _, count := range []*int{&m.spell, &m.healed, &m.ready, &m.closed, &m.accused, &m.running, &m.greeted} {
		if *count >= 0 {
			*count++
		}
	}
	m.judge()
}

func (m *tunnelModel) judge() {
	inSpell := m.spell >= 0
	switch {
	case m.closed > m.grace:
		m.verdict, m.spell, m.failing = health.VerdictMissing, -1, false
	case m.failing && m.spell > m.steady:
		m.verdict = health.VerdictUnhealthy
	case inSpell && !m.failing && m.ready >= m.steady:
		m.verdict, m.spell = health.VerdictOK, -1
	case inSpell && !m.failing && m.ready < 0 && m.healed >= m.steady && !m.bad():
		m.spell = -1
	}
}

const twoSeconds = 4 // in half-seconds

func (m *tunnelModel) hears(word string) {
	m.judge()
	defer m.judge()
	switch word {
	case "running":
		if m.ready > m.late() {
			m.open = []string{"known"}
		} else if m.ready < 0 && m.running > m.late() && len(m.open) > 0 {
			m.open = m.open[:1]
		}
		m.open = append(m.open, "another")
		m.drowsy = m.spell >= 0 || m.word == "failed"
		m.running, m.ready, m.greeted = 0, -1, -1
		m.noFailure()
	case "ready":
		if m.greeted < 0 {
			m.greeted, m.prompt = 0, m.running >= 0 && m.running <= twoSeconds
		}
		m.serves()
	case "failed":
		if m.spell < 0 {
			m.spell = 0
		}
		if len(m.open) == 0 {
			m.open = []string{"known"}
		}
		m.failing, m.closed, m.ready, m.accused = true, -1, -1, 0
	case "closed":
		if len(m.open) > 1 && m.prompt && m.greeted >= 0 && m.greeted <= m.late() {
			m.open = m.open[1:]
			return // its predecessor's
		}
		if len(m.open) > 0 {
			m.open = m.open[1:]
		}
		if m.ready > m.late() {
			m.open = nil
		}
		if m.closed < 0 {
			m.closed = 0
		}
		m.noFailure()
		m.ready, m.accused = -1, 0
	case "new-conns":
		against := m.accused
		if against < 0 {
			against = m.running
		}
		if m.ready >= 0 || m.word == "" || against <= m.steady {
			return
		}
		m.greeted, m.prompt = 0, false
		m.serves()
	case "figures":
		return
	}
	m.word = word
}

// late is for how long the one before may speak.
func (m *tunnelModel) late() int {
	if m.drowsy {
		return 3 * twoSeconds
	}
	return twoSeconds
}

// serves: it takes connections.
func (m *tunnelModel) serves() {
	if len(m.open) == 0 {
		m.open = []string{"known"}
	}
	if m.ready >= 0 {
		return
	}
	m.ready, m.closed, m.accused = 0, -1, -1
	m.noFailure()
	if m.spell < 0 {
		m.verdict = health.VerdictOK
	}
}

func (m *tunnelModel) noFailure() {
	if m.failing {
		m.failing, m.healed = false, 0
	}
}

// TestTunnelModel holds the verdict on one tunnel against the model's, every half-second
// of random scripts.
func TestTunnelModel(t *testing.T) {
	t.Parallel()
	words := []string{"running", "ready", "ready", "failed", "failed", "closed", "new-conns", "new-conns", "figures"}
	pauses := []int{0, 0, 1, 2, 4, 5, 9, 19, 20, 21, 22, 40, 59, 60, 61, 70}
	seen := map[health.Verdict]int{}
	script := func(t *rapid.T) {
		w := newWorld()
		w.cfg.Startup, w.cfg.FlapEvents = 0, 0
		w.cfg.TunnelPeriod = rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second}).Draw(t, "period")
		w.addResource("r-pend00", "pend00")
		w.start()
		w.query()
		period := w.cfg.TunnelPeriod
		if period == 0 {
			period = 5 * time.Second
		}
		m := newTunnelModel(period, w.cfg.LastChecked)
		compare := func(after string) {
			got := health.VerdictUnknown
			if tunnels := w.engine.Snapshot().Find("pend00").Tunnels; len(tunnels) > 0 {
				got = tunnels[0].Verdict
			}
			if seen[got]++; got != m.verdict {
				t.Fatalf("%s, after %s: %s, and should be %s", offset(w.now), after, got, m.verdict)
			}
		}
		// Time is looked at often, or only when something is said: it must not matter.
		sparse, last := rapid.Bool().Draw(t, "sparse"), w.now
		for range rapid.IntRange(1, 60).Draw(t, "words") {
			for range rapid.SampledFrom(pauses).Draw(t, "pause") {
				w.now = w.now.Add(time.Second / 2)
				m.halfSecond()
				if !sparse || w.now.Sub(last) >= 14*time.Second {
					last = w.now
					w.step(health.Tick{At: w.now})
					compare("a tick")
				}
			}
			word := rapid.SampledFrom(words).Draw(t, "word")
			if _, err := w.tunnel([]string{"leeds/tunnel-pend00", "pend00", word}); err != nil {
				t.Fatal(err)
			}
			m.hears(word)
			compare(word)
		}
	}
	for range 4 { // what it costs is little, and what has to be seen is rare
		rapid.Check(t, script)
	}
	for _, v := range []health.Verdict{health.VerdictOK, health.VerdictUnhealthy, health.VerdictMissing, health.VerdictUnknown} {
		if seen[v] < 20 && !t.Failed() {
			t.Errorf("no script came to %s: %v", v, seen)
		}
	}
}

// All orders of a restart's three words, each a moment after the other, where the old
// instance was ready: none makes the tunnel unwell, and none is told.
func TestTunnelRestartsInAnyOrder(t *testing.T) {
	t.Parallel()
	orders := [][]string{{"running", "ready", "closed"}, {"running", "closed", "ready"}, {"closed", "running", "ready"}}
	for _, order := range orders {
		for _, pause := range []time.Duration{0, time.Millisecond, 300 * time.Millisecond, time.Second} {
			w := newWorld()
			w.addResource("r-pend00", "pend00", "st-data")
			w.connect("pend00-st-data")
			w.hosts["pend00"] = true
			w.start()
			w.query()
			says := func(word string) {
				if _, err := w.tunnel([]string{"leeds/tunnel-pend00", "pend00", "required", word}); err != nil {
					t.Fatal(err)
				}
			}
			silent := func(d health.Decision) {
				if len(d.Events)+len(d.Wishes) > 0 || d.Alert != nil {
					t.Errorf("%v with pauses of %s:\n%s", order, pause, told(d))
				}
			}
			says("ready")
			w.run(2*time.Minute, silent)
			for range 3 {
				for _, word := range order {
					says(word)
					w.run(pause, silent)
				}
				w.run(time.Minute, silent)
			}
			if got := w.engine.Snapshot().Find("pend00").Tunnels[0]; got.Verdict != health.VerdictOK || got.State != health.TunnelReady {
				t.Errorf("%v with pauses of %s: %s, %s", order, pause, got.State, got.Verdict)
			}
		}
	}
	if !slices.ContainsFunc(orders, func(o []string) bool { return o[2] == "closed" }) {
		t.Error("the order that is hard to tell is not among them")
	}
}

// Whose closed is it? Each row says what comes, with the half-seconds before it, and
// whether the tunnel is gone a minute after.
func TestTunnelWhoseClosed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script string
		gone   bool
	}{
		{"of the one that there is", "ready 9 closed", true},
		{"of one that nobody has heard of", "running ready closed", false},
		{"of its predecessor", "ready 9 running 1 ready 4 closed", false},
		{"too late for a predecessor's", "ready 9 running 1 ready 5 closed", true},
		{"ready took too long for a restart", "ready 9 running 5 ready 1 closed", true},
		{"its predecessor has said so before", "ready 9 closed running 1 ready 1 closed", true},
		{"its predecessor's, and then its own", "ready 9 running ready closed closed", true},
		{"one each of two predecessors", "ready 9 running running closed ready closed", false},
		{"and the third's own", "ready 9 running running closed ready closed closed", true},
		{"lost closed of long ago is nobody's now", "running ready 9 running ready 9 running ready 9 closed 9 running ready closed", true},
		{"and neither is it at a restart", "running ready 9 running ready 9 running ready closed closed", true},
		{"of a predecessor that has failed since it was closed", "ready 9 closed 9 failed 9 running ready closed", false},
		{"its own, where the ready of the one before was lost", "running 9 running ready closed closed", true},
		{"of a predecessor that looks only now", "ready 9 failed 9 running ready 12 closed", false},
		{"and of one that says ready between its tries", "ready 9 failed 1 ready 1 running ready 12 closed", false},
		{"its own tries make it no other's", "ready 9 failed 9 running ready failed 2 ready failed 4 ready 2 closed", false},
		{"replaced while the one before that has not looked", "ready 9 failed 9 running ready 6 running closed ready 3 closed", false},
		{"too late for that too", "ready 9 failed 9 running ready 13 closed", true},
		{"of a predecessor that had long been ready again", "ready 9 failed 2 ready 30 running ready 5 closed", true},
		{"its predecessor showed connections at a lost ready", "ready 9 closed 21 new-conns 1 running ready closed", false},
		{"its predecessor was ready, and its running was lost", "ready 9 closed 9 ready 1 running ready closed", false},
	} {
		w := tunnelLab(t)
		for word := range strings.FieldsSeq(c.script) {
			if halves, err := strconv.Atoi(word); err == nil {
				w.run(time.Duration(halves)*time.Second/2, func(health.Decision) {})
				continue
			}
			if _, err := w.tunnel([]string{"leeds/a", "pend00", word}); err != nil {
				t.Fatal(err)
			}
		}
		w.run(time.Minute, func(health.Decision) {})
		want := health.VerdictOK
		if c.gone {
			want = health.VerdictMissing
		}
		if got := w.engine.Snapshot().Find("pend00").Tunnels[0].Verdict; got != want {
			t.Errorf("%s: %s: %s, not %s", c.name, c.script, got, want)
		}
	}
}
