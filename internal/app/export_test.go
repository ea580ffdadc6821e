package app

import "labstatus/internal/store"

// WrapStore lets a test stand between the server and its store.
func (o *Options) WrapStore(wrap func(store.Store) store.Store) { o.wrapStore = wrap }
