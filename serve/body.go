package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// worthCompressing is the size from which an answer is compressed: a smaller one
// fits one packet anyway.
const worthCompressing = 1400

// body is one answer, whole. It is never changed, may be served any number of
// times at once, and is compressed at most once for each encoding.
type body struct {
	contentType string
	raw         []byte
	cache       string // Cache-Control
	tag         string // of the content, without quotes
	gzipped     func() []byte
	zstded      func() []byte
}

func newBody(contentType string, raw []byte) *body {
	sum := sha256.Sum256(raw)
	return &body{
		contentType: contentType,
		raw:         raw,
		cache:       "private, no-cache", // keep it, but ask each time
		tag:         hex.EncodeToString(sum[:12]),
		gzipped:     sync.OnceValue(func() []byte { return gzipBytes(raw) }),
		zstded:      sync.OnceValue(func() []byte { return zstdEncoder().EncodeAll(raw, nil) }),
	}
}

// serve answers with the body in the encoding that the client likes best, or
// with 304 where it already has it.
func (b *body) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	h.Set("Cache-Control", b.cache)

	encoding := "identity"
	if len(b.raw) >= worthCompressing {
		encoding = bestEncoding(r)
	}
	// A strong tag stands for the very bytes, so each encoding has its own.
	tag := b.tag
	if encoding == "gzip" || encoding == "zstd" {
		tag += "-" + encoding
	}
	h.Set("ETag", `"`+tag+`"`)
	if b.isKnownTo(r) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}

	out := b.raw
	switch encoding {
	case "gzip":
		out = b.gzipped()
		h.Set("Content-Encoding", encoding)
	case "zstd":
		out = b.zstded()
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Type", b.contentType)
	h.Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(out) // a reader that has gone away is no fault
}

// isKnownTo says whether the request names this content, in whatever encoding.
// A proxy that compresses makes our tags weak: that is all the same here.
func (b *body) isKnownTo(r *http.Request) bool {
	for tag := range members(r.Header.Values("If-None-Match")) {
		known := strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
		known = strings.TrimSuffix(strings.TrimSuffix(known, "-gzip"), "-zstd")
		if known == b.tag || known == "*" {
			return true
		}
	}
	return false
}

// members yields the members of comma-separated header lines.
func members(lines []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for member := range strings.SplitSeq(line, ",") {
				if !yield(strings.TrimSpace(member)) {
					return
				}
			}
		}
	}
}

// qualities are how much the client likes each encoding that it names.
func qualities(r *http.Request) map[string]float64 {
	quality := make(map[string]float64)
	for member := range members(r.Header.Values("Accept-Encoding")) {
		name, params, _ := strings.Cut(member, ";")
		q := 1.0
		if text, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			parsed, err := strconv.ParseFloat(text, 64)
			if err != nil {
				continue // not understood: not asked for
			}
			q = parsed
		}
		quality[strings.ToLower(strings.TrimSpace(name))] = q
	}
	return quality
}

// accepts says whether the client takes an encoding.
func accepts(r *http.Request, encoding string) bool {
	quality := qualities(r)
	q, named := quality[encoding]
	if !named {
		q = quality["*"]
	}
	return q > 0
}

// bestEncoding chooses what the client asks for most, zstd where it's all one.
func bestEncoding(r *http.Request) string {
	quality := qualities(r)
	best, bestQ := "identity", quality["identity"]
	for _, name := range []string{"gzip", "zstd"} {
		q, named := quality[name]
		if !named {
			q = quality["*"]
		}
		if q > 0 && q >= bestQ {
			best, bestQ = name, q
		}
	}
	return best
}

// gzipWriters are kept: each holds most of a megabyte. They favour speed: the list
// of ten thousand experiments is made anew with every frame.
var gzipWriters = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a valid level can't fail
	return z
}}

func gzipBytes(raw []byte) []byte {
	z := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(z)
	var out bytes.Buffer
	z.Reset(&out)
	// Writing to memory can't fail.
	_, _ = z.Write(raw)
	_ = z.Close()
	return out.Bytes()
}

// zstdEncoder is shared: EncodeAll may be called from many goroutines at once.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	// Without a writer and with valid options it can't fail.
	e, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
		zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	return e
})
