package redisstore

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

const (
	// overlap is how far before since Changes begins, in case a server's clock
	// was set back, or those of a cluster differ.
	overlap = 5 * time.Second

	// kept is how old a since may be. The log holds a minute more.
	kept = store.MinHold
)

// Changes is described by store.Store. It tells changes of the last seconds
// before since again. Its cost is one round trip, in which each of the 256 logs
// is asked, and most are not there. A server that was started anew may have lost
// what it had logged, which is ErrGone; on a cluster such a one is replaced, and
// what its replica did not have is lost with the ends themselves.
//
// While one of a cluster's masters does not answer it fails: what was ended there
// is not known. That lasts until the cluster has another one in its place:
// cluster-node-timeout (15 seconds, if it was not set) and what the others take
// to agree, half of that at most; an election, of half a second to a second, and
// a second more for each replica that is asked in vain; and up to a second until
// this package has heard of it. With a cluster-node-timeout of 1 second it is
// some 3 seconds. A replica could answer sooner, but may lack ends that were
// acknowledged, and an answer without them would be taken for all there is. So
// who follows changes bounds how long he goes on without an answer, and the
// bound is longer than this, or he refuses meanwhile what he cannot check.
func (s *Store) Changes(ctx context.Context, since string) (store.Changes, error) {
	if since == "" {
		return s.begin(ctx)
	}
	from, ok := parseMoment(since)
	if !ok {
		return store.Changes{}, store.ErrGone
	}
	now, logs, err := s.logs(ctx, max(from.ms-overlap.Milliseconds(), from.begin))
	if err != nil {
		return store.Changes{}, failed("changes", err)
	}
	if from.run != now.run || now.ms-from.ms > kept.Milliseconds() || from.ms-now.ms > overlap.Milliseconds() {
		return store.Changes{}, store.ErrGone
	}
	now.begin = from.begin
	changes := store.Changes{Next: now.String()}
	for _, log := range logs {
		for _, entry := range log.list {
			c, err := decodeChange(entry)
			if err != nil {
				return store.Changes{}, failed("changes", err)
			}
			changes.List = append(changes.List, c)
		}
	}
	return changes, nil
}

// begin returns the present moment. The log's clock has milliseconds, so it
// waits for the present one to be over: what happens later is then told, and
// what happened before is not.
func (s *Store) begin(ctx context.Context) (store.Changes, error) {
	first, err := s.moment(ctx)
	now := first
	for err == nil && now.ms <= first.ms && first.ms-now.ms < overlap.Milliseconds() {
		time.Sleep(time.Millisecond / 2)
		now, err = s.moment(ctx)
	}
	if err != nil {
		return store.Changes{}, failed("changes", err)
	}
	now.begin = now.ms
	return store.Changes{Next: now.String()}, nil
}

// logs returns the present moment, and what was logged since begin.
func (s *Store) logs(ctx context.Context, begin int64) (now moment, logs []answer, err error) {
	from := strconv.FormatInt(begin, 10)
	if s.client.cluster {
		return s.clusterLogs(ctx, from)
	}
	commands := []command{askMoment}
	for b := range 256 {
		commands = append(commands, command{name: "XRANGE", key: s.logKey(b), args: []string{from, "+"}})
	}
	answers, err := s.client.all(ctx, commands)
	if err != nil {
		return now, nil, err
	}
	now, err = readMoment(answers[0])
	return now, answers[1:], err
}

// clusterLogs asks each log's server for the time too: the moment is the
// earliest of them.
func (s *Store) clusterLogs(ctx context.Context, from string) (now moment, logs []answer, err error) {
	keys := make([]string, 256)
	for b := range keys {
		keys[b] = s.logKey(b)
	}
	answers, err := s.runAll(ctx, changesScript, keys, from)
	if err != nil {
		return now, nil, err
	}
	for i, a := range answers {
		if len(a.list) != 2 {
			return now, nil, errForm
		}
		m, err := readTime(a.list[0])
		if err != nil {
			return now, nil, err
		}
		if i == 0 || m.ms < now.ms {
			now = m
		}
		logs = append(logs, a.list[1])
	}
	return now, logs, nil
}

func (s *Store) logKey(bucket int) string {
	return s.tag(hex.EncodeToString([]byte{byte(bucket)})) + "c"
}

// A moment is a time of the server, in milliseconds, and which run of the
// server it was. On a cluster it is the time of the server whose clock is last,
// and the run is not known. begin is the moment at which a series of calls
// began.
type moment struct {
	ms, begin int64
	run       string
}

func (m moment) String() string { return fmt.Sprintf("%d-%d-%s", m.ms, m.begin, m.run) }

func parseMoment(text string) (moment, bool) {
	parts := strings.Split(text, "-")
	if len(parts) != 3 {
		return moment{}, false
	}
	ms, err1 := strconv.ParseInt(parts[0], 10, 64)
	begin, err2 := strconv.ParseInt(parts[1], 10, 64)
	return moment{ms, begin, parts[2]}, err1 == nil && err2 == nil && ms >= 0 && begin >= 0
}

// moment asks for the present one.
func (s *Store) moment(ctx context.Context) (moment, error) {
	if s.client.cluster {
		now, _, err := s.clusterLogs(ctx, "+")
		return now, err
	}
	a, err := s.client.do(ctx, askMoment)
	if err != nil {
		return moment{}, err
	}
	return readMoment(a)
}

var askMoment = command{name: "INFO", pre: []string{"server"}}

func readMoment(a answer) (moment, error) {
	micros, err := strconv.ParseInt(infoLine(a.text, "server_time_usec:"), 10, 64)
	run := infoLine(a.text, "run_id:")
	if err != nil || run == "" {
		return moment{}, errForm
	}
	return moment{ms: micros / 1000, run: run}, nil
}

func infoLine(info, name string) string {
	_, rest, _ := strings.Cut(info, "\n"+name)
	line, _, _ := strings.Cut(rest, "\r")
	return line
}

// readTime reads seconds and microseconds.
func readTime(a answer) (moment, error) {
	if len(a.list) != 2 {
		return moment{}, errForm
	}
	seconds, err1 := strconv.ParseInt(a.list[0].text, 10, 64)
	micros, err2 := strconv.ParseInt(a.list[1].text, 10, 64)
	if err1 != nil || err2 != nil {
		return moment{}, errForm
	}
	return moment{ms: seconds*1000 + micros/1000}, nil
}

// decodeChange reads an entry of a log: its id, and one field which holds 'e'
// for ended or 'm' for made, the kind, the handle and the owner.
func decodeChange(entry answer) (store.Change, error) {
	if len(entry.list) != 2 || len(entry.list[1].list) != 2 {
		return store.Change{}, errForm
	}
	text := entry.list[1].list[1].text
	if len(text) < 2+handleSize {
		return store.Change{}, errForm
	}
	return store.Change{
		Kind: store.Kind(text[1]), Handle: text[2 : 2+handleSize], Owner: text[2+handleSize:], Ended: text[0] == 'e',
	}, nil
}
