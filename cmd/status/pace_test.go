//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"labstatus/internal/lab"
)

// What is promised of a server at work, where the machine is not late itself: see
// paceHeld. Answers take a few milliseconds where nothing else runs; with the race
// detector, on a machine that has more to do than it can, half of what is allowed.
const (
	paceTurn     = 1100 * time.Millisecond // the loop turns once a second, whatever happens,
	paceFrames   = 500 * time.Millisecond  // and with each frame
	paceGet      = 100 * time.Millisecond  // three of four answers of the API
	paceGetWorst = time.Second             // and every one
)

// Hundreds of experiments are down at once while the mail server says nothing: in a
// process of its own, with a store on a disk, the loop keeps its pace, readers have
// their answers and each booking is closed. In a bubble, where the other stories of it
// are, work takes no time.
func TestPaceOfAProcess(t *testing.T) {
	t.Parallel() // it mostly waits
	const (
		size = 200
		look = 4 * time.Second // from the moment at which they go down
	)
	var stubs []string
	for i := range size {
		stubs = append(stubs, fmt.Sprintf("pend%03d", i))
	}
	s := newLiveOf(t, stubs, paceFrames, map[string]string{"STATUS_HEALTH_LAST_ACTIVE": "1s", "STATUS_HEALTH_STARTUP": "1s"})
	defer s.close()
	s.start()
	s.healthy(size)
	machine := &teller{t: t}
	measured := machine.watchMachine(filepath.Join(s.dir, "probe"))
	defer measured()
	if err := s.lab.FaultMail(lab.MailFault{Stage: lab.StageBanner, Action: lab.ActHang}); err != nil {
		t.Fatal(err)
	}
	down := time.Now()
	for _, stub := range stubs {
		if err := s.lab.Stream(stub + "-st-video").Vanish(); err != nil {
			t.Fatal(err)
		}
	}

	var gets, ages []time.Duration
	var closed time.Duration // all of them, since they went down
	asked := func(path string) []byte {
		began := time.Now()
		code, body := get(s.socket(), path)
		gets = append(gets, time.Since(began))
		if code != http.StatusOK {
			t.Fatalf("GET %s: %d %s\n%s", path, code, body, s.said())
		}
		return []byte(body)
	}
	var system struct {
		AsOf   time.Time `json:"as_of"`
		Counts struct{ Unhealthy int }
		Mail   struct{ Queued, Sent int }
	}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for ; time.Since(down) < look || closed == 0; <-again.C {
		if err := json.Unmarshal(asked("/api/v1/system"), &system); err != nil {
			t.Fatal(err)
		}
		ages = append(ages, time.Since(system.AsOf))
		asked("/api/v1/experiments")
		if closed == 0 && system.Counts.Unhealthy == size && s.closed() == size {
			closed = time.Since(down)
		}
		if time.Since(down) > s.patience {
			t.Fatalf("%d of %d are unhealthy, %d closed\n%s", system.Counts.Unhealthy, size, s.closed(), s.said())
		}
	}
	measured()
	if mails := len(s.lab.Mails()); mails != 0 || system.Mail.Queued == 0 || system.Mail.Sent != 0 {
		t.Errorf("%d mails came, the API says %+v: want them to wait", mails, system.Mail)
	}
	paceHeld(t, machine.machine, gets, ages)
	t.Logf("%d experiments down at once: all closed after %s, in %d calls", size, closed.Round(time.Millisecond), s.closed())
}

// paceHeld holds what was measured against what is promised, as figures.hold does: a
// machine that was late itself had both processes late, and each answer takes both.
func paceHeld(t *testing.T, machine, gets, ages []time.Duration) {
	t.Helper()
	if len(gets) < 20 {
		t.Errorf("%d answers, want twenty to judge by", len(gets))
	}
	usual, worst := 2*most(machine, 0.75), 2*most(machine, 1)
	t.Logf("of %d answers three of four took at most %s, all at most %s; the reports were at most %s old, three of four %s; the machine usually took %s for a sync of the disk, at most %s",
		len(gets), most(gets, 0.75), most(gets, 1), most(ages, 1), most(ages, 0.75), usual/2, worst/2)
	for _, x := range []struct {
		what           string
		took, at, most time.Duration
	}{
		{"three of four answers", most(gets, 0.75), usual, paceGet},
		{"every answer", most(gets, 1), worst, paceGetWorst},
		{"three of four reports, until they were read,", most(ages, 0.75), usual, paceFrames},
		{"every report, until it was read,", most(ages, 1), worst, paceTurn},
	} {
		if x.took > x.most+x.at {
			t.Errorf("%s took up to %s, want at most %s, and %s for the machine", x.what, x.took, x.most, x.at)
		}
	}
}

// closed counts the resources that book was told to close.
func (s *live) closed() int {
	names := map[string]bool{}
	for _, c := range s.lab.Calls() {
		if c.Method == http.MethodPut && c.Available == "false" {
			names[c.Resource] = true
		}
	}
	return len(names)
}
