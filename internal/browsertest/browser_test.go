package browsertest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// cure is what mends a machine on which these tests can't run.
const cure = "run scripts/browser-setup.sh, as scripts/test.sh does"

// patience is with a browser on a machine that does many other things at once.
const patience = 45 * time.Second

// chromium is the one browser of this run, which TestMain ends.
var chromium browserProcess

type browserProcess struct {
	once   sync.Once
	ctx    context.Context
	err    error
	stop   func()
	abroad abroad
}

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of a test's time is the page's: it waits for the next second, or for a frame.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	status := m.Run()
	if chromium.stop != nil {
		chromium.stop()
	}
	os.Exit(status)
}

// context starts the browser when it is first asked for.
func (b *browserProcess) context() (context.Context, error) {
	b.once.Do(func() { b.err = b.start() })
	return b.ctx, b.err
}

// flags keep the browser to its task: no window, no updates, no questions, and no
// name that leads anywhere but to this machine. The profile is a temporary one.
var flags = map[string]any{
	"headless": true, "no-sandbox": true, "disable-gpu": true, "disable-software-rasterizer": true, "disable-quic": true, "no-first-run": true,
	"no-default-browser-check": true, "disable-background-networking": true, "disable-component-update": true,
	"disable-sync": true, "disable-extensions": true, "disable-default-apps": true, "disable-dev-shm-usage": true,
	"disable-domain-reliability": true, "mute-audio": true, "hide-scrollbars": true, "disable-background-timer-throttling": true,
	"disable-renderer-backgrounding": true, "disable-backgrounding-occluded-windows": true,
	"renderer-process-limit": "3", "disable-features": "SpareRendererForSitePerProcess,Translate,MediaRouter,OptimizationHints",
	"host-resolver-rules": "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "lang": "en-GB",
}

func (b *browserProcess) start() error {
	path, err := findChromium()
	if err != nil {
		return err
	}
	away, stopAway, err := b.abroad.serve()
	if err != nil {
		return fmt.Errorf("listen to what the browser asks of others: %w", err)
	}
	options := []chromedp.ExecAllocatorOption{chromedp.Flag("proxy-server", away), chromedp.ExecPath(path), chromedp.WSURLReadTimeout(patience), chromedp.Env("TZ=Europe/London")}
	for name, value := range flags {
		options = append(options, chromedp.Flag(name, value))
	}
	allocated, endAllocated := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocated)
	b.ctx, b.stop = ctx, func() {
		end()
		endAllocated()
		stopAway()
	}
	if err := chromedp.Do(ctx); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	return nil
}

// findChromium prefers the headless shell: the whole browser does the same with twice
// the work.
func findChromium() (string, error) {
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium: " + cure)
}
