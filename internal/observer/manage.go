package observer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// What a change of the list may be refused for, besides a [FieldError].
var (
	ErrUnknownObserver  = errors.New("there is no such observer")
	ErrObserverExists   = errors.New("there is an observer of that name already")
	ErrFixedObserver    = errors.New("the observer is set in the file of STATUS_OBSERVERS; change it there and restart")
	ErrTooManyObservers = fmt.Errorf("there are %d observers already, more are not told", MaxObservers)
	errOver             = errors.New("the server stops")
)

// List gives every observer and how telling it goes, sorted by name.
func (r *Reporter) List() []Fate {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Fate, 0, len(r.workers))
	for _, name := range slices.Sorted(maps.Keys(r.workers)) {
		all = append(all, r.workers[name].status())
	}
	return all
}

// Find gives one observer; [ErrUnknownObserver] where there is none.
func (r *Reporter) Find(name string) (Fate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.workers[name]; w != nil {
		return w.status(), nil
	}
	return Fate{}, ErrUnknownObserver
}

// Add begins to tell an observer, and keeps it. It is told how everything is now.
func (r *Reporter) Add(ctx context.Context, o Observer) error {
	if err := o.Check(); err != nil {
		return err
	}
	release, err := r.manage(ctx)
	if err != nil {
		return err
	}
	defer release()
	switch _, err := r.Find(o.Name); {
	case err == nil:
		return ErrObserverExists
	case r.count() >= MaxObservers:
		return ErrTooManyObservers
	}
	w, err := r.newWorker(o, false, &account{back: newBacklog(o.ResetTraffic)})
	if err != nil {
		return err
	}
	if err := r.keep(ctx, w); err != nil {
		w.sender.close()
		return err
	}
	r.enter(w, func() {
		for _, e := range r.now() {
			w.tell(e)
		}
	})
	return nil
}

// Change replaces an observer's settings and keeps them; the name in o is not looked
// at. What it has not acknowledged is still told. A token that reads *** stays as it
// was, so that what List showed can be sent back; it stays only where it goes to the
// same place, as well protected.
func (r *Reporter) Change(ctx context.Context, name string, o Observer) error {
	o.Name = name
	release, err := r.manage(ctx)
	if err != nil {
		return err
	}
	defer release()
	old, err := r.changeable(name)
	if err != nil {
		return err
	}
	stays := o.Token.Reveal() == mask
	if stays {
		o.Token = old.o.Token
	}
	if err := o.Check(); err != nil {
		return err
	}
	if stays && !o.Token.IsZero() {
		if err := old.o.entrust(o); err != nil {
			return err
		}
	}
	r.stop(old)
	w, err := r.newWorker(o, false, old.account)
	if err == nil {
		if err = r.keep(ctx, w); err != nil {
			w.sender.close()
		}
	}
	if err != nil {
		return errors.Join(err, r.resume(old))
	}
	r.enter(w, func() {
		if !w.o.sameReader(old.o) {
			w.retarget(w.o.ResetTraffic, r.now())
		}
	})
	return nil
}

// Remove ends the telling of an observer and forgets it, with all that it has not
// acknowledged.
func (r *Reporter) Remove(ctx context.Context, name string) error {
	release, err := r.manage(ctx)
	if err != nil {
		return err
	}
	defer release()
	w, err := r.changeable(name)
	if err != nil {
		return err
	}
	r.stop(w)
	if err := r.forget(ctx, name); err != nil {
		return errors.Join(err, r.resume(w))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.workers, name)
	return nil
}

// manage waits for its turn.
func (r *Reporter) manage(ctx context.Context) (release func(), err error) {
	select {
	case r.managing <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("change the list of observers: %w", context.Cause(ctx))
	}
	release = func() { <-r.managing }
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		release()
		return nil, errOver
	}
	return release, nil
}

func (r *Reporter) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.workers)
}

func (r *Reporter) changeable(name string) (*worker, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.workers[name]
	switch {
	case w == nil:
		return nil, ErrUnknownObserver
	case w.fixed:
		return nil, ErrFixedObserver
	}
	return w, nil
}

func (r *Reporter) keep(ctx context.Context, w *worker) error {
	if r.o.Keeper == nil {
		return nil
	}
	w.mu.Lock()
	k := w.kept()
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, keepWait)
	defer cancel()
	if err := r.o.Keeper.KeepObserver(ctx, k); err != nil {
		return fmt.Errorf("keep observer %s: %w", w.o.Name, err)
	}
	return nil
}

// forget drops what is kept of an observer.
func (r *Reporter) forget(ctx context.Context, name string) error {
	if r.o.Keeper == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepWait)
	defer cancel()
	if err := r.o.Keeper.ForgetObserver(ctx, name); err != nil {
		return fmt.Errorf("drop what is kept of observer %s: %w", oneLine(name, 100), err)
	}
	return nil
}

// enter puts a worker on the list and begins its work, after prepare, which is
// called with mu held.
func (r *Reporter) enter(w *worker, prepare func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	prepare()
	r.workers[w.o.Name] = w
	if r.start != nil {
		r.start(w)
	}
}

// stop ends a worker's run, if it has begun.
func (r *Reporter) stop(w *worker) {
	r.mu.Lock()
	cancel := w.cancel
	r.mu.Unlock()
	if cancel == nil {
		w.sender.close()
		return
	}
	cancel(errReplaced)
	<-w.ended
}

// resume puts a stopped worker's observer back to work as it was.
func (r *Reporter) resume(old *worker) error {
	w, err := r.newWorker(old.o, old.fixed, old.account)
	if err == nil {
		r.enter(w, func() {})
	}
	return err
}
