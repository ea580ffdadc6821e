package browsertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// window is one of the browser's, which serves one test after another: to start its
// process and to read the page's own files anew is half the work of a short test.
type window struct {
	ctx   context.Context
	close func()
	tab   atomic.Pointer[tab] // whose it is; nil between two tests
}

// idle windows wait for the next test.
var idle struct {
	mu   sync.Mutex
	wins []*window
}

// window gives one that is idle, or opens another.
func (b *browserProcess) window() (*window, error) {
	browser, err := b.context()
	if err != nil {
		return nil, err
	}
	idle.mu.Lock()
	if n := len(idle.wins); n > 0 {
		win := idle.wins[n-1]
		idle.wins = idle.wins[:n-1]
		idle.mu.Unlock()
		return win, nil
	}
	idle.mu.Unlock()
	win := &window{}
	// A profile of its own has a process of its own: what keeps one page busy holds up no
	// other test's.
	win.ctx, win.close = chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	hear := func(event any) {
		if tb := win.tab.Load(); tb != nil {
			tb.hear(event)
		}
	}
	if err := chromedp.Listen(win.ctx, hear); err != nil {
		win.close()
		return nil, err
	}
	// Nothing here asks for nodes or styles, and what is requested is known from who is
	// asked for it: being told of each of them is a good part of the work.
	err = chromedp.Do(win.ctx, quietly(css.Disable, cdp.Empty{}), quietly(dom.Disable, cdp.Empty{}), quietly(network.Disable, cdp.Empty{}))
	if err != nil {
		win.close()
		return nil, err
	}
	return win, nil
}

// leave empties the window for the next test, or closes one that is spoilt.
func (w *window) leave(spoilt bool) error {
	if spoilt {
		w.close()
		return nil
	}
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	kept, err := chromedp.Run(ctx, chromedp.Evaluate[int](`(localStorage.clear(), sessionStorage.clear(), document.cookie.length)`))
	if err == nil && kept > 0 {
		err = errors.New("the page has left a cookie, which the next test would have")
	}
	if err == nil {
		err = chromedp.Do(ctx, quietly(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{}), chromedp.Navigate(chromium.abroad.blank))
	}
	if err != nil {
		w.close()
		return err
	}
	idle.mu.Lock()
	idle.wins = append(idle.wins, w)
	idle.mu.Unlock()
	return nil
}

func quietly[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}
