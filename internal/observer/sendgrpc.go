package observer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// observeMethod is the one method of the protocol.
const observeMethod = "/proto.Observer/Observe"

// tokenMetadata carries the token of gRPC.
const tokenMetadata = "token"

// grpcSender calls /proto.Observer/Observe.
type grpcSender struct {
	o    Observer
	conn *grpc.ClientConn
}

func newGRPCSender(o Observer, n Network) (*grpcSender, error) {
	secure := insecure.NewCredentials()
	if o.TLS != nil {
		secure = credentials.NewTLS(n.tlsConfig(o))
	}
	dial := n.dial()
	// Whoever is back is told again within a period or so: gRPC alone would wait up
	// to two minutes.
	pace := backoff.Config{BaseDelay: time.Second, Multiplier: 1.6, Jitter: 0.2, MaxDelay: max(o.Period, defaultPeriod)}
	// It wants a URL, in which the % of an IPv6 address with a zone would begin an escape.
	conn, err := grpc.NewClient("passthrough:///"+url.PathEscape(o.Address),
		grpc.WithTransportCredentials(secure),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return dial(ctx, "tcp", addr) }),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: pace, MinConnectTimeout: o.Timeout}),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{}), grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithMaxHeaderListSize(maxAnswer),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
	)
	if err != nil {
		return nil, fmt.Errorf("set up gRPC: %s", oneLine(err.Error(), 300))
	}
	return &grpcSender{o, conn}, nil
}

func (s *grpcSender) send(ctx context.Context, key string, events []Event) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, keyMetadata, key)
	if !s.o.Token.IsZero() {
		ctx = metadata.AppendToOutgoingContext(ctx, tokenMetadata, s.o.Token.Reveal())
	}
	var reply observeReply
	if err := s.conn.Invoke(ctx, observeMethod, &observeRequest{events: events}, &reply); err != nil {
		said := s.reason(err)
		if code := status.Code(err); code == codes.InvalidArgument || code == codes.ResourceExhausted {
			return &refusedError{said}
		}
		return errors.New(said)
	}
	if !reply.ok {
		return errors.New("it answered without ok, so it has not taken the report")
	}
	return nil
}

// reason words what gRPC says, which is mostly what the connection said.
func (s *grpcSender) reason(err error) string {
	said := s.o.quote(status.Convert(err).Message(), 300)
	switch status.Code(err) {
	case codes.Canceled:
		return s.o.reason(context.Canceled)
	case codes.DeadlineExceeded: // waiting for a connection, it says which error that had last
		return fmt.Sprintf("no answer within %v: %s", s.o.Timeout, said)
	case codes.Unauthenticated, codes.PermissionDenied:
		return fmt.Sprintf("it refused us (%q): check the token", said)
	case codes.Unimplemented:
		return "it doesn't know " + observeMethod + ": check the address"
	}
	return fmt.Sprintf("%v: %s", status.Code(err), said)
}

func (s *grpcSender) close() {
	_ = s.conn.Close() // it fails only where it was closed before
}
