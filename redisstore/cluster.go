package redisstore

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/sojourn-go/sojourn/store"
)

// maxRedirections is how often a cluster may say that another server has a
// slot, before that is an error.
const maxRedirections = 8

var errChanging = errors.New("a slot of the cluster moves, or a master was replaced; begin again")

// A topology is which server has which bucket, as one of them sees it.
type topology struct {
	me     string
	owners [256]string // ids
	moving bool        // a slot of this server is on its way
}

// slots are those of the 256 buckets.
func (s *Store) slots() (slots [256]int) {
	for b := range slots {
		slots[b] = s.client.slot(s.logKey(b))
	}
	return slots
}

// readTopology reads the answer to CLUSTER NODES: a line for each server, with
// its id, flags, and from the ninth field on slots. A master that failed has
// its slots still.
func readTopology(text string, slots [256]int) (t topology) {
	for line := range strings.Lines(strings.TrimPrefix(text, "txt:")) { // which is how the answer's kind is marked
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		if strings.Contains(f[2], "myself") {
			t.me = f[0]
		}
		for _, part := range f[8:] {
			if strings.HasPrefix(part, "[") {
				t.moving = true
				continue
			}
			from, to, ok := strings.Cut(part, "-")
			if !ok {
				to = from
			}
			first, err1 := strconv.Atoi(from)
			last, err2 := strconv.Atoi(to)
			for b, slot := range slots {
				if err1 == nil && err2 == nil && first <= slot && slot <= last {
					t.owners[b] = f[0]
				}
			}
		}
	}
	return t
}

// print differs when any bucket has another owner.
func (t *topology) print() string {
	h := fnv.New64a()
	for _, id := range t.owners {
		h.Write([]byte(id + " "))
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// next is the first bucket behind b whose server has no bucket before it, and
// so was not asked yet; 256 if there is none.
func (t *topology) next(b int) int {
	asked := map[string]bool{}
	for i, id := range t.owners {
		if i > b && !asked[id] {
			return i
		}
		asked[id] = true
	}
	return len(t.owners)
}

// scanCluster asks one master for some of its keys, and in the same round trip
// which servers have which buckets. The cursor holds a bucket of the server's,
// what the topology was, and the server's own cursor.
func (s *Store) scanCluster(ctx context.Context, page store.Page) (keys []answer, next string, err error) {
	bucket, print, cursor := 0, "", "0"
	if page.Cursor != "" {
		if bucket, print, cursor, err = parseScan(page.Cursor); err != nil {
			return nil, "", err
		}
	}
	answers, err := s.client.all(ctx, []command{
		{name: "EXISTS", key: s.logKey(bucket)}, // the others go where this does
		{name: "CLUSTER", pre: []string{"NODES"}},
		s.scanCommand(cursor, page),
	})
	if err != nil {
		return nil, "", err
	}
	t := readTopology(answers[1].text, s.slots())
	now := t.print()
	if t.moving || t.owners[bucket] != t.me || print != "" && print != now {
		return nil, "", errChanging
	}
	keys, next, err = readScan(answers[2])
	if err == nil && next == "" {
		if bucket = t.next(bucket); bucket < 256 {
			next = "0"
		}
	}
	if next != "" {
		next = strconv.Itoa(bucket) + " " + now + " " + next
	}
	return keys, next, err
}

func parseScan(text string) (bucket int, print, cursor string, err error) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 {
		return 0, "", "", errCursor
	}
	bucket, err1 := strconv.Atoi(parts[0])
	_, err2 := strconv.ParseUint(parts[2], 10, 64)
	if err1 != nil || err2 != nil || bucket < 0 || bucket > 255 || parts[1] == "" {
		return 0, "", "", errCursor
	}
	return bucket, parts[1], parts[2], nil
}
