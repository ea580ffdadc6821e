package serve

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"labstatus/internal/health"
)

// Tunnels, their issues and their events keep the contract, too.
func TestTunnelsKeepTheContract(t *testing.T) {
	t.Parallel()
	h := newHandler(t, tunnelled, func(o *Options) {
		o.Events = func(_ context.Context, name string) ([]health.Event, error) {
			return []health.Event{{Experiment: name, When: t0, TunnelOK: map[string]bool{"leeds/tunnel-pend01": false}}}, nil
		}
	})
	swagger := contract(t)
	for path, target := range map[string]string{
		"/experiments": "/experiments", "/experiments/{name}": "/experiments/pend01", "/experiments/events/{name}": "/experiments/events/pend01",
	} {
		response := swagger.Paths.Paths[path].Get.Responses.StatusCodeResponses[200]
		keepsTo(t, response.Schema, get(t, h, basePath+target).Body.Bytes())
	}
	if body := get(t, h, basePath+"/experiments/events/pend01").Body.String(); !strings.Contains(body, `"tunnel_ok":{"leeds/tunnel-pend01":false}`) {
		t.Errorf("events: %s", body)
	}
	if body := get(t, newHandler(t), basePath+"/experiments/events/pend01").Body.String(); strings.Contains(body, "tunnel_ok") {
		t.Errorf("events without tunnels: %s", body)
	}
}

// Each issue says since when, in the order of the texts, which stay as they were.
func TestIssuesSaySince(t *testing.T) {
	t.Parallel()
	var got struct {
		Issues  []string
		Details []struct{ Code, Subject, Text, Since string } `json:"issue_details"`
	}
	if err := json.Unmarshal(get(t, newHandler(t, tunnelled), basePath+"/experiments/pend01").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := [][4]string{
		{"missing_jump", "", "missing jump", "2025-03-04T05:05:07.123Z"},
		{"missing_required", "pend01-st-video", "missing required pend01-st-video", "2025-03-04T05:04:07.123Z"},
		{"missing_tunnel", "leeds/tunnel-pend01/anna", "missing tunnel leeds/tunnel-pend01/anna", "2025-03-04T04:06:07.123Z"},
		{"unhealthy_tunnel", "leeds/tunnel-pend01", "unhealthy tunnel leeds/tunnel-pend01", "2025-03-04T05:05:07.123Z"},
	}
	if len(got.Issues) != len(want) || len(got.Details) != len(want) {
		t.Fatalf("%q and %+v, want %d of each", got.Issues, got.Details, len(want))
	}
	for i, w := range want {
		d := got.Details[i]
		if d != (struct{ Code, Subject, Text, Since string }{w[0], w[1], w[2], w[3]}) || got.Issues[i] != w[2] {
			t.Errorf("%q, %+v, want %q", got.Issues[i], d, w)
		}
	}
	if body := get(t, newHandler(t), basePath+"/experiments/pend00").Body.String(); !strings.Contains(body, `"issue_details":[]`) || !strings.Contains(body, `"tunnels":[]`) {
		t.Errorf("of one with nothing wrong: %s", body)
	}
}

// The overview gets the tunnels that aren't well, of experiments that aren't.
func TestOverviewHasTunnelsInTrouble(t *testing.T) {
	t.Parallel()
	body := get(t, newHandler(t, tunnelled), "/overview.json").Body.String()
	for _, name := range []string{"leeds/silent", "leeds/tunnel-pend01", "leeds/tunnel-pend01/anna"} {
		if !strings.Contains(body, `"name":"`+name+`"`) {
			t.Errorf("%s is not in %s", name, body)
		}
	}
	if strings.Count(body, `"tunnels":`) != 1 || strings.Contains(body, `"verdict":"ok"`) {
		t.Errorf("it has tunnels that are well: %s", body)
	}
}

// Without script the page tells of tunnels too, and of who is told.
func TestPagesTellOfTunnels(t *testing.T) {
	t.Parallel()
	h := newHandler(t, tunnelled)
	text := words(get(t, h, "/experiment?name=pend01").Body.String())
	for _, want := range []string{
		"missing tunnel leeds/tunnel-pend01/anna for", "leeds/silent access unknown has not said never",
		"leeds/tunnel-pend01 required unhealthy failed for", "dial tcp: refused", "leeds/tunnel-pend01/anna access missing closed for",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if text := words(get(t, h, "/experiment?name=pend00").Body.String()); strings.Contains(text, "Tunnels") {
		t.Errorf("of one without tunnels:\n%s", text)
	}
	for _, target := range []string{"/", "/system"} {
		text := words(get(t, h, target).Body.String())
		for _, want := range []string{
			"tunnels 3 sources, 1 ready, 1 starting, 2 failed, 1 closed, 1 not said newest report", "5 reports refused",
			"observers grafana failing for", "3 observers, 17 events pending: it said",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", target, want, text)
			}
		}
		if text := words(get(t, newHandler(t, notObserving), target).Body.String()); strings.Contains(text, "tunnels") || strings.Contains(text, "observers") {
			t.Errorf("%s, where nothing is told either way:\n%s", target, text)
		}
	}
}

// The system's page as it comes has who is told and who reports, without what may be
// secret in an address.
func TestSystemPageTellsOfObservers(t *testing.T) {
	t.Parallel()
	page := get(t, newHandler(t), "/system").Body.String()
	text := words(page)
	at := 0
	for _, next := range []string{
		"collector https://collector.example:8443 ok", "ago", "grafana 10.0.0.7:8000 failing for", "it said", "new-one http://127.0.0.1:9 not told yet",
		"leeds 1 ready, 1 failed, 1 not said", "york 1 starting, 1 closed", "All that is reported",
	} {
		i := strings.Index(text[at:], next)
		if i < 0 {
			t.Fatalf("%q is not there, or not in its place, in\n%s", next, text)
		}
		at += i
	}
	if strings.Contains(page, "s3cret") {
		t.Errorf("it tells secrets:\n%s", page)
	}
}

// Whatever a source calls itself stays text.
func TestTunnelsAreSafe(t *testing.T) {
	t.Parallel()
	h := newHandler(t, tunnelled)
	for _, target := range []string{"/", "/system", "/experiment?name=pend01", "/experiment?name=" + url.QueryEscape(hostile)} {
		page := strings.ToLower(get(t, h, target).Body.String())
		for _, bad := range []string{"<script>", "<img", "onerror=alert(2)>'"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s holds %s", target, bad)
			}
		}
		if strings.HasSuffix(target, "pend01") && !strings.Contains(page, "&lt;script&gt;alert(1)") {
			t.Errorf("%s doesn't show what the source said", target)
		}
	}
}
