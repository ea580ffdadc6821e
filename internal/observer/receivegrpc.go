package observer

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// Server makes a gRPC server with the one method /proto.Observer/Observe. The token
// comes as metadata token; a report with a wrong one is refused before it is read.
// options may add credentials for TLS; the caller serves a listener with it and stops
// it.
//
// One connection has only so many of the reports that may be read at once, and each
// has only so long: else one that sends nothing would keep the others out.
func (r *Receiver) Server(options ...grpc.ServerOption) *grpc.Server {
	const headers, streams = 16 << 10, maxBodies / 4
	s := grpc.NewServer(append([]grpc.ServerOption{
		grpc.ForceServerCodec(codec{}),
		grpc.MaxRecvMsgSize(maxBody),
		grpc.MaxHeaderListSize(headers),
		grpc.MaxConcurrentStreams(streams),
		grpc.ConnectionTimeout(readWait),
		grpc.InTapHandle(r.knock),
	}, options...)...)
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "proto.Observer",
		HandlerType: (*observing)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Observe", Handler: observe}},
	}, r)
	return s
}

// observing is what the method is called on: a Receiver.
type observing interface {
	overGRPC(ctx context.Context, request *observeRequest) (*observeReply, error)
	missed(ctx context.Context, err error)
	enter() bool
	leave()
	busy(ctx context.Context) error
}

var _ observing = (*Receiver)(nil)

// observe is the method in the form that gRPC wants it.
func observe(srv any, ctx context.Context, read func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	r, request := srv.(observing), new(observeRequest)
	if !r.enter() {
		return nil, r.busy(ctx)
	}
	defer r.leave()
	if err := read(request); err != nil {
		r.missed(ctx, err)
		return nil, err // gRPC has answered with it already
	}
	call := func(ctx context.Context, _ any) (any, error) { return r.overGRPC(ctx, request) }
	if intercept == nil {
		return call(ctx, request)
	}
	return intercept(ctx, request, &grpc.UnaryServerInfo{Server: srv, FullMethod: observeMethod}, call)
}

// knock refuses those without a token before anything of their report is read, and
// gives the others readWait to send it.
func (r *Receiver) knock(ctx context.Context, info *tap.Info) (context.Context, error) {
	if _, no := r.door.open(first(info.Header, tokenMetadata), nil); no != nil {
		r.refused(no, clientIn(ctx))
		return nil, status.Error(no.grpcCode(), no.message)
	}
	ctx, cancel := context.WithTimeout(ctx, readWait)
	context.AfterFunc(ctx, cancel) // gRPC ends what it has given us
	return ctx, nil
}

func (r *Receiver) overGRPC(ctx context.Context, request *observeRequest) (*observeReply, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	g, no := r.door.open(first(md, tokenMetadata), nil)
	switch {
	case no != nil:
	case request.unread != nil:
		no = refuse(refusedBody, request.unread.Error())
	default:
		no = r.take(ctx, g, first(md, keyMetadata), request.events)
	}
	if no != nil {
		r.refused(no, clientIn(ctx))
		return nil, status.Error(no.grpcCode(), no.message)
	}
	return &observeReply{ok: true}, nil
}

// busy counts a report that was not read, and words why.
func (r *Receiver) busy(ctx context.Context) error {
	no := tooMany()
	r.refused(no, clientIn(ctx))
	return status.Error(no.grpcCode(), no.message)
}

// missed counts a report that did not come whole, or is too large.
func (r *Receiver) missed(ctx context.Context, err error) {
	no := refuse(refusedGone, "the report did not come whole")
	if status.Code(err) == codes.ResourceExhausted {
		no = refuse(refusedSize, "a report has at most 1 MiB")
	}
	r.refused(no, clientIn(ctx))
}

func first(md metadata.MD, key string) string {
	if values := md.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

func clientIn(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return clientOf(p.Addr.String())
	}
	return "unknown"
}
