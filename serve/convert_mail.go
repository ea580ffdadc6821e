package serve

import (
	"net/mail"
	"slices"
	"strings"

	"labstatus/internal/health"
	"labstatus/serve/models"
)

func mailPage(page []health.Mail, next string, whole bool) *models.MailPage {
	out := &models.MailPage{Mails: make([]*models.Mail, 0, len(page)), Next: next}
	for i := range page {
		out.Mails = append(out.Mails, mailOf(&page[i], whole))
	}
	return out
}

// mailOf tells what became of a mail. Unless whole is wanted, addresses are masked.
func mailOf(m *health.Mail, whole bool) *models.Mail {
	fates := map[health.Fate]int64{}
	out := &models.Mail{
		ID: &m.ID, At: at(m.At), Subject: new(unmasked(m.Subject, whole)),
		Recipients: make([]*models.MailRecipient, 0, len(m.Recipients)),
	}
	for _, r := range m.Recipients {
		fates[r.Fate]++
		one := &models.MailRecipient{
			Address: &r.Address, Fate: new(string(r.Fate)), Attempts: new(int64(r.Attempts)),
			Done: atIfKnown(r.Done), LastError: unmasked(r.LastErr, whole),
		}
		if !whole {
			one.Address = new(maskAddress(r.Address))
		}
		out.Recipients = append(out.Recipients, one)
	}
	out.Queued, out.Sent, out.Failed = new(fates[health.Queued]), new(fates[health.Sent]), new(fates[health.Failed])
	return out
}

// mailText adds what the mail says; html is the address of its HTML part.
func mailText(m *health.Mail, parts *mailParts, html string, whole bool) *models.MailText {
	fate := mailOf(m, whole)
	out := &models.MailText{
		ID: fate.ID, At: fate.At, Subject: fate.Subject, Queued: fate.Queued, Sent: fate.Sent, Failed: fate.Failed,
		Recipients: fate.Recipients, Text: new(unmasked(parts.text, whole)), Headers: make([][]string, 0, len(parts.headers)),
	}
	if parts.html != "" {
		out.HTML = html
	}
	for _, h := range parts.headers {
		if !whole {
			h = []string{h[0], maskHeader(h[0], h[1])}
		}
		out.Headers = append(out.Headers, h)
	}
	return out
}

func unmasked(text string, whole bool) string {
	if whole {
		return text
	}
	return maskIn(text)
}

// Headers that hold people's names and addresses, and such as hold what only looks
// like an address.
var (
	addressHeaders = []string{"from", "sender", "reply-to", "to", "cc", "bcc"}
	idHeaders      = []string{"message-id", "in-reply-to", "references"}
)

func maskHeader(name, value string) string {
	switch name = strings.ToLower(name); {
	case slices.Contains(idHeaders, name):
		return value
	case slices.Contains(addressHeaders, name):
		people, err := mail.ParseAddressList(value)
		if err != nil {
			return "***"
		}
		masked := make([]string, 0, len(people))
		for _, p := range people {
			masked = append(masked, maskAddress(p.Address))
		}
		return strings.Join(masked, ", ")
	}
	return maskIn(value)
}
