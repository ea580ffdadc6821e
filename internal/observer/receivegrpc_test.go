package observer_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"labstatus/internal/lab"
	"labstatus/internal/observer"
)

// Over gRPC only so many reports are read at once, too, and one connection has only a part
// of them.
func TestReportsThatCrawlOverGRPC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := lab.NewNetwork()
		in := mustReceiver(t, observer.ReceiverOptions{})
		far := serveGRPC(t, n, grpcAddr, in.Server())
		ctx := metadata.AppendToOutgoingContext(t.Context(), "token", token)
		const method = "/proto.Observer/Observe"
		ask := func(conn *grpc.ClientConn) codes.Code {
			return status.Code(conn.Invoke(ctx, method, raw(nil), new(raw), grpc.ForceCodec(rawCodec{})))
		}
		var conns []*grpc.ClientConn
		for range 5 {
			conn, err := grpc.NewClient("passthrough:///"+grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return n.DialContext(ctx, "tcp", addr) }))
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		for _, conn := range conns[:4] {
			for range 8 {
				if _, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, method, grpc.ForceCodec(rawCodec{})); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := conns[0].NewStream(short, &grpc.StreamDesc{ClientStreams: true}, method); err == nil {
			t.Error("one connection has more than eight")
		}
		if code := ask(conns[4]); code != codes.Unavailable {
			t.Errorf("answered %v", code)
		}
		if w := post(in.Handler(), "/observer", token, readyBody); w.Code != 503 {
			t.Errorf("answered %d", w.Code)
		}
		time.Sleep(10 * time.Second) // nobody may take that long
		if code := ask(conns[4]); code != codes.OK {
			t.Errorf("answered %v", code)
		}
		if f := in.Figures(); f.Refused["gone"] != 32 || f.Refused["busy"] != 2 {
			t.Errorf("%+v", f)
		}
		for _, conn := range conns {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
		far.end()
	})
}

// A GOST's gRPC, byte for byte, and what else may come there.
func TestReportsOverGRPC(t *testing.T) {
	t.Parallel()
	sample, err := hex.DecodeString("0a1f0a077365727669636512036677642205737461747" + "32a080802189e01208e02")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		method  string
		md      []string
		body    []byte
		code    codes.Code
		source  string
		refused observer.Reason
	}{
		"a report":             {"", []string{"token", token}, sample, codes.OK, "gost", ""},
		"a source's own token": {"", []string{"token", leedsToken}, sample, codes.OK, "leeds", ""},
		"no token":             {"", nil, sample, codes.Unauthenticated, "", "token"},
		"a wrong token":        {"", []string{"token", "wrong"}, sample, codes.Unauthenticated, "", "token"},
		"rubbish":              {"", []string{"token", token}, []byte{0xff}, codes.InvalidArgument, "", "body"},
		"an event of nothing":  {"", []string{"token", token}, []byte{0x0a, 0x00}, codes.InvalidArgument, "", "body"},
		"no event":             {"", []string{"token", token}, nil, codes.OK, "", ""},
		"more than 1 MiB":      {"", []string{"token", token}, append([]byte{0x12, 0x80, 0x80, 0x40}, make([]byte, 1<<20)...), codes.ResourceExhausted, "", "size"},
		"another method":       {"/proto.Observer/Forget", []string{"token", token}, sample, codes.Unimplemented, "", ""},
		"long metadata":        {"", []string{"token", token, "more", strings.Repeat("x", 20<<10)}, sample, codes.Internal, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := lab.NewNetwork()
				in := mustReceiver(t, observer.ReceiverOptions{Credentials: twoTokens})
				far := serveGRPC(t, n, grpcAddr, in.Server())
				conn, err := grpc.NewClient("passthrough:///"+grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()),
					grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return n.DialContext(ctx, "tcp", addr) }))
				if err != nil {
					t.Fatal(err)
				}
				method := "/proto.Observer/Observe"
				if tc.method != "" {
					method = tc.method
				}
				var reply raw
				err = conn.Invoke(metadata.AppendToOutgoingContext(t.Context(), tc.md...), method, raw(tc.body), &reply, grpc.ForceCodec(rawCodec{}))
				if status.Code(err) != tc.code || tc.code == codes.OK && !bytes.Equal(reply, []byte{8, 1}) {
					t.Errorf("%v, %x", err, reply)
				}
				refused := uint64(0)
				for _, n := range in.Figures().Refused {
					refused += n
				}
				if want := tc.refused; refused != in.Figures().Refused[want] || (want == "") != (refused == 0) {
					t.Errorf("%+v", in.Figures())
				}
				all := in.Snapshot()
				if tc.source == "" && len(all) != 0 {
					t.Errorf("%+v", all)
				}
				if tc.source != "" && (len(all) != 1 || all[0].Source != tc.source || all[0].Stats != observer.Stats{TotalConns: 2, InputBytes: 158, OutputBytes: 270}) {
					t.Errorf("%+v", all)
				}
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
				far.end()
			})
		})
	}
}

// raw is a message as its bytes.
type raw []byte

type rawCodec struct{}

func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return v.(raw), nil }
func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*raw) = bytes.Clone(b)
	return nil
}

// A full table is said over gRPC too, so that the report is not taken for refused.
func TestRefusalsOverGRPC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := lab.NewNetwork()
		in := mustReceiver(t, observer.ReceiverOptions{Subjects: 1})
		far := serveGRPC(t, n, grpcAddr, in.Server())
		m := newMeter()
		m.add(observer.Client("lab", "a"), 1, 1, 1)
		m.add(observer.Client("lab", "b"), 1, 1, 1)
		o := observer.Observer{Name: "far", Address: grpcAddr, Token: observer.NewSecret(token), Period: 10 * time.Minute}
		out := mustReporter(t, observer.ReporterOptions{Totals: m.totals, Fixed: []observer.Observer{o}, Network: observer.Network{Dial: n.DialContext}})
		running := run(t, out.Run)
		time.Sleep(25 * time.Hour)
		if f := out.List()[0]; f.LastError != "Unavailable: there are too many services, clients or sources already" || f.Pending != 2 || f.Dropped != 0 {
			t.Errorf("%+v", f)
		}
		running.end()
		far.end()
	})
}
