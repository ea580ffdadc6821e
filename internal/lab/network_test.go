package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func pair(t *testing.T, n *Network, addr string) (client, server net.Conn) {
	t.Helper()
	l, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	client, err = n.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close(); l.Close() })
	return client, server
}

// Two sides that write at once do not stop each other, and what is written
// before a close is read before the end.
func TestPipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s := pair(t, NewNetwork(), "a:1")
		text := bytes.Repeat([]byte("0123456789"), 10_000)
		for _, end := range []net.Conn{c, s} {
			if n, err := end.Write(text); n != len(text) || err != nil {
				t.Fatal(n, err)
			}
		}
		done := make(chan []byte)
		go func() {
			got, err := io.ReadAll(s)
			if err != nil {
				t.Error(err)
			}
			done <- got
		}()
		big := bytes.Repeat([]byte("x"), 2*pipeBuffer)
		if _, err := c.Write(big); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if got := <-done; len(got) != len(text)+len(big) {
			t.Errorf("%d bytes arrived of %d", len(got), len(text)+len(big))
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading a closed end: %v", err)
		}
		if _, err := s.Write([]byte("x")); err != nil {
			t.Errorf("the first write to one who is gone is not noticed by TCP: %v", err)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing to one who is gone: %v", err)
		}
	})
}

// Deadlines end waits at their time, past ones at once, and can be moved.
func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pair(t, NewNetwork(), "a:1")
		begin := time.Now()
		_ = c.SetReadDeadline(begin.Add(3 * time.Second))
		_, err := c.Read(make([]byte, 1))
		var ne net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() || time.Since(begin) != 3*time.Second {
			t.Errorf("read ended after %s: %v", time.Since(begin), err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read after the deadline: %v", err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Hour))
		time.AfterFunc(time.Second, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
		begin = time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("a wait went on for %s: %v", time.Since(begin), err)
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Minute))
		begin = time.Now()
		n, err := c.Write(make([]byte, pipeBuffer+1))
		if n != pipeBuffer || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("writing to one who does not read: %d bytes in %s: %v", n, time.Since(begin), err)
		}
	})
}

// Every fault of the network, and its end.
func TestNetworkFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		dial := func(within time.Duration) (net.Conn, time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			begin := time.Now()
			c, err := n.DialContext(ctx, "tcp", "a:1")
			return c, time.Since(begin), err
		}
		var dns *net.DNSError
		if _, _, err := dial(time.Second); !errors.As(err, &dns) || !dns.IsNotFound {
			t.Errorf("an unknown name: %v", err)
		}
		c, s := pair(t, n, "a:1")
		if _, err := n.Listen("a:1"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening twice: %v", err)
		}
		n.Refuse("a:1")
		if _, _, err := dial(time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("refused: %v", err)
		}
		n.Blackhole("a:1")
		if _, d, err := dial(7 * time.Second); !errors.Is(err, context.DeadlineExceeded) || d != 7*time.Second {
			t.Errorf("a black hole ended after %s: %v", d, err)
		}
		time.AfterFunc(2*time.Second, func() { n.Heal("a:1") })
		late, d, err := dial(7 * time.Second)
		if err != nil || d != 2*time.Second {
			t.Errorf("dialling through the end of a black hole: %s, %v", d, err)
		}
		_ = late.Close()

		n.Partition("a:1")
		if _, err := s.Write([]byte("hello")); err != nil {
			t.Errorf("writing into a partition: %v", err)
		}
		_ = s.Close()
		_ = c.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := c.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("something came through a partition: %v", err)
		}
		_ = c.SetReadDeadline(time.Time{})
		n.Heal("a:1")
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("after the partition: %q, %v", got, err)
		}
		c2, _, err := dial(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		n.Cut("a:1")
		if _, err := c2.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("cut: %v", err)
		}
		_ = c2.Close()
		if got := len(n.Dials("a:1")); got != 6 {
			t.Errorf("%d dials recorded of 6", got)
		}
	})
}

// A listener that closes resets who was waiting, wakes its Accept and frees
// the address, which then refuses.
func TestListenerClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		l, err := n.Listen("a:1")
		if err != nil {
			t.Fatal(err)
		}
		waiting, err := n.DialContext(t.Context(), "tcp", "a:1")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("who was waiting: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
		if _, err := n.DialContext(t.Context(), "tcp", "a:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v", err)
		}
		if _, err := n.Listen("a:1"); err != nil {
			t.Errorf("listening again: %v", err)
		}
	})
}
