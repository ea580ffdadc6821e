package stats

import (
	"bytes"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// words remembers the strings of earlier frames, since the next frame says
// nearly the same: a known string costs a look-up in place of an allocation.
// Students come and go, so it is emptied when it has become too large.
type words struct {
	known  map[string]string
	scopes map[string][]string // by the list as it is written
	size   int                 // bytes of both

	agent, addr, list string // the latest of each, which the next record often repeats
}

const (
	maxWords     = 1 << 17
	maxWordsSize = 16 << 20
)

// intern gives the string that b spells.
func (w *words) intern(b []byte) string {
	if s, ok := w.known[string(b)]; ok {
		return s
	}
	w.makeRoom(len(b))
	s := string(b)
	w.known[s] = s
	return s
}

func (w *words) makeRoom(n int) {
	if w.known == nil || len(w.known)+len(w.scopes) >= maxWords || w.size+n > maxWordsSize {
		w.known, w.scopes, w.size = make(map[string]string), make(map[string][]string), 0
		w.list = ""
	}
	w.size += n
}

// quoted reads the string at i. What it gives is good until the next call, and
// nil where the string is too long to be kept.
func (d *Decoder) quoted(i int) ([]byte, int) {
	b, j := d.b, i+1
	for j < len(b) && plain[b[j]] {
		j++
	}
	if j < len(b) && b[j] == '"' && j-i-1 <= maxText {
		return b[i+1 : j : j], j + 1
	}
	end := d.skipText(i)
	if end < 0 || end-i-2 > maxText {
		return nil, end
	}
	return d.unescape(b[i+1 : end-1]), end
}

// unescape decodes a string whose syntax has been checked. What isn't UTF-8, and
// what are halves of a surrogate pair, become U+FFFD, as encoding/json has it.
func (d *Decoder) unescape(b []byte) []byte {
	out := d.scratch[:0]
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '\\' && b[i+1] == 'u':
			r, _ := hex4(b, i+2)
			i += 6
			if utf16.IsSurrogate(r) {
				r = d.pair(b, &i, r)
			}
			out = utf8.AppendRune(out, r)
		case c == '\\':
			out = append(out, short[b[i+1]])
			i += 2
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	d.scratch = out
	return out
}

// pair joins a surrogate with the escape at *i, where that is its other half.
func (d *Decoder) pair(b []byte, i *int, first rune) rune {
	if len(b)-*i < 6 || b[*i] != '\\' || b[*i+1] != 'u' {
		return unicode.ReplacementChar
	}
	second, _ := hex4(b, *i+2)
	r := utf16.DecodeRune(first, second)
	if r != unicode.ReplacementChar {
		*i += 6
	}
	return r
}

// key reads a key and its colon. A key that is too long to be one of ours comes
// as nil.
func (d *Decoder) key(i int) ([]byte, int) {
	if d.peek(i) != '"' {
		return nil, d.broken(i, "a key is missing")
	}
	key, i := d.quoted(i)
	if i = d.space(i); i < 0 {
		return nil, i
	}
	if d.peek(i) != ':' {
		return nil, d.broken(i, "a colon is missing")
	}
	return key, d.space(i + 1)
}

// text reads a field that is a string. likely is what it may well be.
func (d *Decoder) text(i int, field, likely string) (string, int) {
	switch d.peek(i) {
	case '"':
		b, end := d.quoted(i)
		switch {
		case end < 0:
			return "", end
		case b == nil:
			d.wrong(i, "a string of more than 64 KiB")
			return "", end
		case string(b) == likely:
			return likely, end
		}
		return d.words.intern(b), end
	case 'n':
		return "", d.literal(i, "null")
	}
	d.wrong(i, field+" is no string")
	return "", d.skip(i, 2)
}

// scopes reads a list of strings. It is looked up as it is written, up to the
// first closing bracket: where that is known to be a whole list, it is this one.
func (d *Decoder) scopes(i int) ([]string, int) {
	switch d.peek(i) {
	case '[':
	case 'n':
		return nil, d.literal(i, "null")
	default:
		d.wrong(i, "scopes are no list")
		return nil, d.skip(i, 2)
	}
	if n := bytes.IndexByte(d.b[i:], ']') + 1; n > 0 {
		if s, ok := d.words.scopes[string(d.b[i:i+n])]; ok {
			return s, i + n
		}
	}
	begin, list := i, []string{}
	i = d.space(i + 1)
	if d.peek(i) == ']' {
		return d.keep(begin, i+1, list)
	}
	for {
		var s string
		if d.peek(i) == 'n' {
			d.wrong(i, "a scope is no string")
		}
		if s, i = d.text(i, "a scope", ""); i < 0 {
			return nil, i
		}
		list = append(list, s)
		switch i = d.space(i); d.peek(i) {
		case ',':
			i = d.space(i + 1)
		case ']':
			return d.keep(begin, i+1, list)
		default:
			return nil, d.broken(i, "a comma or the end of the scopes is missing")
		}
	}
}

// keep remembers a list of scopes, unless it is wrong or unreasonably long.
func (d *Decoder) keep(begin, end int, list []string) ([]string, int) {
	if d.why == "" && end-begin <= maxText {
		d.words.makeRoom(end - begin)
		d.words.scopes[string(d.b[begin:end])] = list
	}
	return list, end
}
