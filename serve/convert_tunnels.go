package serve

import (
	"labstatus/internal/health"
	"labstatus/serve/models"
)

func tunnels(all []health.TunnelStatus) []*models.TunnelStatus {
	out := make([]*models.TunnelStatus, 0, len(all))
	for i := range all {
		out = append(out, tunnel(&all[i]))
	}
	return out
}

func tunnel(t *health.TunnelStatus) *models.TunnelStatus {
	return &models.TunnelStatus{
		Name:     &t.Name,
		Source:   &t.Source,
		Service:  &t.Service,
		Client:   &t.Client,
		Required: &t.Required,
		State:    new(models.TunnelState(t.State)),
		Message:  &t.Message,
		Since:    atIfKnown(t.Since),
		Verdict:  new(string(t.Verdict)),
		Ok:       &t.OK,
		LastAt:   atIfKnown(t.LastAt),
	}
}

// issueDetails give what the texts of issues leave out.
func issueDetails(all []health.Issue) []*models.IssueDetail {
	out := make([]*models.IssueDetail, 0, len(all))
	for i := range all {
		issue := &all[i]
		out = append(out, &models.IssueDetail{
			Code: new(string(issue.Code)), Subject: &issue.Subject, Text: new(issue.String()), Since: at(issue.Since),
		})
	}
	return out
}
