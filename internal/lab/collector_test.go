package lab

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// readyReport and statsReport are as a GOST's.
const (
	readyReport = `{"events":[{"kind":"service","service":"web","type":"status","status":{"state":"ready","msg":"service web is ready"}}]}`
	statsReport = `{"events":[{"kind":"service","service":"web","type":"stats","stats":{"totalConns":3,"currentConns":0,"inputBytes":508,"outputBytes":339,"totalErrs":2}}]}`
)

// reporting is one who reports to the collector by hand.
func (b *bench) reporting(change func(*http.Request), path, body string) (int, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), "POST", "http://"+b.Addr(Collector)+path, strings.NewReader(body))
	b.must(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+b.collected.opt.Token)
	if change != nil {
		change(r)
	}
	res, err := b.http.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.must(err)
	return res.StatusCode, res.Header.Get("Content-Type") + " " + string(text)
}

func (b *bench) figures() CollectorFigures {
	b.Helper()
	f, err := b.Collector().Figures()
	b.must(err)
	return f
}

// known is what the collector knows of a service, by source.
func (b *bench) known(source, service string) Collected {
	b.Helper()
	all, err := b.Collector().Collected()
	b.must(err)
	for _, s := range all {
		if s.Source == source && s.Service == service {
			return s
		}
	}
	return Collected{}
}

// A report is let in by its token, in the header or in the path; what is wrong
// with its head or its body is said, and nothing of it is taken.
func TestCollectorIsStrict(t *testing.T) {
	t.Parallel()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, c := range []struct {
		name, path, body string
		change           func(*http.Request)
		status           int
		want             string
	}{
		{"as GOST reports", "/", readyReport, nil, 200, `application/json {"ok":true}`},
		{"without a token", "/", readyReport, header("Authorization", ""), 401, "no token"},
		{"with a wrong one", "/", readyReport, header("Authorization", "Bearer x"), 401, "no token"},
		{"with one in the path", "/a/" + "collector-token-of-the-simulated-lab", readyReport, header("Authorization", ""), 200, "true"},
		{"of another method", "/", readyReport, func(r *http.Request) { r.Method = "PUT" }, 400, "method PUT"},
		{"of another type", "/", readyReport, header("Content-Type", "application/json; charset=utf-8"), 400, "Content-Type"},
		{"in chunks", "/", readyReport, func(r *http.Request) { r.ContentLength = -1 }, 400, "no Content-Length"},
		{"empty", "/", "", nil, 400, "the body is empty"},
		{"with nothing in it", "/", `{"events":[]}`, nil, 400, "never empty"},
		{"with a bad key", "/", readyReport, header("Idempotency-Key", "abc-1"), 400, "key"},
	} {
		inBubble(t, Options{Collector: &CollectorOptions{}}, func(b *bench) {
			code, body := b.reporting(c.change, c.path, c.body)
			if code != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%s: %d %s, want %d %s", c.name, code, body, c.status, c.want)
			}
			taken := b.figures().Taken
			all, err := b.Collector().Collected()
			b.must(err)
			if (c.status == 200) != (taken == 1) || taken != len(all) {
				t.Errorf("%s: %d taken, %d known", c.name, taken, len(all))
			}
		})
	}
}

// What came is kept: the state and its history, the last figures, and the sum
// of the bytes of all reports. A ready without a running is complained of.
func TestCollectorKeeps(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{Collector: &CollectorOptions{}}, func(b *bench) {
		for _, body := range []string{strings.ReplaceAll(readyReport, "ready", "running"), readyReport, statsReport, strings.Replace(statsReport, "508", "9", 1), readyReport} {
			if code, text := b.reporting(nil, "/leeds", body); code != 200 {
				t.Errorf("%s: %d %s", body, code, text)
			}
			time.Sleep(time.Second)
		}
		s := b.known("leeds", "web")
		if s.State != "ready" || s.Message != "service web is ready" || len(s.States) != 3 || s.States[0].State != "running" {
			t.Errorf("states: %+v", s)
		}
		if s.InputSum != 517 || s.OutputSum != 678 || s.Stats == nil || s.Stats.InputBytes != 9 || s.Events != 5 {
			t.Errorf("figures: %+v, %+v", s, s.Stats)
		}
		complaints, err := b.Collector().Complaints()
		b.must(err)
		if len(complaints) != 1 || complaints[0].Kind != ComplaintOrder || complaints[0].Source != "leeds" {
			t.Errorf("complaints: %+v", complaints)
		}
	})
}

// A report that says the same number of its sender again is answered and not
// counted, unless the collector is one that knows nothing of that.
func TestCollectorKeys(t *testing.T) {
	t.Parallel()
	for keyless, want := range map[bool]uint64{false: 1016, true: 2032} {
		inBubble(t, Options{Collector: &CollectorOptions{Keyless: keyless}}, func(b *bench) {
			for _, key := range []string{`"a-b-1"`, `"a-b-1"`, `"a-c-1"`, `"a-b-0"`} {
				if code, text := b.reporting(func(r *http.Request) { r.Header.Set("Idempotency-Key", key) }, "/", statsReport); code != 200 {
					t.Errorf("%s: %d %s", key, code, text)
				}
			}
			if s := b.known("http", "web"); s.InputSum != want {
				t.Errorf("keyless %t: %d bytes, want %d; %+v", keyless, s.InputSum, want, b.figures())
			}
		})
	}
}

// Each fault of the collector looks as it should, over HTTP and over gRPC, and
// only a lost answer leaves its report behind.
func TestCollectorFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		order string
		http  int // 0: no answer
		body  string
		grpc  codes.Code
		taken int // of the two
	}{
		{"collector well", 200, `{"ok":true}`, codes.OK, 2},
		{"collector says 201", 201, `{"ok":true}`, codes.Unavailable, 0},
		{"collector says 500", 500, ``, codes.Unavailable, 0},
		{"collector fails with 500", 500, ``, codes.Internal, 0},
		{"collector denies", 200, `{"ok":false}`, codes.OK, 0},
		{"collector loses answers", 0, `EOF`, codes.Unavailable, 2},
		{"collector loses answers 1", 0, `EOF`, codes.OK, 2},
		{"collector hangs", 0, `deadline`, codes.DeadlineExceeded, 0},
		{"collector answers in 3s", 0, `deadline`, codes.DeadlineExceeded, 2}, // too late, but taken
		{"collector stops", 0, `refused`, codes.Unavailable, 0},
		{"collector restarts", 200, `{"ok":true}`, codes.OK, 2},
	} {
		t.Run(c.order, func(t *testing.T) {
			inBubble(t, Options{Collector: &CollectorOptions{}}, func(b *bench) {
				b.must(b.Order(c.order))
				ctx, cancel := context.WithTimeout(b.Context(), 2*time.Second)
				defer cancel()
				code, body := b.reporting(func(r *http.Request) { *r = *r.WithContext(ctx) }, "/", statsReport)
				if code != c.http || !strings.Contains(body, c.body) {
					t.Errorf("over HTTP: %d %s", code, body)
				}
				ok, err := b.reportingGRPC(statsEvents, b.collected.opt.Token)
				if status.Code(err) != c.grpc || err == nil && ok != (c.order != "collector denies") {
					t.Errorf("over gRPC: %t, %v", ok, err)
				}
				time.Sleep(5 * time.Second)
				if n := b.figures().Taken; n != c.taken {
					t.Errorf("%d taken, want %d", n, c.taken)
				}
				b.must(b.Collector().Well())
				if code, body := b.reporting(nil, "/", statsReport); code != 200 {
					t.Errorf("well again: %d %s", code, body)
				}
			})
		})
	}
}

var statsEvents = []GOSTEvent{{Kind: kindService, Service: "web", Type: typeStats, Stats: &GOSTStats{1, 0, 2, 3, 0}}}

// reportingGRPC makes one call, with two seconds of patience.
func (b *bench) reportingGRPC(events []GOSTEvent, token string) (ok bool, err error) {
	b.Helper()
	conn, err := grpc.NewClient("passthrough:///"+b.Addr(CollectorGRPC), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return b.net.DialContext(ctx, "tcp", addr) }))
	b.must(err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(b.Context(), "token", token), 2*time.Second)
	defer cancel()
	request, reply := observeProto(events), []byte(nil)
	err = conn.Invoke(ctx, "/proto.Observer/Observe", &request, &reply, grpc.ForceCodec(rawCodec{}))
	return string(reply) == "\x08\x01", err
}

// Over gRPC, too, nothing is taken that is wrong.
func TestCollectorIsStrictOverGRPC(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{Collector: &CollectorOptions{}}, func(b *bench) {
		if _, err := b.reportingGRPC(statsEvents, "x"); status.Code(err) != codes.Unauthenticated {
			t.Errorf("a wrong token: %v", err)
		}
		if _, err := b.reportingGRPC(nil, b.collected.opt.Token); status.Code(err) != codes.InvalidArgument {
			t.Errorf("an empty report: %v", err)
		}
		if f := b.figures(); f.Taken != 0 || f.Refused != 2 || f.Complaints != 2 {
			t.Errorf("%+v", f)
		}
	})
}

// A genuine collector complains of what no GOST does.
func TestCollectorKnowsGOST(t *testing.T) {
	t.Parallel()
	client := `{"kind":"handler","service":"s","client":"c","type":"stats","stats":{"totalConns":1,"currentConns":0,"inputBytes":2,"outputBytes":3,"totalErrs":0}}`
	word := `{"kind":"handler","service":"s","client":"d","type":"status","status":{"state":"running","msg":"up"}}`
	report := func(events ...string) string { return `{"events":[` + strings.Join(events, ",") + `]}` }
	for _, c := range []struct{ body, want string }{
		{report(client), ""},
		{report(client, strings.Replace(client, `"c"`, `"e"`, 1)), ""},
		{report(client, client), "comes twice"},
		{report(client, strings.Replace(client, `"s"`, `"t"`, 1)), "two services"},
		{report(strings.Replace(client, `"totalErrs":0`, `"totalErrs":1`, 1)), "a client has errors"},
		{report(word), "a client has a state"},
		{strings.Replace(readyReport, "service web is ready", "well", 1), "no sentence of GOST's"},
		{strings.Replace(readyReport, `[`, `[`+client+`,`, 1), "not alone"},
	} {
		inBubble(t, Options{Collector: &CollectorOptions{Genuine: true}}, func(b *bench) {
			if code, text := b.reporting(nil, "/", c.body); code != 200 {
				t.Fatalf("%s: %d %s", c.body, code, text)
			}
			complaints, err := b.Collector().Complaints()
			b.must(err)
			var found strings.Builder
			for _, one := range complaints {
				if one.Kind == ComplaintHabit {
					found.WriteString(one.Text + "; ")
				}
			}
			if (found.String() == "") != (c.want == "") || !strings.Contains(found.String(), c.want) {
				t.Errorf("%s: %q, want %q", c.body, found.String(), c.want)
			}
		})
	}
}
