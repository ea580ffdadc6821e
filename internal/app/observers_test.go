package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/lab"
)

const (
	observerToken = "of-the-tunnels-own-3nPq"
	observerMap   = "service tunnel-(?P<stub>.+)-cam required; service tunnel-(?P<stub>.+) link"
)

// withTunnels are the settings by which reports of tunnels are taken.
func withTunnels(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"STATUS_OBSERVER_LISTEN": "observer.lab:80",
		"STATUS_OBSERVER_TOKENS": inText(t, "tokens", observerToken+"  source=leeds\n"),
		"STATUS_OBSERVER_MAP":    observerMap,
	}
}

// inText writes a file for a setting to name.
func inText(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reports sends what a GOST sends of its services, "tunnel-pend00 ready", and of their
// clients: "shared/pend00 1 5>5".
func (b *bench) reports(token string, changes ...string) (status int) {
	b.t.Helper()
	var events []string
	for _, c := range changes {
		name, state, _ := strings.Cut(c, " ")
		whose := fmt.Sprintf(`"kind":"service","service":%q`, name)
		if service, client, of := strings.Cut(name, "/"); of {
			whose = fmt.Sprintf(`"kind":"handler","service":%q,"client":%q`, service, client)
		}
		if !strings.Contains(state, ">") {
			events = append(events, fmt.Sprintf(`{%s,"type":"status","status":{"state":%q,"msg":"service %s is %s"}}`, whose, state, name, state))
			continue
		}
		var total, in, out int
		if _, err := fmt.Sscanf(state, "%d %d>%d", &total, &in, &out); err != nil {
			b.t.Fatal(err)
		}
		events = append(events, fmt.Sprintf(`{%s,"type":"stats","stats":{"totalConns":%d,"currentConns":0,"inputBytes":%d,"outputBytes":%d,"totalErrs":0}}`, whose, total, in, out))
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "http://observer.lab/observer", strings.NewReader(`{"events":[`+strings.Join(events, ",")+`]}`))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	b.must(err, answer.Body.Close())
	if taken := strings.HasPrefix(strings.TrimSpace(string(text)), `{"ok":true`); taken != (answer.StatusCode == http.StatusOK) {
		b.t.Errorf("answered %d %s", answer.StatusCode, text)
	}
	return answer.StatusCode
}

// A tunnel that is an access of an experiment has the standing of jump: its fault and
// its return are told, once each, and bookings stay as they are. Silence says nothing.
func TestTunnelFailsAndReturns(t *testing.T) {
	inLab(t, experiments("pend00", "spin30"), withTunnels(t), func(b *bench) {
		b.reports(observerToken, "tunnel-pend00 running", "tunnel-pend00 ready", "tunnel-pend00 2 10>20", "tunnel-nobody ready")
		began := time.Now()
		b.wait(30 * time.Minute)
		b.told(began)
		b.reports(observerToken, "tunnel-pend00 failed")
		b.wait(time.Minute)
		b.told(began, "1 new problem: pend00 unhealthy tunnel leeds/tunnel-pend00")
		if !b.available("r-pend00") || b.state("pend00") != "unhealthy" {
			t.Errorf("open is %t, state %s", b.available("r-pend00"), b.state("pend00"))
		}
		b.reports(observerToken, "tunnel-pend00 ready")
		b.wait(time.Minute)
		b.told(began, "1 new problem", "1 ok again")
		if b.writes(began) != 0 {
			t.Error("a booking was changed")
		}
		if code := b.reports("some-other-token-of-somebody", "tunnel-pend00 closed"); code != http.StatusUnauthorized {
			t.Errorf("a wrong token: %d", code)
		}
		b.wait(20 * time.Minute)
		b.told(began, "1 new problem", "1 ok again")
		var known struct {
			Subjects []struct {
				Service    string `json:"service"`
				Experiment string `json:"experiment"`
				State      string `json:"state"`
				InputBytes uint64 `json:"input_bytes"`
			} `json:"subjects"`
		}
		b.get("/api/v1/observed", &known)
		if len(known.Subjects) != 2 || known.Subjects[1].Experiment != "pend00" || known.Subjects[1].InputBytes != 10 || known.Subjects[0].Experiment != "nobody" {
			t.Errorf("observed: %+v", known)
		}
	})
}

// A tunnel that an experiment can't do without closes its booking when it is gone, and
// opens it when it is back; both stand over a restart, and are told once.
func TestRequiredTunnel(t *testing.T) {
	env := withTunnels(t)
	maps.Copy(env, inFile(t, nil))
	inLab(t, experiments("pend00", "spin30"), env, func(b *bench) {
		b.reports(observerToken, "tunnel-pend00-cam ready")
		b.wait(time.Minute)
		began := time.Now()
		b.reports(observerToken, "tunnel-pend00-cam closed")
		b.becomes("r-pend00", false, 35*time.Second) // STATUS_HEALTH_LAST_CHECKED, and some
		if _, reason, _ := b.lab.Availability("r-pend00"); !strings.Contains(reason, "missing tunnel leeds/tunnel-pend00-cam since") {
			t.Errorf("students read %q", reason)
		}
		b.wait(10 * time.Second)
		b.told(began, "1 new problem: pend00")
		b.stop()
		b.start()
		b.wait(10 * time.Minute)
		b.told(began, "1 new problem: pend00")
		if b.available("r-pend00") {
			t.Error("opened by a restart")
		}
		b.reports(observerToken, "tunnel-pend00-cam running", "tunnel-pend00-cam ready")
		b.becomes("r-pend00", true, 5*time.Second)
		b.wait(10 * time.Second)
		b.told(began, "1 new problem: pend00", "1 ok again")
	})
}

// A GOST says each state once. Where the ready between two faults was lost, and only its
// figures have said that it was there, the second fault is one, too.
func TestTunnelSaysTheSameAgain(t *testing.T) {
	inLab(t, experiments("pend00", "spin30"), withTunnels(t), func(b *bench) {
		const tunnel = "tunnel-pend00-cam"
		b.reports(observerToken, tunnel+" ready", tunnel+" 1 5>5")
		b.wait(time.Minute)
		for i, word := range []string{"failed", "failed", "closed", "closed"} {
			b.reports(observerToken, tunnel+" "+word)
			b.becomes("r-pend00", false, 35*time.Second)
			b.wait(time.Minute)
			b.reports(observerToken, fmt.Sprintf("%s %d 9>9", tunnel, i+2))
			b.becomes("r-pend00", true, 15*time.Second)
			b.wait(10 * time.Minute) // longer than it could be taken for flapping
		}
	})
}

// What the map ties to nobody any more is forgotten at the restart that brings the map,
// and the fault with it.
func TestMapChanges(t *testing.T) {
	env := withTunnels(t)
	maps.Copy(env, inFile(t, nil))
	inLab(t, experiments("pend00", "spin30"), env, func(b *bench) {
		b.reports(observerToken, "tunnel-pend00-cam ready", "tunnel-spin30 ready")
		b.wait(time.Minute)
		b.reports(observerToken, "tunnel-pend00-cam closed")
		b.becomes("r-pend00", false, 35*time.Second)
		b.stop()
		b.env["STATUS_OBSERVER_MAP"] = "service tunnel-(?P<stub>[^-]+) link"
		b.start()
		b.becomes("r-pend00", true, 3*time.Minute)
		if b.state("pend00") != "healthy" {
			t.Errorf("pend00 is %s", b.state("pend00"))
		}
	})
}

// collector is somebody who observes us.
type collector struct {
	mu     sync.Mutex
	states map[string][]string // by service, or lab/<client>: what it was told of it, in order
	totals map[string]uint64   // bytes in, as told last
	refuse int                 // status to answer with; 0: takes it
	hang   chan struct{}       // answers only once it is closed; nil: at once
}

// collects begins to listen at a host of the lab's network.
func (b *bench) collects(host string) *collector {
	b.t.Helper()
	c := &collector{states: map[string][]string{}, totals: map[string]uint64{}}
	l, err := b.network.Listen(host + ":80")
	if err != nil {
		b.t.Fatal(err)
	}
	server := &http.Server{Handler: c, ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	b.t.Cleanup(func() {
		if err := server.Close(); err != nil {
			b.t.Error(err)
		}
		<-done
	})
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	hang, refuse := c.hang, c.refuse
	c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return
		}
	}
	if refuse != 0 {
		w.WriteHeader(refuse)
		return
	}
	var report struct {
		Events []struct {
			Kind, Service, Client, Type string
			Stats                       struct{ InputBytes uint64 }
			Status                      struct{ State, Msg string }
		}
	}
	if err := json.Unmarshal(body, &report); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range report.Events {
		name := e.Service
		if e.Kind == "handler" {
			name += "/" + e.Client
		}
		if e.Type == "status" {
			c.states[name] = append(c.states[name], e.Status.State)
		} else {
			c.totals[name] = e.Stats.InputBytes
		}
	}
	fmt.Fprint(w, `{"ok":true}`)
}

func (c *collector) set(refuse int, hang chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse, c.hang = refuse, hang
}

// told gives the states that it was told of something, in order.
func (c *collector) told(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.states[name], " ")
}

func (c *collector) total(name string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals[name]
}

// An observer of the file is told how our services and the experiments are, in each
// run from the beginning; what it refuses comes again, in order, over a restart too.
func TestObserverIsTold(t *testing.T) {
	env := inFile(t, map[string]string{"STATUS_OBSERVERS": inText(t, "observers.json", `{"observers":[{"name":"far","address":"http://far.lab/observer"}]}`)})
	inLab(t, experiments("pend00", "spin30"), env, func(b *bench) {
		far := b.collects("far.lab")
		b.wait(10 * time.Second)
		for _, name := range []string{"relay", "jump", "book", "mail", "api", "lab/pend00", "lab/spin30"} {
			if got := far.told(name); got != "running ready" {
				t.Errorf("%s: %q", name, got)
			}
		}
		was := far.total("lab/pend00")
		b.wait(time.Minute)
		if now := far.total("lab/pend00"); was == 0 || now <= was {
			t.Errorf("bytes of pend00: %d, then %d", was, now)
		}
		if far.total("relay") == 0 {
			t.Error("relay has sent nothing")
		}

		far.set(http.StatusServiceUnavailable, nil)
		b.must(b.lab.Stream("pend00-st-video").Silence())
		b.wait(time.Minute)
		b.must(b.lab.Stream("pend00-st-video").Resume())
		b.wait(time.Minute)
		b.must(b.lab.Service("relay").Stop())
		b.wait(2 * time.Minute)
		if got := far.told("lab/pend00"); got != "running ready" {
			t.Errorf("refused, and yet told: %q", got)
		}
		b.stop()
		b.must(b.lab.Service("relay").Start())
		far.set(0, nil)
		b.start()
		b.wait(2 * time.Minute)
		for name, want := range map[string]string{
			"lab/pend00": "running ready failed ready running ready", // ready again, and then the next run
			"relay":      "running ready failed closed running ready",
			"api":        "running ready closed running ready",
			"lab/spin30": "running ready running ready",
		} {
			if got := far.told(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		b.stop()
		if got := far.told("api"); !strings.HasSuffix(got, "closed") {
			t.Errorf("api at the end: %q", got)
		}
		b.start()
	})
}

// Observers are set, changed and removed while the server runs, and kept. One that hangs
// delays neither another nor the stop.
func TestObserversAreManaged(t *testing.T) {
	env := inFile(t, map[string]string{"STATUS_SECRET_STATUS": actsSecret})
	inLab(t, experiments("pend00"), env, func(b *bench) {
		do := b.anna()
		near, far := b.collects("near.lab"), b.collects("far.lab")
		hang := make(chan struct{})
		far.set(0, hang)
		for _, host := range []string{"near", "far"} {
			order := fmt.Sprintf(`{"name":%q,"address":"http://%s.lab/","token":"secret-of-%s","period":"1s"}`, host, host, host)
			if code, text := do(http.MethodPost, "/observers", order); code != http.StatusCreated || strings.Contains(text, "secret-of") {
				t.Fatalf("add: %d %s", code, text)
			}
		}
		for name, test := range map[string]struct {
			method, path, body string
			code               int
			words              string
		}{
			"again":       {http.MethodPost, "/observers", `{"name":"near","address":"http://near.lab/"}`, http.StatusConflict, "already"},
			"no address":  {http.MethodPost, "/observers", `{"name":"x","address":""}`, http.StatusUnprocessableEntity, "address"},
			"bad period":  {http.MethodPut, "/observers/near", `{"name":"near","address":"http://near.lab/","period":"1ms"}`, http.StatusUnprocessableEntity, "period"},
			"not there":   {http.MethodDelete, "/observers/nobody", "", http.StatusNotFound, "nobody"},
			"change none": {http.MethodPut, "/observers/nobody", `{"name":"nobody","address":"http://near.lab/"}`, http.StatusNotFound, "observer"},
		} {
			if code, text := do(test.method, test.path, test.body); code != test.code || !strings.Contains(text, test.words) {
				t.Errorf("%s: %d %s", name, code, text)
			}
		}
		b.wait(10 * time.Second)
		if got := near.told("lab/pend00"); got != "ready" {
			t.Errorf("near was told %q while far hangs", got)
		}
		if took := b.stop(); took > 2*time.Second {
			t.Errorf("stopped within %s while an observer hangs", took)
		}
		b.wait(time.Second) // until the server of far has seen that nobody waits any more
		close(hang)
		b.start()
		b.wait(2 * time.Minute)
		if got := far.told("lab/pend00"); got != "ready running ready" {
			t.Errorf("far was told %q", got)
		}
		if code, text := do(http.MethodDelete, "/observers/far", ""); code != http.StatusNoContent {
			t.Errorf("remove: %d %s", code, text)
		}
		b.must(b.lab.Stream("pend00-st-video").Silence())
		b.wait(time.Minute)
		if !strings.HasSuffix(near.told("lab/pend00"), "failed") || strings.HasSuffix(far.told("lab/pend00"), "failed") {
			t.Errorf("near %q, far %q", near.told("lab/pend00"), far.told("lab/pend00"))
		}
		b.stop()
		b.start()
		if code, text := do(http.MethodGet, "/observers", ""); code != http.StatusOK || !strings.Contains(text, `"near"`) || strings.Contains(text, `"far"`) {
			t.Errorf("after a restart: %d %s", code, text)
		}
	})
}

// Reports come over gRPC too. Who connects there and says nothing doesn't hold up the
// stop.
func TestReportsOverGRPC(t *testing.T) {
	env := withTunnels(t)
	env["STATUS_OBSERVER_GRPC_LISTEN"] = "observer.lab:81"
	inLab(t, experiments("pend00"), env, func(b *bench) {
		silent, err := b.network.DialContext(b.t.Context(), "tcp", "observer.lab:81")
		b.must(err)
		conn, err := grpc.NewClient("passthrough:///observer.lab:81", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
				return b.network.DialContext(ctx, "tcp", addr)
			}))
		b.must(err)
		// One event: kind service, service tunnel-pend00, type status, state failed.
		event := "\x0a\x07service\x12\x0dtunnel-pend00\x22\x06status\x32\x08\x0a\x06failed"
		report := wireBytes("\x0a" + string(rune(len(event))) + event)
		var answer wireBytes
		ctx := metadata.AppendToOutgoingContext(b.t.Context(), "token", observerToken)
		b.must(conn.Invoke(ctx, "/proto.Observer/Observe", &report, &answer, grpc.ForceCodec(wireCodec{})))
		if answer != "\x08\x01" {
			t.Errorf("answered %q", answer)
		}
		b.wait(time.Minute)
		if b.state("pend00") != "unhealthy" {
			t.Errorf("pend00 is %s", b.state("pend00"))
		}
		b.must(conn.Close())
		if took := b.stop(); took > 2*time.Second {
			t.Errorf("stopped within %s while somebody is connected and silent", took)
		}
		b.must(silent.Close())
		b.start()
	})
}

// wireBytes are a message as it is on the wire.
type wireBytes string

type wireCodec struct{}

func (wireCodec) Name() string                  { return "proto" }
func (wireCodec) Marshal(v any) ([]byte, error) { return []byte(*v.(*wireBytes)), nil }
func (wireCodec) Unmarshal(data []byte, v any) error {
	*v.(*wireBytes) = wireBytes(data)
	return nil
}

// An observer that can't be kept is not told either: who set it is told so, without the
// store's own words, and can try again.
func TestObserverThatCantBeKept(t *testing.T) {
	failing(t, func(b *bench, s *failingStore) {
		b.env["STATUS_SECRET_STATUS"] = actsSecret
		b.restart()
		do := b.anna()
		s.order(storeFault{err: errNeighbour})
		code, text := do(http.MethodPost, "/observers", `{"name":"far","address":"http://far.lab/"}`)
		if code != http.StatusServiceUnavailable || strings.Contains(text, "malformed") {
			t.Errorf("%d %s", code, text)
		}
		s.order(storeFault{})
		if code, text := do(http.MethodGet, "/observers", ""); code != http.StatusOK || strings.Contains(text, "far") {
			t.Errorf("%d %s", code, text)
		}
		if code, text := do(http.MethodPost, "/observers", `{"name":"far","address":"http://far.lab/"}`); code != http.StatusCreated {
			t.Errorf("again: %d %s", code, text)
		}
	})
}

// What the files of observers hold wrongly is said at the start, by the name of the
// setting, with every fault, and without a token.
func TestObserverFilesAreChecked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env  func(t *testing.T) map[string]string
		want []string
	}{
		"observers": {func(t *testing.T) map[string]string {
			return map[string]string{"STATUS_OBSERVERS": inText(t, "o", `{"observers":[{"name":"a","address":""},{"name":"b","address":"http://x/","period":"1ms"}]}`)}
		}, []string{"STATUS_OBSERVERS", "observers[0].address", "observers[1].period"}},
		"no such file": {func(*testing.T) map[string]string {
			return map[string]string{"STATUS_OBSERVERS": "/nowhere/observers.json"}
		}, []string{"STATUS_OBSERVERS", "/nowhere/observers.json"}},
		"tokens": {func(t *testing.T) map[string]string {
			env := withTunnels(t)
			env["STATUS_OBSERVER_TOKENS"] = inText(t, "tokens", "short\n")
			return env
		}, []string{"STATUS_OBSERVER_TOKENS", "16"}},
		"no token": {func(t *testing.T) map[string]string {
			env := withTunnels(t)
			env["STATUS_OBSERVER_TOKENS"] = inText(t, "tokens", "# none yet\n")
			return env
		}, []string{"STATUS_OBSERVER_TOKENS", "token"}},
		"map": {func(t *testing.T) map[string]string {
			env := withTunnels(t)
			env["STATUS_OBSERVER_MAP"] = "@" + inText(t, "map", "service ( link\n")
			return env
		}, []string{"STATUS_OBSERVER_MAP", "line 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := refusedWith(t, test.env(t))
			if err == nil {
				t.Fatal("taken")
			}
			for _, w := range test.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v\ndoesn't name %s", err, w)
				}
			}
			if strings.Contains(err.Error(), "short") {
				t.Errorf("shows a token: %v", err)
			}
		})
	}
}

// refusedWith is what the server says at its start to settings beside a lab's.
func refusedWith(t *testing.T, env map[string]string) error {
	t.Helper()
	some, err := lab.New(lab.Options{Experiments: experiments("pend00"), Network: lab.NewNetwork()})
	if err != nil {
		t.Fatal(err)
	}
	all := some.Env()
	maps.Copy(all, map[string]string{"STATUS_STORE": "memory", "STATUS_LISTEN": "status.lab:80", "STATUS_LOG_FILE": "stderr"})
	maps.Copy(all, env)
	c, _, err := config.LoadMap(all)
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	_, err = app.New(t.Context(), app.Options{Config: c, Log: log})
	return err
}
