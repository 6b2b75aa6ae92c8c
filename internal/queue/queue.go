// Package queue lets those who want the same thing take turns: the commits of
// one session within one process.
package queue

import (
	"context"
	"sync"
)

// A Queue has a line for each key that somebody waits for or has his turn at.
// What the one before left behind for the next is a *T. The zero Queue is
// ready. It is safe for concurrent use.
type Queue[T any] struct {
	mu    sync.Mutex
	lines map[string]*line[T]
}

type line[T any] struct {
	free   chan struct{} // holds one token while nobody has his turn
	people int           // waiting, or having their turn
	last   *T            // belongs to who has his turn
}

// A Turn is the right to go on, until Done.
type Turn[T any] struct {
	q    *Queue[T]
	key  string
	line *line[T]
}

// Wait returns when it is the caller's turn at key, or ctx ends.
func (q *Queue[T]) Wait(ctx context.Context, key string) (*Turn[T], error) {
	q.mu.Lock()
	l := q.lines[key]
	if l == nil {
		l = &line[T]{free: make(chan struct{}, 1)}
		l.free <- struct{}{}
		if q.lines == nil {
			q.lines = make(map[string]*line[T])
		}
		q.lines[key] = l
	}
	l.people++
	q.mu.Unlock()
	select {
	case <-l.free:
		return &Turn[T]{q, key, l}, nil
	default:
	}
	select {
	case <-l.free:
		return &Turn[T]{q, key, l}, nil
	case <-ctx.Done():
		q.leave(key, l)
		return nil, ctx.Err()
	}
}

// Last is what Leave left since somebody began to wait; nil for nothing.
func (t *Turn[T]) Last() *T { return t.line.last }

// Leave leaves v for the next.
func (t *Turn[T]) Leave(v *T) { t.line.last = v }

// Done ends the turn. It is called once.
func (t *Turn[T]) Done() {
	t.line.free <- struct{}{}
	t.q.leave(t.key, t.line)
}

// leave forgets the line when nobody is left in it.
func (q *Queue[T]) leave(key string, l *line[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.people--; l.people == 0 {
		delete(q.lines, key)
	}
}

// Len returns the number of lines, for tests.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lines)
}
