package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The parsers' errors are the Want of a Fault: they say what is accepted, and
// never repeat the whole value, which the Fault holds in a form fit to print.

const notYet = "which this version does not have"

// parseHost accepts host or host:port, as a URL has it.
func parseHost(raw string) (string, error) {
	const want = "host or host:port, such as app.example.org"
	if strings.Contains(raw, "@") {
		return "", errors.New(want + ", without user or password")
	}
	if _, rest, ok := strings.Cut(raw, "://"); ok || strings.Contains(raw, "/") {
		if !ok {
			rest = raw
		}
		rest, _, _ = strings.Cut(rest, "/")
		if _, err := parseHost(rest); err != nil {
			return "", errors.New(want + ", without scheme and path")
		}
		return "", fmt.Errorf("%s; scheme and path go into the SCHEME and BASEPATH settings, here remains %s", want, rest)
	}
	if _, err := netip.ParseAddr(raw); err == nil && strings.Contains(raw, ":") {
		return "", fmt.Errorf("%s; an IPv6 address stands in brackets: [%s]", want, raw)
	}
	host := raw
	if i := strings.LastIndexByte(raw, ':'); i >= 0 && !strings.HasSuffix(raw, "]") {
		host = raw[:i]
		if _, err := parsePort(raw[i+1:]); err != nil {
			return "", fmt.Errorf("%s; after the colon %w", want, err)
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "", errors.New(want + "; only an IPv6 address stands in brackets: [2001:db8::1]")
		}
		return raw, nil
	}
	if !isHostName(host) {
		return "", errors.New(want)
	}
	return raw, nil
}

// isHostName accepts names and IPv4 addresses. An underscore is no host name to
// the DNS, but containers carry them.
func isHostName(s string) bool { return isName(s, unicode.IsLetter, unicode.IsDigit) }

// isASCIIName accepts what SMTP can say: international names in their xn-- form.
func isASCIIName(s string) bool {
	ascii := func(r rune) bool { return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
	return isName(s, ascii)
}

func isName(s string, allowed ...func(rune) bool) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && !slices.ContainsFunc(allowed, func(is func(rune) bool) bool { return is(r) })
		}) {
			return false
		}
	}
	return true
}

// parseMailHost accepts a name or address alone; brackets are taken off.
func parseMailHost(raw string) (string, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(raw, "["), "]")
	if addr, err := netip.ParseAddr(bare); err == nil {
		return addr.String(), nil
	}
	if isASCIIName(raw) {
		return raw, nil
	}
	if isHostName(raw) {
		return "", errors.New("a host name in ASCII; write an international one in its xn-- form")
	}
	if host, _, err := net.SplitHostPort(raw); err == nil && isHostName(host) && !strings.Contains(raw, "/") {
		return "", errors.New("a host without port, such as smtp.example.org; the port goes into STATUS_EMAIL_PORT")
	}
	return "", errors.New("a host such as smtp.example.org, without scheme, port or path")
}

// parseHELO accepts what a server may be greeted with: a name or [address].
func parseHELO(raw string) (string, error) {
	if inner, ok := strings.CutPrefix(raw, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		if _, err := netip.ParseAddr(strings.TrimPrefix(inner, "IPv6:")); err == nil && closed {
			return raw, nil
		}
	} else if isASCIIName(raw) {
		return raw, nil
	}
	return "", errors.New("this host's name, such as status.example.org, or [192.0.2.1]")
}

func parsePort(raw string) (int, error) {
	n, err := strconv.Atoi(raw)
	if err != nil || n < 1 || n > 65535 {
		return 0, errors.New("a port number from 1 to 65535")
	}
	return n, nil
}

// parseListen accepts host:port and unix:/path. Port 0 asks the system for a
// free one, which the demo and tests use.
func parseListen(raw string) (Listen, error) {
	const want = "host:port, :port, unix:/path or systemd"
	if raw == "systemd" {
		return Listen{Network: "systemd"}, nil
	}
	if name, ok := strings.CutPrefix(raw, "systemd:"); ok {
		// systemd.socket(5): up to 255 printable characters, no colon.
		if name == "" || len(name) > 255 || strings.ContainsRune(name, ':') || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return Listen{}, errors.New("systemd:NAME with the FileDescriptorName of a socket unit, or systemd alone for the only socket")
		}
		return Listen{Network: "systemd", Address: name}, nil
	}
	if file, ok := strings.CutPrefix(raw, "unix:"); ok {
		// The kernel's sockaddr_un holds 108 bytes with the final zero.
		if !strings.HasPrefix(file, "/") || strings.HasSuffix(file, "/") || len(file) > 107 {
			return Listen{}, errors.New("unix: with an absolute path of at most 107 bytes, such as unix:/run/status/status.sock")
		}
		return Listen{Network: "unix", Address: path.Clean(file)}, nil
	}
	if _, err := parsePort(raw); err == nil {
		return Listen{}, fmt.Errorf("%s; add a colon for all addresses: :%s", want, raw)
	}
	host, port, err := net.SplitHostPort(raw)
	if err != nil {
		return Listen{}, errors.New(want + ", such as 127.0.0.1:3007")
	}
	if _, err := parsePort(port); err != nil && port != "0" {
		return Listen{}, fmt.Errorf("%s, with %w", want, err)
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil && !isHostName(host) {
		return Listen{}, errors.New(want + ", such as 127.0.0.1:3007")
	}
	return Listen{Network: "tcp", Address: net.JoinHostPort(host, port)}, nil
}

// parseAdminListen is parseListen with an optional scheme before host:port.
func parseAdminListen(raw string) (Listen, error) {
	scheme, rest, schemed := strings.Cut(raw, "://")
	if !schemed {
		return parseListen(raw)
	}
	l, err := parseListen(rest)
	if scheme != "https" && scheme != "http" || err == nil && l.Network != "tcp" {
		return Listen{}, errors.New("host:port, https://host:port, http://host:port, unix:/path or systemd:NAME")
	}
	l.Scheme = scheme
	return l, err
}

// parseHostPort accepts what can be dialled.
func parseHostPort(raw string) (string, error) {
	host, port, err := net.SplitHostPort(raw)
	if err != nil || host == "" {
		return "", errors.New("host:port, such as graphite.example.org:2003")
	}
	if _, err := parsePort(port); err != nil {
		return "", fmt.Errorf("host:port, with %w", err)
	}
	if _, err := netip.ParseAddr(host); err != nil && !isHostName(host) {
		return "", errors.New("host:port, such as graphite.example.org:2003")
	}
	return raw, nil
}

// parseURL accepts an address to send to. A user and password in it would be shown
// with the settings.
func parseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("an address such as https://metrics.example.org/push")
	}
	if u.User != nil {
		return "", errors.New("an address without user and password, which would be shown with the settings")
	}
	return raw, nil
}

// parseMetricPrefix accepts what may begin a name in Graphite and in Prometheus.
func parseMetricPrefix(raw string) (string, error) {
	letter := func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_' }
	for i, r := range raw {
		if !letter(r) && (i == 0 || r != '.' && r != '-' && (r < '0' || r > '9')) || i >= 100 {
			return "", errors.New("a name of letters, digits, dots, - and _ that begins with a letter, such as status or lab.status")
		}
	}
	return raw, nil
}

// parseFile accepts the path of a file that exists when the server starts, or later.
func parseFile(raw string) (string, error) {
	if strings.HasSuffix(raw, "/") {
		return "", errors.New("the path of a file, not of a folder")
	}
	return filepath.Clean(raw), nil
}

// parseAbsolute is parseFile for a path that doesn't depend on where the server is
// started.
func parseAbsolute(raw string) (string, error) {
	if !filepath.IsAbs(raw) {
		return "", errors.New("the absolute path of a file, such as /etc/status/observers.json")
	}
	return parseFile(raw)
}

// parseTokensFile is parseAbsolute for a file of tokens: what has no slash in front may
// well be a token itself.
func parseTokensFile(raw string) (string, error) {
	file, err := parseAbsolute(raw)
	if err != nil {
		return "", errors.New("the absolute path of a file that holds the tokens, such as /etc/status/observer_tokens, not a token")
	}
	return file, nil
}

// parseObserverMap accepts rules as they are, and of @/path the path. Whoever uses the
// rules checks them.
func parseObserverMap(raw string) (string, error) {
	file, named := strings.CutPrefix(raw, "@")
	if !named {
		return raw, nil
	}
	file, err := parseAbsolute(file)
	if err != nil {
		return "", errors.New("rules split by ;, or @ and the absolute path of a file with a rule a line, such as @/etc/status/observer_map")
	}
	return "@" + file, nil
}

// parseBasePath accepts a URL path and drops the slash at its end.
func parseBasePath(raw string) (string, error) {
	if strings.Contains(raw, "://") || strings.ContainsAny(raw, "?#\\") || strings.ContainsFunc(raw, unicode.IsSpace) {
		return "", errors.New("the path alone, such as /tenant/book, without scheme, host, query or blanks")
	}
	raw = strings.TrimRight(raw, "/")
	if raw != "" && !strings.HasPrefix(raw, "/") {
		raw = "/" + raw
	}
	return raw, nil
}

// parseCleanPath is parseBasePath for relay and jump, whose audience has always
// been made with path.Join.
func parseCleanPath(raw string) (string, error) {
	p, err := parseBasePath(raw)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(path.Clean("/"+p), "/"), nil
}

func parseScheme(raw string) (string, error) {
	s := strings.ToLower(strings.TrimSuffix(raw, "://"))
	if s != "http" && s != "https" {
		return "", errors.New("https or http")
	}
	return s, nil
}

// parseStore accepts a path or memory, and says of the other things people
// write what to write instead.
func parseStore(raw string) (Store, error) {
	const want = "the path of an SQLite file, such as /var/lib/status/status.db, or memory"
	lower := strings.ToLower(raw)
	switch scheme, _, _ := strings.Cut(lower, ":"); {
	case lower == "memory":
		return Store{Memory: true}, nil
	case lower == ":memory:":
		return Store{}, errors.New(want + " without the colons")
	case scheme == "postgres", scheme == "postgresql", strings.Contains(lower, "host="), strings.Contains(lower, "dbname="):
		return Store{}, errors.New(want + "; this names PostgreSQL, " + notYet)
	case scheme == "file", strings.Contains(lower, "://"), strings.ContainsAny(raw, "?#%"):
		return Store{}, errors.New(want + ": the path alone, without scheme or options")
	case strings.HasSuffix(raw, "/"), filepath.Base(raw) == ".", filepath.Base(raw) == "..":
		return Store{}, errors.New(want + ": a file, not a folder")
	}
	return Store{Path: filepath.Clean(raw)}, nil
}

func parseLogFile(raw string) (string, error) {
	switch strings.ToLower(raw) {
	case "stdout", "/dev/stdout":
		return LogStdout, nil
	case "stderr", "/dev/stderr":
		return LogStderr, nil
	case "-":
		return "", errors.New("a path, stdout or stderr")
	}
	if strings.HasSuffix(raw, "/") {
		return "", errors.New("the path of a file, not of a folder, or stdout or stderr")
	}
	return filepath.Clean(raw), nil
}
