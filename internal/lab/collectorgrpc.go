package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// serveCollectorGRPC takes reports over gRPC until ctx ends.
func (l *Lab) serveCollectorGRPC(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.WaitForHandlers(true), grpc.MaxRecvMsgSize(collectLimit))
	service, method, _ := strings.Cut(strings.TrimPrefix(observePath, "/"), "/")
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: method, Handler: func(_ any, call context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var body []byte
			if err := read(&body); err != nil {
				return nil, err
			}
			return l.collectGRPC(ctx, call, body)
		}}},
	}, nil)
	gate := l.services[Collector].side
	var wg sync.WaitGroup
	var fault error
	wg.Go(func() {
		if err := srv.Serve(gate); ctx.Err() == nil {
			fault = err
			cancel()
		}
	})
	<-ctx.Done()
	err := gate.close()
	wg.Wait()
	srv.Stop()
	return errors.Join(fault, err)
}

// collectGRPC answers one call, in the lab's life ctx.
func (l *Lab) collectGRPC(ctx, call context.Context, body []byte) (any, error) {
	s := l.services[Collector]
	code, ended := s.await(ctx)
	switch {
	case ended:
		return nil, status.Error(codes.Unavailable, "the lab ends")
	case code != 0:
		return nil, status.Errorf(codes.Internal, "as a status of %d", code)
	}
	head, _ := metadata.FromIncomingContext(call)
	one := func(name string) string { return strings.Join(head.Get(name), ", ") }
	d := delivery{source: "grpc", key: one("idempotency-key")}
	if d.key != "" {
		if !strings.HasPrefix(d.key, `"`) {
			d.key = `"` + d.key + `"` // metadata needs no quotes
		}
		d.habits = append(d.habits, fmt.Sprintf("idempotency-key is %q", d.key))
	}
	var fault error
	kind := ComplaintToken
	if one("token") != l.collected.opt.Token {
		fault = errors.New("no token, or a wrong one")
	} else {
		kind = ComplaintForm
		d.events, fault = strictProto(body)
	}
	v := l.judge(d, kind, fault)
	switch {
	case v.lost:
		if p, known := peer.FromContext(call); known {
			if err := s.side.cutFrom(p.Addr.String()); err != nil {
				return nil, status.Error(codes.Unavailable, err.Error())
			}
		}
		return nil, status.Error(codes.Unavailable, "this answer is lost")
	case v.why != nil && kind == ComplaintToken:
		return nil, status.Error(codes.Unauthenticated, v.why.Error())
	case v.why != nil:
		return nil, status.Error(codes.InvalidArgument, v.why.Error())
	case v.code != 200:
		return nil, status.Errorf(codes.Unavailable, "as a status of %d", v.code)
	}
	reply := replyProto(v.ok)
	return &reply, nil
}
