package book

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"labstatus/internal/health"
)

// TestWhateverHappens lets a book fail at random while wishes come and are
// overtaken. Afterwards each resource is as it was last wished, and what was
// last posted of it is what book has. BOOK_TEST_SEEDS says how many such stories are
// told; in one there are a thousand calls, dozens with each fault.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	seeds, err := strconv.ParseUint(cmp.Or(os.Getenv("BOOK_TEST_SEEDS"), "1"), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range seeds {
		bubble(t, fmt.Sprint("seed ", seed), func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 7))
			b := newFakeBook()
			var names []string
			for i := range 30 {
				names = append(names, fmt.Sprintf("r-e%02d", i))
				b.add(names[i])
			}
			b.setDelay(20 * time.Millisecond)
			faulty := rand.New(rand.NewPCG(seed, 8))
			b.setFault(func(w http.ResponseWriter, r *http.Request, name string, _ int) bool {
				b.mu.Lock()
				dice := faulty.IntN(20)
				b.mu.Unlock()
				switch {
				case dice < 3:
					w.WriteHeader(http.StatusBadGateway)
					return true
				case dice == 3:
					return hang(r)
				case dice == 4 && r.Method == http.MethodPut: // done, and never answered
					b.set(name, r.URL.Query().Get("available") == "true", r.URL.Query().Get("reason"))
					return hang(r)
				case dice == 5:
					panic(http.ErrAbortHandler) // the connection breaks
				}
				return false
			})
			s := newBench(t, b, KeeperOptions{QueryEvery: 3 * time.Minute})
			settle(10 * time.Second)
			last := make(map[string]health.Want)
			for range 400 {
				name := names[chance.IntN(len(names))]
				want := []health.Want{health.Open, health.Close, health.Close, health.Leave}[chance.IntN(4)]
				last[name] = want
				s.Want(wish(name, want))
				if chance.IntN(50) == 0 {
					s.Requery()
				}
				time.Sleep(time.Duration(chance.Int64N(int64(3 * time.Second))))
			}
			b.setFault(nil)
			settle(time.Minute) // twice the longest backoff
			for _, name := range names {
				available := b.available[name]
				if last[name] == health.Open && !available || last[name] == health.Close && available {
					t.Errorf("%s was last wished %s; available is %v", name, last[name], available)
				}
				posted := of[health.Availability](s, name)
				if len(posted) == 0 || posted[len(posted)-1].Available != available || posted[len(posted)-1].Reason != b.reason[name] {
					t.Errorf("%s: what was posted last is not what book has: %v %q", name, available, b.reason[name])
				}
				for i := 1; i < len(posted); i++ {
					if posted[i].At.Before(posted[i-1].At) {
						t.Errorf("%s: an answer of %s was posted after one of %s", name, posted[i].At, posted[i-1].At)
					}
				}
			}
			if st := s.Status(); st.Pending != 0 || st.Waiting != 0 || st.InFlight != 0 || st.Failures == 0 {
				t.Errorf("in the end: %+v", st)
			}
			if n := len(s.queue.jobs); n != 0 {
				t.Errorf("%d jobs are left", n)
			}
		})
	}
}

// BenchmarkWant is what the loop pays for wishes about 20,000 resources.
func BenchmarkWant(b *testing.B) {
	c, err := NewClient(Options{API: testAudience, Secret: testSecret})
	if err != nil {
		b.Fatal(err)
	}
	var wishes []health.Wish
	for i := range 20_000 {
		wishes = append(wishes, wish(fmt.Sprintf("r-e%05d", i), health.Close)...)
	}
	for b.Loop() {
		NewKeeper(c, KeeperOptions{}).Want(wishes)
	}
}
