package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// atOnce is not zero: in a synctest bubble Go 1.26's race detector crashes on timers
// that have expired when they are set, where several goroutines have them.
const atOnce = time.Nanosecond

// Script is what happens in a lab and when.
type Script []Step

// Step is one order, given After the start of the script.
type Step struct {
	After time.Duration
	Do    func(*Lab) error
	// Say is what is logged: the comment on the line, or the line.
	Say string
	// Line is the order as it was written.
	Line string
}

// ParseScript reads a script, one order a line: the time since the start of
// the script, and one of the orders listed by Grammar.
//
//	# A camera's cable is pulled.
//	2m     pend00 video vanishes   # somebody tripped over it
//	2m30s  book answers in 7s
//
// Empty lines and what follows a # are ignored; the comment after an order is
// said when it is given. Every fault is named, with its line.
func ParseScript(text string) (Script, error) {
	var s Script
	var faults []error
	in := bufio.NewScanner(strings.NewReader(text))
	for n := 1; in.Scan(); n++ {
		line, comment := cutComment(in.Text())
		if line == "" {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		after, err := time.ParseDuration(word)
		if err != nil || after < 0 {
			faults = append(faults, fmt.Errorf("line %d: %q is not a time since the start, such as 90s or 2m30s", n, word))
			continue
		}
		step, err := ParseOrder(rest)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		step.After = after
		if comment != "" {
			step.Say = comment
		}
		s = append(s, step)
	}
	if err := in.Err(); err != nil {
		faults = append(faults, fmt.Errorf("read the script: %w", err))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	slices.SortStableFunc(s, func(a, b Step) int { return int(a.After - b.After) })
	return s, nil
}

// cutComment splits a line at the first # that begins a word.
func cutComment(line string) (order, comment string) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return "", strings.TrimSpace(line[1:])
	}
	order, comment, _ = strings.Cut(line, " #")
	return strings.TrimSpace(order), strings.TrimSpace(comment)
}

// Ordered is one order that was given, and what became of it.
type Ordered struct {
	At   time.Time
	Line string
	Say  string
	// Err is why it could not be carried out, empty when it was.
	Err string
}

// ordersKept bounds the record of orders.
const ordersKept = 1000

// Order gives one order, in the words of Grammar, at once.
func (l *Lab) Order(line string) error {
	step, err := ParseOrder(line)
	if err != nil {
		return err
	}
	return l.give(step)
}

func (l *Lab) give(step Step) error {
	err := step.Do(l)
	o := Ordered{At: time.Now(), Line: step.Line, Say: step.Say}
	if err != nil {
		o.Err = err.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orders = append(l.orders, o)
	if n := len(l.orders) - ordersKept; n > 0 {
		l.orders = slices.Delete(l.orders, 0, n)
	}
	return err
}

// Orders returns what was ordered in words, oldest first, at most the newest
// thousand.
func (l *Lab) Orders() []Ordered {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.orders)
}

// Run gives each order at its time, divided by speed, and returns after the
// last. An order that cannot be carried out is logged, and the script goes
// on. It returns ctx's error when that ends first.
func (s Script) Run(ctx context.Context, l *Lab, speed float64) error {
	if speed <= 0 {
		return fmt.Errorf("run a script at speed %g: it must be positive", speed)
	}
	begin := time.Now()
	for _, step := range s {
		at := begin.Add(time.Duration(float64(step.After) / speed))
		timer := time.NewTimer(max(time.Until(at), atOnce))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		log := l.log.WithField("order", step.Line)
		if err := l.give(step); err != nil {
			log.WithError(err).Error("an order of the script could not be carried out")
			continue
		}
		log.Info(step.Say)
	}
	return nil
}
