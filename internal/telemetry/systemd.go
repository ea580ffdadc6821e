package telemetry

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
)

// Notifier tells systemd how the server is. Where no service manager listens
// ($NOTIFY_SOCKET is not set) it tells nobody. What can't be told is logged once
// and is no reason to stop: the laboratory comes first.
type Notifier struct {
	log  logrus.FieldLogger
	send func(state string) (bool, error)

	mu       sync.Mutex
	status   string // as last told
	stopping bool
	failed   bool // the latest telling did
}

// NewNotifier makes a notifier; nothing is said yet.
func NewNotifier(log logrus.FieldLogger) *Notifier {
	return &Notifier{log: log, send: func(state string) (bool, error) { return daemon.SdNotify(false, state) }}
}

// Ready says that the server serves, at start and after each reload.
func (n *Notifier) Ready() { n.state(daemon.SdNotifyReady) }

// Reloading says that settings are being read again; [Notifier.Ready] ends it.
func (n *Notifier) Reloading() {
	state := daemon.SdNotifyReloading
	if us, known := monotonicMicroseconds(); known {
		state += fmt.Sprintf("\nMONOTONIC_USEC=%d", us)
	}
	n.state(state)
}

// Stopping says that the server stops. Neither ready nor reloading is said any
// more after it.
func (n *Notifier) Stopping() {
	n.mu.Lock()
	again := n.stopping
	n.stopping = true
	n.mu.Unlock()
	if !again {
		n.tell(daemon.SdNotifyStopping)
	}
}

func (n *Notifier) state(state string) {
	n.mu.Lock()
	stopping := n.stopping
	n.mu.Unlock()
	if !stopping {
		n.tell(state)
	}
}

// Status gives the one line that systemctl status shows. It is only sent where it
// differs from the one before, so it may be called at every turn.
func (n *Notifier) Status(line string) {
	line, _, _ = strings.Cut(line, "\n") // a second line would be a command
	n.mu.Lock()
	same := line == n.status
	n.status = line
	n.mu.Unlock()
	if !same {
		n.tell("STATUS=" + line)
	}
}

// Watchdog tells systemd that the server works, for as long as the loop really
// turns: turned is when it last did. It returns nil when ctx ends, and at once
// where the unit has no WatchdogSec. A server whose loop is stuck is restarted by
// systemd between one and one and a half times WatchdogSec later (which should be
// at least four seconds, as an idle loop turns once a second).
func (n *Notifier) Watchdog(ctx context.Context, turned func() time.Time) error {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read the watchdog's settings from $WATCHDOG_USEC and $WATCHDOG_PID: %w", err)
	}
	if limit <= 0 {
		return nil
	}
	n.watch(ctx, limit, turned)
	return nil
}

// watch says so four times in the limit, so that one that is late does no harm.
func (n *Notifier) watch(ctx context.Context, limit time.Duration, turned func() time.Time) {
	tick := time.NewTicker(max(limit/4, time.Millisecond))
	defer tick.Stop()
	patience, stuck := max(limit/2, 2*time.Second), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		late := time.Since(turned())
		if late < patience {
			n.tell(daemon.SdNotifyWatchdog)
			stuck = false
		} else if !stuck {
			stuck = true
			n.log.WithField("for", late.Round(time.Millisecond).String()).
				Error("the loop does not turn: systemd is told nothing more, and restarts the server if that lasts")
		}
	}
}

func (n *Notifier) tell(state string) {
	_, err := n.send(state)
	n.mu.Lock()
	first := err != nil && !n.failed
	n.failed = err != nil
	n.mu.Unlock()
	if first {
		n.log.WithError(err).Error("systemd can't be told how the server is; is $NOTIFY_SOCKET reachable (NotifyAccess=main, RestrictAddressFamilies=AF_UNIX)?")
	}
}
