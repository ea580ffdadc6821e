package serve

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"
)

// message is one server-sent event, whole, shared by all readers.
type message struct {
	raw    []byte
	packed func() []byte // deflated, made when it is first asked for
}

// draft is a message without its id.
type draft struct {
	event string
	data  []byte        // one line
	retry time.Duration // what a reader waits before it reconnects; 0 leaves it as it is
}

func newMessage(id string, d draft) *message {
	head := "id: " + id + "\nevent: " + d.event + "\ndata: "
	if d.retry > 0 {
		head = "retry: " + strconv.FormatInt(d.retry.Milliseconds(), 10) + "\n" + head
	}
	raw := slices.Concat([]byte(head), d.data, []byte("\n\n"))
	return &message{raw: raw, packed: sync.OnceValue(func() []byte { return deflate(raw) })}
}

// deflate packs on its own what may then stand anywhere in a deflated stream: so
// one packing serves all readers, which each would otherwise need a compressor.
func deflate(raw []byte) []byte {
	var out bytes.Buffer
	// Writing to memory can't fail.
	_ = flate.StatelessDeflate(&out, raw, false, nil)
	return out.Bytes()
}

// gzipFrame is what one reader's gzip stream needs around the packed messages
// (RFC 1952).
type gzipFrame struct {
	sum  uint32
	size uint32
}

func (f *gzipFrame) head() []byte { return []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff} }

func (f *gzipFrame) count(raw []byte) {
	f.sum = crc32.Update(f.sum, crc32.IEEETable, raw)
	f.size += uint32(len(raw)) // modulo 2^32, as it is wanted
}

func (f *gzipFrame) tail() []byte {
	end := []byte{1, 0, 0, 0xff, 0xff} // an empty last block
	end = binary.LittleEndian.AppendUint32(end, f.sum)
	return binary.LittleEndian.AppendUint32(end, f.size)
}
