package engines

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy stands between clients and a server, and breaks what it is told to
// break. It knows bytes and no protocol: what the server sends in answer to one
// request is taken to arrive in one piece, which holds for small answers.
//
// It passes everything on until told otherwise. Its methods are safe for
// concurrent use and hold for the connections that exist as well as for new
// ones. It is a real listener: clients of other processes can use it.
type Proxy struct {
	addr     string // of the server
	listener net.Listener
	group    sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
	answer func() Verdict
	open   chan struct{} // closed while requests pass; see BlackHole
	refuse bool
	delay  time.Duration

	requests, answers, dropped, refused atomic.Int64
}

// A Verdict is what happens to one answer of the server.
type Verdict uint8

// The verdicts. After Drop and Stall the request has been done, but its client
// does not learn of it.
const (
	Pass  Verdict = iota // hand it on
	Drop                 // discard it and close the connection
	Stall                // discard it and everything after it, and leave the connection open
)

// NewProxy starts a proxy to the server at addr. It ends with the test.
func NewProxy(t testing.TB, addr string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("engines: no free port: %v", err)
	}
	p := &Proxy{addr: addr, listener: l, conns: map[net.Conn]bool{}, open: make(chan struct{})}
	close(p.open)
	p.group.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Answers has f decide about every answer; nil passes all. f may be called from
// several goroutines at once.
func (p *Proxy) Answers(f func() Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

// Next has the next answer, and only that, meet v.
func (p *Proxy) Next(v Verdict) {
	var done atomic.Bool
	p.Answers(func() Verdict {
		if done.Swap(true) {
			return Pass
		}
		return v
	})
}

// Sometimes has answers meet v with the given probability. The same seed gives
// the same sequence of verdicts, over all connections together.
func (p *Proxy) Sometimes(v Verdict, probability float64, seed uint64) {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, seed))
	p.Answers(func() Verdict {
		mu.Lock()
		defer mu.Unlock()
		if random.Float64() < probability {
			return v
		}
		return Pass
	})
}

// Refuse closes new connections at once while on; those that exist stay.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// BlackHole holds back what clients send while on, and closes nothing. When it
// ends, what was held back goes to the server.
func (p *Proxy) BlackHole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		if on {
			p.open = make(chan struct{})
		}
	default:
		if !on {
			close(p.open)
		}
	}
}

// Delay has every piece wait for d, in both directions.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut closes all connections that exist.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Counts are what a proxy has seen: pieces from clients and from the server,
// answers that it did not pass, and connections that it refused.
type Counts struct{ Requests, Answers, Dropped, Refused int64 }

// Counts returns the present counts.
func (p *Proxy) Counts() Counts {
	return Counts{p.requests.Load(), p.answers.Load(), p.dropped.Load(), p.refused.Load()}
}

// Open is the number of clients that are connected.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) / 2
}

func (p *Proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.BlackHole(false)
	p.Cut()
	p.group.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.group.Go(func() { p.serve(client) })
	}
}

// serve connects a client with the server until one of them goes.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	refuse := p.refuse || p.closed
	p.mu.Unlock()
	if refuse {
		p.refused.Add(1)
		return
	}
	server, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.refused.Add(1)
		return
	}
	defer server.Close()
	if !p.enter(client, server) {
		return
	}
	defer p.leave(client, server)
	var both sync.WaitGroup
	both.Go(func() {
		defer client.Close()
		defer server.Close()
		p.copy(server, client, p.request)
	})
	both.Go(func() {
		defer client.Close()
		defer server.Close()
		p.copy(client, server, p.judge)
	})
	both.Wait()
}

func (p *Proxy) enter(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	return !p.closed
}

func (p *Proxy) leave(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// copy hands pieces from one side to the other as long as judge passes them.
func (p *Proxy) copy(to io.Writer, from io.Reader, judge func() Verdict) {
	piece := make([]byte, 64<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			switch judge() {
			case Drop:
				return
			case Stall:
				io.Copy(io.Discard, from)
				return
			}
			p.wait()
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// request lets a client's piece pass, when requests may.
func (p *Proxy) request() Verdict {
	p.requests.Add(1)
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	<-open
	return Pass
}

// judge decides about a piece of the server's.
func (p *Proxy) judge() Verdict {
	p.answers.Add(1)
	p.mu.Lock()
	f := p.answer
	p.mu.Unlock()
	if f == nil {
		return Pass
	}
	v := f()
	if v != Pass {
		p.dropped.Add(1)
	}
	return v
}

func (p *Proxy) wait() {
	p.mu.Lock()
	d := p.delay
	p.mu.Unlock()
	if d > 0 {
		time.Sleep(d)
	}
}
