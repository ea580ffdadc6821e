package stats

import "unicode/utf8"

// The methods here walk over JSON. Each takes the place where a thing begins and
// gives the place behind it, or -1 where the syntax is broken, with the reason
// left in d.why.

// broken notes a break of the syntax, behind which nothing can be read.
func (d *Decoder) broken(at int, why string) int {
	d.why, d.whyAt = why, at
	return -1
}

// wrong notes that a value can be read, but isn't what it should be. The first
// such reason is kept.
func (d *Decoder) wrong(at int, why string) {
	if d.why == "" {
		d.why, d.whyAt = why, at
	}
}

// peek gives the byte at i, 0 behind the end: no JSON has a 0 outside a string.
func (d *Decoder) peek(i int) byte {
	if uint(i) < uint(len(d.b)) {
		return d.b[i]
	}
	return 0
}

// space passes over white space; it passes a break on.
func (d *Decoder) space(i int) int {
	if i < 0 || i < len(d.b) && d.b[i] > ' ' {
		return i
	}
	for i < len(d.b) && (d.b[i] == ' ' || d.b[i] == '\n' || d.b[i] == '\t' || d.b[i] == '\r') {
		i++
	}
	return i
}

// skip passes over any value, depth levels down, and checks its syntax.
func (d *Decoder) skip(i, depth int) int {
	switch c := d.peek(i); {
	case c == '"':
		return d.skipText(i)
	case c == '{' || c == '[':
		if depth >= maxDepth {
			return d.broken(i, "lists and objects are nested too deep")
		}
		return d.skipInside(i, depth+1, c == '{')
	case c == 't':
		return d.literal(i, "true")
	case c == 'f':
		return d.literal(i, "false")
	case c == 'n':
		return d.literal(i, "null")
	case c == '-' || digit(c):
		return d.number(i)
	}
	return d.broken(i, "a value is missing")
}

// skipInside passes over the list or object whose bracket is at i.
func (d *Decoder) skipInside(i, depth int, object bool) int {
	end := byte(']')
	if object {
		end = '}'
	}
	i = d.space(i + 1)
	if d.peek(i) == end {
		return i + 1
	}
	for {
		if object {
			if d.peek(i) != '"' {
				return d.broken(i, "a key is missing")
			}
			if i = d.space(d.skipText(i)); i < 0 {
				return i
			}
			if d.peek(i) != ':' {
				return d.broken(i, "a colon is missing")
			}
			i = d.space(i + 1)
		}
		if i = d.space(d.skip(i, depth)); i < 0 {
			return i
		}
		switch d.peek(i) {
		case ',':
			i = d.space(i + 1)
		case end:
			return i + 1
		default:
			return d.broken(i, "a comma or a closing bracket is missing")
		}
	}
}

func (d *Decoder) literal(i int, word string) int {
	if len(d.b)-i < len(word) || string(d.b[i:i+len(word)]) != word {
		return d.broken(i, "a word that isn't JSON")
	}
	return i + len(word)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// number passes over a number: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (d *Decoder) number(i int) int {
	if d.peek(i) == '-' {
		i++
	}
	switch c := d.peek(i); {
	case c == '0':
		i++
	case digit(c):
		i = d.digits(i)
	default:
		return d.broken(i, "a broken number")
	}
	if d.peek(i) == '.' {
		if !digit(d.peek(i + 1)) {
			return d.broken(i, "a broken number")
		}
		i = d.digits(i + 1)
	}
	if c := d.peek(i); c == 'e' || c == 'E' {
		if i++; d.peek(i) == '+' || d.peek(i) == '-' {
			i++
		}
		if !digit(d.peek(i)) {
			return d.broken(i, "a broken number")
		}
		i = d.digits(i)
	}
	return i
}

func (d *Decoder) digits(i int) int {
	for i < len(d.b) && digit(d.b[i]) {
		i++
	}
	return i
}

// plain marks the bytes that stand for themselves within a string and need no
// closer look.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// skipText passes over a string and checks its syntax.
func (d *Decoder) skipText(i int) int {
	for j := i + 1; j < len(d.b); j++ {
		c := d.b[j]
		switch {
		case plain[c] || c >= utf8.RuneSelf:
		case c == '"':
			return j + 1
		case c == '\\':
			if j++; d.peek(j) != 'u' {
				if short[d.peek(j)] == 0 {
					return d.broken(j, "an unknown escape")
				}
				continue
			}
			if _, ok := hex4(d.b, j+1); !ok {
				return d.broken(j, "an unknown escape")
			}
			j += 4
		default:
			return d.broken(j, "a control character within a string")
		}
	}
	return d.broken(i, "a string doesn't end")
}

// short are the escapes of one letter.
var short = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// hex4 reads the four hexadecimal digits at i.
func hex4(b []byte, i int) (rune, bool) {
	if len(b)-i < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case digit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
