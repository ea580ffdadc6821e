package browsertest

import (
	"os"
	"testing"
)

// What the page's modules make of facts needs no more than a page that has them.
func TestModules(t *testing.T) {
	t.Parallel()
	tb := open(t, newWorld(t).url, desk)
	tb.visit("")
	words(t, tb)
	observingWords(t, tb)
	olderAnswersAreNotTaken(t, tb) // last, as it leaves an observer in the page
}

// The page's script says what the server says: see testdata/words.json.
func words(t *testing.T, tb *tab) {
	t.Helper()
	table, err := os.ReadFile("testdata/words.json")
	if err != nil {
		t.Fatal(err)
	}
	run[bool](tb, "(window.table = "+string(table)+", true)")
	wrong := module[[]string](tb, "words.js", `import(new URL("./time.js", document.querySelector("script[type=module]").src)).then((time) => {
		const wrong = [];
		const compare = (of, got, want) => { if (got !== want) wrong.push(JSON.stringify(of) + ": " + got); };
		const none = {total: 0, starting: 0, healthy: 0, unhealthy: 0, unknown: 0, flapping: 0, cared: 0};
		for (const c of table.headlines) {
			const [says, tone] = m.headline({...none, ...c}, c.known);
			compare(c, says, c.says);
			compare(c, tone, c.tone);
		}
		for (const c of table.bookings) compare(c, m.bookingLine({resources: c.of.map((r) => ({...r, availability_known: r.known}))}), c.says);
		for (const c of table.spans) compare(c, time.span(c.seconds * 1000), c.says);
		for (const c of table.patterns) compare(c, m.fits(c.name, c.patterns), c.fits);
		for (const c of table.percents) compare(c, m.percent(c.fraction), c.says);
		return wrong;
	})`)
	for _, fault := range wrong {
		t.Error(fault)
	}
}
