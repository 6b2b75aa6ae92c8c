package memstore

// chunkLen is how many things a pool gets from the runtime at once.
const chunkLen = 512

// A pool is memory for many things of one type that has no pointers. They are
// named by small numbers that stay the same; 0 names nothing. Each is as good
// as any other when it is free, so a pool cannot become fragmented: it has as
// many as were ever in use at a time, until the shard is compacted.
type pool[T any] struct {
	chunks [][]T // full ones and, last, one that is being filled; the first grows, so that little takes little
	free   []uint32
	used   int
}

// at returns a thing. The pointer is good until the next take.
func (p *pool[T]) at(id uint32) *T { return &p.chunks[id/chunkLen][id%chunkLen] }

// take returns the number of one that is zero and not in use.
func (p *pool[T]) take() uint32 {
	p.used++
	if n := len(p.free); n > 0 {
		id := p.free[n-1]
		p.free = p.free[:n-1]
		return id
	}
	var zero T
	last := len(p.chunks) - 1
	switch {
	case last < 0:
		p.chunks = append(p.chunks, []T{zero}) // number 0
		last++
	case len(p.chunks[last]) == chunkLen:
		p.chunks = append(p.chunks, make([]T, 0, chunkLen))
		last++
	}
	p.chunks[last] = append(p.chunks[last], zero)
	return uint32(last*chunkLen + len(p.chunks[last]) - 1)
}

// give returns one. It is made zero: what was in it does not linger.
func (p *pool[T]) give(id uint32) {
	var zero T
	*p.at(id) = zero
	p.used--
	p.free = append(p.free, id)
}

// size is above all numbers in use.
func (p *pool[T]) size() int {
	if len(p.chunks) == 0 {
		return 0
	}
	last := len(p.chunks) - 1
	return last*chunkLen + len(p.chunks[last])
}

// few is so little that it is kept, though nothing is in use.
const few = 64

// sparse reports whether more than half are free, and enough of them to do
// something about it.
func (p *pool[T]) sparse() bool { return p.used*2 < p.size() && p.size() > few }
