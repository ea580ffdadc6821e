package notify

import (
	"strings"
	"testing"
)

func TestAnExperimentsPageIsBesideTheStatusPage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ link, name, want string }{
		{"app.practable.io/tenant/status", "pend00", "https://app.practable.io/tenant/status/experiment?name=pend00"},
		{"https://lab.example/status/", "pend00", "https://lab.example/status/experiment?name=pend00"},
		{"http://lab.example:3007", "pend00", "http://lab.example:3007/experiment?name=pend00"},
		{"https://lab.example/?theme=dark#top", "pend00", "https://lab.example/experiment?name=pend00"},
		{"lab.example", "a b&c=d/é#", "https://lab.example/experiment?name=a+b%26c%3Dd%2F%C3%A9%23"},
		{"lab.example", "bad\xff", "https://lab.example/experiment?name=bad%FF"},
		{"lab.example", "", ""},
		{"lab.example", strings.Repeat("n", 128), "https://lab.example/experiment?name=" + strings.Repeat("n", 128)},
		{"lab.example", strings.Repeat("n", 129), ""},
		{"ask the porter", "pend00", ""},
		{"javascript:alert(1)//x", "pend00", ""},
		{"ftp://lab.example", "pend00", ""},
		{"", "pend00", ""},
	} {
		if got := linkTo(c.link).experiment(c.name); got != c.want {
			t.Errorf("%q, %q: got %q, want %q", c.link, c.name, got, c.want)
		}
	}
}

// A mail of many lines needs its room for them: what can't all be linked isn't.
func TestAMailOfManyLinesHasNoLinksInThem(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{2: 6, 30: 90, 300: 0} { // new, current and a reminder's
		a := goldens()["500-down"]
		a.New, a.Current, a.Reminder = manyDown(n, t0), manyDown(n, t0), manyDown(n, t0)
		m, err := mustRenderer(t).Render(a, "abc123@lab.example")
		if err != nil {
			t.Fatal(err)
		}
		_, html := mustParts(t, m)
		if got := strings.Count(html, "/experiment?name="); got != want || len(m.Raw) > MaxBytes {
			t.Errorf("%d down: %d links, want %d, in %d bytes", n, got, want, len(m.Raw))
		}
	}
}
