// Package app joins the parts into a server: it makes them, owns every goroutine,
// and turns the one loop in which facts become decisions. To understand the
// program, read [New] for what there is and loop.turn for what happens.
//
// It decides nothing about health, renders nothing and speaks no protocol. The
// loop makes no network call: its only blocking call is the store's transaction.
// cmd/status calls New and Run; nothing imports app but that.
package app
