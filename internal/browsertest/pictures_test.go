package browsertest

import (
	"bytes"
	"flag"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// scripts/screenshots.sh sets both.
var (
	shots   = flag.String("shots", "", "a folder that the pictures are written to; empty: nowhere")
	shotsOf = flag.String("shots-of", "", "address of a server whose pages are pictured; empty: that of the tests")
)

// The pictures of the documentation are made by the same means that look at the page
// here, of whatever server is named, and show something.
func TestPictures(t *testing.T) {
	t.Parallel()
	type picture struct {
		name, path, scheme string
		size               size
	}
	pictures := []picture{{"overview", "", "light", size{1280, 800}}}
	home := *shotsOf
	if home == "" {
		home = newWorld(t).url
	}
	if *shots != "" {
		pictures = append(pictures,
			picture{"experiment", "experiment?name=pend00", "light", size{1280, 1180}},
			picture{"board", "board", "dark", wall},
			picture{"phone", "", "light", size{360, 740}},
			picture{"mails", "mails", "light", size{1280, 800}},
		)
	}
	tb := open(t, home, desk)
	for _, p := range pictures {
		tb.resize(p.size)
		tb.prefer("prefers-color-scheme", p.scheme)
		tb.visit(p.path)
		if p.name == "mails" && run[bool](tb, `Boolean(document.querySelector("#list a"))`) {
			tb.click("#list a")
			tb.until("the mail is framed", `performance.getEntriesByType("resource").some((r) => r.name.includes("mail.html") && r.responseEnd > 0)`)
		}
		made, err := chromedp.Run(tb.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatalf("take the picture of %s: %v", p.name, err)
		}
		shown, err := png.Decode(bytes.NewReader(made))
		if err != nil {
			t.Fatalf("the picture of %s: %v", p.name, err)
		}
		if n := colours(shown); n < 20 {
			t.Errorf("the picture of %s has %d colours: it shows nothing", p.name, n)
		}
		if *shots != "" {
			if err := os.WriteFile(filepath.Join(*shots, p.name+".png"), made, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func colours(p image.Image) int {
	found := map[[3]uint32]bool{}
	for y := p.Bounds().Min.Y; y < p.Bounds().Max.Y; y += 2 {
		for x := p.Bounds().Min.X; x < p.Bounds().Max.X; x += 2 {
			r, g, b, _ := p.At(x, y).RGBA()
			found[[3]uint32{r, g, b}] = true
		}
	}
	return len(found)
}
