package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"labstatus/internal/health"
)

func isQueued(r health.Recipient) bool { return r.Fate == health.Queued }

// tidyTimes gives a recipient's times as the file would give them back.
func tidyTimes(r health.Recipient) health.Recipient {
	r.Next, r.Done = fromNanos(nanos(r.Next)), fromNanos(nanos(r.Done))
	return r
}

// cloneMail copies a mail, with its bytes where they are asked for.
func cloneMail(m *health.Mail, raw bool) health.Mail {
	out := *m
	out.Recipients = slices.Clone(m.Recipients)
	out.Raw = nil
	if raw && len(m.Raw) > 0 {
		out.Raw = bytes.Clone(m.Raw)
	}
	return out
}

func (m *Memory) addMail(mail *health.Mail) {
	if m.byID[mail.ID] != nil {
		return
	}
	m.lastMail++
	r := &row{id: m.lastMail, Mail: cloneMail(mail, true)}
	r.At = fromNanos(nanos(mail.At))
	r.Recipients = onceEach(mail.Recipients)
	for i := range r.Recipients {
		r.Recipients[i] = tidyTimes(r.Recipients[i])
	}
	m.mails = append(m.mails, r)
	m.byID[mail.ID] = r
}

// Mails implements Store.
func (m *Memory) Mails(ctx context.Context, limit int, from string) ([]health.Mail, string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, "", err
	}
	end := len(m.mails)
	if from != "" {
		c, err := decodeCursor(mailCursor, from)
		if err != nil {
			return nil, "", err
		}
		end, _ = slices.BinarySearchFunc(m.mails, c.id, func(r *row, id int64) int { return cmp.Compare(r.id, id) })
	}
	start := max(0, end-pageSize(limit))
	var page []health.Mail
	for _, r := range slices.Backward(m.mails[start:end]) {
		page = append(page, cloneMail(&r.Mail, false))
	}
	if start == 0 {
		return page, "", nil
	}
	return page, cursor{id: m.mails[start].id}.encode(mailCursor), nil
}

// Mail implements Store.
func (m *Memory) Mail(ctx context.Context, id string) (health.Mail, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return health.Mail{}, err
	}
	r := m.byID[id]
	if r == nil {
		return health.Mail{}, fmt.Errorf("read mail: %w: %s", ErrUnknownMail, id)
	}
	return cloneMail(&r.Mail, true), nil
}

// DueMail implements Store.
func (m *Memory) DueMail(ctx context.Context, now time.Time, limit int) ([]health.Mail, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	due := func(r health.Recipient) bool { return isQueued(r) && nanos(r.Next) <= nanos(now) }
	var out []health.Mail
	for _, r := range m.mails {
		if len(out) == pageSize(limit) {
			break
		}
		if slices.ContainsFunc(r.Recipients, due) {
			out = append(out, cloneMail(&r.Mail, true))
		}
	}
	return out, nil
}

// NextMail implements Store.
func (m *Memory) NextMail(ctx context.Context) (next time.Time, found bool, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return next, false, err
	}
	for _, r := range m.mails {
		for _, to := range r.Recipients {
			if isQueued(to) && (!found || nanos(to.Next) < nanos(next)) {
				next, found = to.Next, true
			}
		}
	}
	return next, found, nil
}

// MailCounts implements Store.
func (m *Memory) MailCounts(ctx context.Context) (queued, sent, failed int, oldestQueued time.Time, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return 0, 0, 0, time.Time{}, err
	}
	var waiting bool
	for _, r := range m.mails {
		for _, to := range r.Recipients {
			switch to.Fate {
			case health.Queued:
				queued++
				if !waiting || nanos(r.At) < nanos(oldestQueued) {
					waiting, oldestQueued = true, r.At
				}
			case health.Sent:
				sent++
			case health.Failed:
				failed++
			}
		}
	}
	return queued, sent, failed, oldestQueued, nil
}

// LastFailedMail implements Store.
func (m *Memory) LastFailedMail(ctx context.Context) (last health.Mail, found bool, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return last, false, err
	}
	for _, r := range m.mails {
		for _, to := range r.Recipients {
			if to.Fate == health.Failed && (!found || nanos(to.Done) >= nanos(last.Recipients[0].Done)) {
				last, found = health.Mail{
					ID: r.ID, At: r.At, From: r.From, Subject: r.Subject,
					Recipients: []health.Recipient{{Address: to.Address, Fate: to.Fate, Attempts: to.Attempts, Done: to.Done, LastErr: to.LastErr}},
				}, true
			}
		}
	}
	return last, found, nil
}

// MarkMail implements Store.
func (m *Memory) MarkMail(ctx context.Context, id string, recipients []health.Recipient) error {
	if err := checkRecipients(recipients); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	r := m.byID[id]
	if r == nil {
		return fmt.Errorf("mark mail: %w: %s", ErrUnknownMail, id)
	}
	marked := slices.Clone(r.Recipients)
	for _, to := range recipients {
		i := slices.IndexFunc(marked, func(kept health.Recipient) bool { return kept.Address == to.Address })
		if i < 0 {
			return fmt.Errorf("mark mail: %w: %s to %s", ErrUnknownMail, id, to.Address)
		}
		marked[i] = tidyTimes(to)
	}
	r.Recipients = marked
	return nil
}
