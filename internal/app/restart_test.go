package app_test

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"labstatus/internal/lab"
)

func manyExperiments(n int) (all []lab.Experiment) {
	for i := range n {
		all = append(all, lab.Experiment{Stub: fmt.Sprintf("pend%03d", i), Streams: []lab.StreamSpec{{Name: "st-video"}}})
	}
	return all
}

// kill ends the server as SIGKILL does, as far as its file is concerned: what it
// still writes while it ends is undone. Real processes are killed in cmd/status.
func (b *bench) kill() {
	b.t.Helper()
	path, kept := b.env["STATUS_STORE"], map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			b.t.Fatal(err)
		}
		kept[path+suffix] = data
	}
	b.stop()
	for name, data := range kept {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

// ends are the two ways in which a server may come to its end.
var ends = map[string]func(*bench){
	"TERM": func(b *bench) { b.stop() },
	"KILL": func(b *bench) { b.kill() },
}

// A restart of a large lab with twenty experiments down tells nothing and writes nothing, and
// what it shows is true from the first second; what changes meanwhile is told
// once. RESTART_EXPERIMENTS sets how many there are: what is kept of them is read and
// written as a whole, so that thirty show what a thousand would.
func TestRestartOfALargeLab(t *testing.T) {
	t.Parallel()
	size, err := strconv.Atoi(cmp.Or(os.Getenv("RESTART_EXPERIMENTS"), "30"))
	if err != nil || size < 30 || size > 1000 {
		t.Fatalf("RESTART_EXPERIMENTS: want 30 to 1000, as many as a page lists: %d, %v", size, err)
	}
	const down = 20
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			last, lastButOne := fmt.Sprintf("pend%03d", size-1), fmt.Sprintf("pend%03d", size-2)
			inLab(t, manyExperiments(size), inFile(t, nil), func(b *bench) {
				broke := time.Now()
				for i := range down {
					b.must(b.lab.Stream(fmt.Sprintf("pend%03d-st-video", i)).Vanish())
				}
				b.wait(time.Minute)
				b.displays(size, down, broke).afterwards()
				end(b)
				began := time.Now()
				b.start()
				b.wait(time.Second)
				b.displays(size, down, broke).atFirst(began)
				b.wait(2 * time.Minute)
				b.displays(size, down, broke).afterwards()
				b.told(began)
				if n := b.writes(began); n != 0 {
					t.Errorf("book was written %d times though nothing has changed", n)
				}

				end(b)
				began = time.Now()
				b.must(b.lab.Stream("pend000-st-video").Return(), b.lab.Stream(last+"-st-video").Vanish(), b.lab.Jump(lastButOne).Drop())
				b.wait(time.Minute)
				b.start()
				b.wait(2 * time.Minute)
				end(b)
				b.start()
				b.wait(2 * time.Minute)
				var fresh, over []string
				for _, m := range b.lab.Mails() {
					if m.At.After(began) {
						f, o := sections(m.Text)
						fresh, over = append(fresh, f...), append(over, o...)
					}
				}
				if got := fmt.Sprint(fresh, over); got != "["+lastButOne+" "+last+"] [pend000]" {
					t.Errorf("told as new and as over: %s", got)
				}
				if n := b.writes(began); n != 2 {
					t.Errorf("book was written %d times, want 2", n)
				}
			})
		})
	}
}

// An experiment that flaps, and one that a person holds, are the same after a
// restart: quiet and closed, and told once when it settles.
func TestRestartKeepsFlappingAndHolds(t *testing.T) {
	t.Parallel()
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), inFile(t, map[string]string{"STATUS_QUERY_BOOK_EVERY": "1m"}), func(b *bench) {
				b.must(b.lab.SetAvailable("r-spin30", false, "at the workshop"))
				for range 3 {
					b.must(b.lab.Stream("pend00-st-video").Vanish())
					b.wait(30 * time.Second)
					b.must(b.lab.Stream("pend00-st-video").Return())
					b.wait(30 * time.Second)
				}
				if got := b.state("pend00"); got != "flapping" {
					t.Fatalf("pend00 is %s", got)
				}
				began := time.Now()
				for range 2 {
					end(b)
					b.start()
					b.wait(2 * time.Minute)
					if got := b.state("pend00"); got != "flapping" {
						t.Errorf("pend00 is %s", got)
					}
					if b.available("r-pend00") {
						t.Error("pend00 was opened")
					}
					var report struct{ Held *struct{ Reason string } }
					if b.get("/api/v1/experiments/spin30", &report); report.Held == nil || report.Held.Reason != "at the workshop" {
						t.Errorf("spin30 is held: %+v", report)
					}
				}
				b.told(began)
				if n := b.writes(began); n != 0 {
					t.Errorf("book was written %d times", n)
				}
				b.wait(20 * time.Minute)
				b.told(began, "none left")
				if !b.available("r-pend00") || b.available("r-spin30") || b.writes(began) != 1 {
					t.Errorf("pend00 is open: %v, spin30: %v, %d writes", b.available("r-pend00"), b.available("r-spin30"), b.writes(began))
				}
			})
		})
	}
}
