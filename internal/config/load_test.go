package config

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/viper"
)

// least is the smallest environment that loads.
func least(more ...string) map[string]string {
	env := map[string]string{
		"STATUS_HOST_BOOK": "app.example.org", "STATUS_HOST_JUMP": "app.example.org", "STATUS_HOST_RELAY": "app.example.org",
		"STATUS_SECRET_BOOK": "0123456789abcdef-book", "STATUS_SECRET_JUMP": "0123456789abcdef-jump", "STATUS_SECRET_RELAY": "0123456789abcdef-relay",
	}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

func mustLoad(t *testing.T, env map[string]string) (*Config, []Warning) {
	t.Helper()
	c, warnings, err := LoadMap(env)
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

func faults(err error) []*Fault {
	var list []*Fault
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		for _, e := range joined.Unwrap() {
			if f, ok := errors.AsType[*Fault](e); ok {
				list = append(list, f)
			}
		}
	}
	return list
}

// oneFault loads and wants exactly one fault, of that variable.
func oneFault(t *testing.T, env map[string]string, variable string) *Fault {
	t.Helper()
	c, _, err := LoadMap(env)
	list := faults(err)
	if c != nil || len(list) != 1 || list[0].Variable != variable {
		t.Fatalf("got %v, want one fault of %s", err, variable)
	}
	return list[0]
}

func envFile(t *testing.T, name string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(content)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = strings.Trim(value, `"`) // as a shell or systemd does
	}
	return env
}

func TestUpstreamUnitStartsUnchanged(t *testing.T) {
	c, warnings := mustLoad(t, envFile(t, "upstream.env"))

	if got := c.Book.API(); got != "https://app.example.org/tenant/book/api/v1" {
		t.Errorf("book's calls go to %s", got)
	}
	if c.Health.LastActive != 10*time.Second || c.sources["HEALTH_LAST_ACTIVE"] != "alias STATUS_HEALTH_LAST" {
		t.Errorf("HEALTH_LAST gave %v from %s", c.Health.LastActive, c.sources["HEALTH_LAST_ACTIVE"])
	}
	if ok, missing := c.Email.Enabled(); !ok {
		t.Errorf("mail is off, %v missing", missing)
	}
	if c.Email.User != "other@b.org" || c.Email.Link != "app.practable.io/tenant/status" || c.Email.To[0].Address != "alpha@a.org" {
		t.Errorf("mail: %+v", c.Email)
	}
	if c.Reconnect.Jump != 24*time.Hour || c.Log.Level != logrus.WarnLevel || c.Serve.Listen != (Listen{Network: "tcp", Address: ":3007"}) {
		t.Errorf("got %+v", c)
	}

	var names []string
	for _, w := range warnings {
		names = append(names, w.Variable)
	}
	want := []string{"STATUS_EMAIL_PASSWORD", "STATUS_HOST_BOOKJUMP", "STATUS_SECRET_BOOK", "STATUS_SECRET_JUMP", "STATUS_SECRET_RELAY"}
	if !slices.Equal(names, want) {
		t.Errorf("warned of %v, want %v", warnings, want)
	}
	if !strings.Contains(warnings[1].Text, "STATUS_HOST_BOOK") {
		t.Errorf("no suggestion: %s", warnings[1])
	}
}

func TestDocumentedDefaults(t *testing.T) {
	c, warnings := mustLoad(t, least())
	if len(warnings) != 0 {
		t.Errorf("a plain environment warns: %v", warnings)
	}
	d := Default()
	for _, p := range []*Service{&c.Book, &c.Jump, &c.Relay} {
		if p.Host != "app.example.org" || !p.Secret.IsSet() {
			t.Errorf("got %+v", p)
		}
		p.Host, p.Secret = "", Secret{}
	}
	c.sources, d.sources = nil, nil
	if !reflect.DeepEqual(c, d) {
		t.Errorf("loaded %+v\nDefault %+v", c, d)
	}
	want := Health{LastActive: 10 * time.Second, LastChecked: 30 * time.Second, History: 90 * 24 * time.Hour, LogEvery: 10 * time.Minute, Startup: time.Minute,
		FlapWindow: 10 * time.Minute, Events: 100, FlapEvents: 5, ConfirmDown: 1, ConfirmUp: 1}
	if d.Health != want || !d.Health.Flapping() {
		t.Errorf("health: %+v", d.Health)
	}
	if d.Store.String() != "/var/lib/status/status.db" || d.Log.File != "/var/log/status/status.log" || d.Booking != (Booking{15 * time.Minute, 5 * time.Second, HoldsRespect}) {
		t.Errorf("got %+v", d)
	}
	if d.Observer != (Observer{Period: 5 * time.Second}) || d.Observer.Listens() {
		t.Errorf("observer: %+v", d.Observer)
	}
	if ok, missing := d.Email.Enabled(); ok || !slices.Equal(missing, []string{"STATUS_EMAIL_FROM", "STATUS_EMAIL_TO", "STATUS_EMAIL_HOST"}) {
		t.Errorf("mail %v, missing %v", ok, missing)
	}
	if d.Profile.Address() != "127.0.0.1:6061" {
		t.Errorf("pprof at %s", d.Profile.Address())
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	_, _, err := LoadMap(map[string]string{
		"STATUS_HOST_BOOK": "https://app.example.org/tenant", "STATUS_SECRET_BOOK": "key",
		"STATUS_HEALTH_STARTUP": "-1m", "STATUS_HEALTH_LAST": "10 s", "STATUS_PORT_SERVE": "http",
		"STATUS_EMAIL_TO": "alpha@a.org; beta@a.org", "STATUS_STORE": "postgres://u:pa55word@db/status", "STATUS_PROFILE": "maybe",
	})
	want := []string{
		`STATUS_HOST_BOOK="https://app.example.org/tenant": want host or host:port`,
		`STATUS_HOST_JUMP is not set: want `, `STATUS_SECRET_JUMP is not set: want `,
		`STATUS_HOST_RELAY is not set: want `, `STATUS_SECRET_RELAY is not set: want `,
		`STATUS_HEALTH_LAST="10 s": want a duration such as`,
		`STATUS_HEALTH_STARTUP="-1m": want 0 or at least 1ms`,
		`STATUS_EMAIL_TO="alpha@a.org; beta@a.org": want addresses split by commas, not semicolons`,
		`STATUS_PORT_SERVE="http": want a port number from 1 to 65535`,
		`STATUS_STORE="postgres://***@db/status": want `,
		`STATUS_PROFILE="maybe": want true or false`,
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d: %s\nwant %s…", i, line, want[i])
		}
	}
	for _, advice := range []string{"here remains app.example.org", "which this version does not have"} {
		if !strings.Contains(err.Error(), advice) {
			t.Errorf("no %q in:\n%v", advice, err)
		}
	}
}

func TestAliasAndExplicitName(t *testing.T) {
	c, warnings := mustLoad(t, least("STATUS_HEALTH_LAST", "20s", "STATUS_HEALTH_LAST_ACTIVE", "40s"))
	if c.Health.LastActive != 40*time.Second {
		t.Errorf("got %v", c.Health.LastActive)
	}
	if len(warnings) != 1 || warnings[0].Variable != "STATUS_HEALTH_LAST" || !strings.Contains(warnings[0].Text, "STATUS_HEALTH_LAST_ACTIVE") {
		t.Errorf("got %v", warnings)
	}
	oneFault(t, least("STATUS_HEALTH_LAST", "soon"), "STATUS_HEALTH_LAST")
}

func TestEmptyCountsAsUnset(t *testing.T) {
	env := map[string]string{}
	for _, s := range Table {
		env[s.Variable()] = " "
	}
	maps.Copy(env, least("STATUS_SECRET_STATUS", "", "STATUS_PORT_SERVE", `""`, "STATUS_SECRET_BOOK_FILE", "", "STATUS_HEALTH_LAST", ""))
	c, warnings := mustLoad(t, env)
	want, _ := mustLoad(t, least())
	want.Book.Secret, want.Jump.Secret, want.Relay.Secret = c.Book.Secret, c.Jump.Secret, c.Relay.Secret
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
	if len(warnings) != 1 || warnings[0].Variable != "STATUS_PORT_SERVE" {
		t.Errorf("got %v", warnings)
	}
}

func TestQuotesAndBlanks(t *testing.T) {
	c, warnings := mustLoad(t, least("STATUS_TIMEOUT_BOOK", ` "7s" `, "STATUS_EMAIL_SUBJECT", `'my lab'`, "STATUS_EMAIL_LINK", `"a" or "b"`,
		"STATUS_SECRET_BOOK", `"0123456789abcdef"`, "STATUS_SECRET_JUMP", "0123456789abcdef\n", "STATUS_EMAIL_FROM", `"Lab" <a@b.org>`))
	if c.Booking.Timeout != 7*time.Second || c.Email.Subject != "my lab" || c.Email.Link != `"a" or "b"` || c.Email.From.Name != "Lab" {
		t.Errorf("got %+v", c)
	}
	if c.Book.Secret.Reveal() != `"0123456789abcdef"` || c.Jump.Secret.Reveal() != "0123456789abcdef\n" {
		t.Error("a secret was changed")
	}
	var names []string
	for _, w := range warnings {
		names = append(names, w.Variable)
	}
	if want := []string{"STATUS_EMAIL_SUBJECT", "STATUS_SECRET_BOOK", "STATUS_SECRET_JUMP", "STATUS_TIMEOUT_BOOK"}; !slices.Equal(names, want) {
		t.Errorf("warned of %v", warnings)
	}
}

func TestUnknownNames(t *testing.T) {
	_, warnings := mustLoad(t, least("STATUS_SECERT_BOOK", "do-not-show-me", "STATUS_EMAIL_FORM", "x", "STATUS_health_startup", "1m",
		"STATUS_SECRET_BOOK_FILES", "x", "STATUS_"+strings.Repeat("X", 1000), "", "STATUS_\xff\n", "x", "OTHER_SECRET_BOOK", "x", "STATUS_QQQQQQQQ", "x"))
	got := map[string]string{}
	for _, w := range warnings {
		got[w.Variable] = w.Text
		if strings.Contains(w.String(), "show") || strings.Contains(w.String(), "\n") || strings.Contains(w.String(), "\xff") {
			t.Errorf("bad line: %q", w)
		}
	}
	for name, near := range map[string]string{
		"STATUS_SECERT_BOOK": "STATUS_SECRET_BOOK", "STATUS_EMAIL_FORM": "STATUS_EMAIL_FROM", "STATUS_health_startup": "STATUS_HEALTH_STARTUP",
		"STATUS_SECRET_BOOK_FILES": "STATUS_SECRET_BOOK_FILE", "STATUS_??": "", "STATUS_QQQQQQQQ": "", "STATUS_" + strings.Repeat("X", 57) + "…": "",
	} {
		text, ok := got[name]
		if !ok || (near != "" && !strings.HasSuffix(text, "nearest is "+near)) || (near == "" && strings.Contains(text, "nearest")) {
			t.Errorf("%s: %q (%v), want nearest %q", name, text, ok, near)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d warnings: %v", len(got), warnings)
	}
}

// The environment's list is what is searched for unknown names, never a source
// of values, and a name that comes twice is warned of once.
func TestEnvironOnlyNames(t *testing.T) {
	env := least()
	c, warnings, err := Load(func(n string) (string, bool) { v, ok := env[n]; return v, ok },
		[]string{"STATUS_PORT_SERVE=9", "STATUS_X=1", "STATUS_X=2", "STATUS_Y", "", "=", "STATUS_SECRET_BOOK_FILE=x"})
	if err != nil || c.Serve.Port != 3007 || len(warnings) != 2 {
		t.Errorf("got %+v, %v, %v", c, warnings, err)
	}
}

func TestLoadEnv(t *testing.T) {
	for name, value := range least("STATUS_PORT_SERVE", "4007", "STATUS_PROT_SERVE", "1") {
		t.Setenv(name, value)
	}
	c, warnings, err := LoadEnv()
	if err != nil || c.Serve.Port != 4007 || !slices.ContainsFunc(warnings, func(w Warning) bool { return w.Variable == "STATUS_PROT_SERVE" }) {
		t.Errorf("got %+v, %v, %v", c, warnings, err)
	}
}

func TestGreeting(t *testing.T) {
	for _, tt := range [][3]string{
		{"lab.example.org", "a@b.org", "lab.example.org"}, {"localhost", "a@b.org", "b.org"}, {"localhost.localdomain", "a@b.org", "b.org"},
		{"", "a@b.org", "b.org"}, {"bad name", "a@[::1]", ""}, {"", "", ""},
	} {
		if got, _ := greeting(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%q, %q: got %q, want %q", tt[0], tt[1], got, tt[2])
		}
	}
}

func TestFaultLine(t *testing.T) {
	for value, want := range map[string]string{
		"https://user:word@host/x": `STATUS_X="https://***@host/x": want y`, "user:word@host": `STATUS_X="***@host": want y`,
		"host=db password=word": "STATUS_X=***: want y", "": "STATUS_X is not set: want y", "a\nb": `STATUS_X="a\nb": want y`,
		strings.Repeat("é", 100): `STATUS_X="` + strings.Repeat("é", 60) + `…": want y`, "x" + strings.Repeat("é", 100): `STATUS_X="x` + strings.Repeat("é", 59) + `…": want y`,
	} {
		if got := (&Fault{"STATUS_X", shown(value), "y"}).Error(); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

// No secret is refused today; a check added to one must still not print it.
func TestRefusedSecretIsMasked(t *testing.T) {
	row := secret(Setting{Name: "SECRET_X"}, func(c *Config) *Secret { return &c.Book.Secret })
	row.set = func(*Config, string) error { return errors.New("a better one") }
	l := &loading{values: viper.New(), config: blank(), faulted: map[string]bool{}}
	l.values.Set(row.Name, "0123456789abcdef")
	l.apply(row)
	if len(l.faults) != 1 || l.faults[0].Error() != "STATUS_SECRET_X=***: want a better one" {
		t.Error(l.faults)
	}
}

func TestDistance(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"abc", "abc"}: 0, {"", "abc"}: 3, {"abc", ""}: 3, {"abc", "acb"}: 1, {"form", "from"}: 1, {"abcd", "badc"}: 2, {"kitten", "sitting"}: 3, {"ab", "b"}: 1,
	} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("%q: got %d, want %d", pair, got, want)
		}
	}
}
