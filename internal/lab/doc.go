// Package lab is a simulated remote laboratory, with faults to order: a
// booking system, a relay and a jump service with the experiments connected to
// them, and a mail server. Where asked for there are GOSTs with tunnels to the
// experiments, which report to an observer, and a collector, an observer itself.
// All answer and report as the real ones were measured to, down to their odd
// status codes, misspelt keys and silences.
//
// `status demo` serves it on loopback so that a newcomer can see the whole
// product at work, and the tests of every other package mount it, on loopback
// or on the in-memory [Network] inside a testing/synctest bubble.
//
// It writes the wire formats by hand and imports nothing of the product, so
// that the product and the lab can disagree. It never listens beyond loopback
// unless told to, and it connects to nothing but the observer that
// [Lab.Observe] names.
//
// # Life
//
// [New] binds the addresses and starts nothing. [Lab.Run] serves until its
// context ends and returns when every goroutine has. All methods are safe for
// concurrent use, before, while and after Run.
//
// # Time
//
// Nothing is simulated between two frames: an experiment is a few instants
// (connected since, silent since), and a frame is computed from them and the
// time at which it is sent. Frames are therefore exact in a bubble.
//
// # In a test
//
//	synctest.Test(t, func(t *testing.T) {
//		network := lab.NewNetwork()
//		l, err := lab.New(lab.Options{Network: network, Experiments: lab.DemoExperiments(), RelayStats: true})
//		…
//		ctx, cancel := context.WithCancel(t.Context())
//		var wg sync.WaitGroup
//		wg.Go(func() { err = l.Run(ctx) })
//		<-l.Ready()
//		// Point the code under test at l.Env(), dialling by network.DialContext.
//		l.Stream("pend00-st-video").Vanish()
//		…
//		cancel()
//		wg.Wait()
//	})
//
// Inside a bubble use the bubble's own t: a context made outside cannot be
// waited on. Close idle HTTP connections before the bubble ends.
package lab
