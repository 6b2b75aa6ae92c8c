package memstore

// A due is a slot's place in the heap of deadlines. Its time is not after the
// slot's deadline: a deadline that moves away leaves it where it is, and Sweep
// puts it right when its turn comes. So a touch costs the heap nothing.
type due struct {
	at   int64
	slot uint32
}

// schedule adds a slot to the heap.
func (t *table) schedule(id uint32) {
	t.heap = append(t.heap, due{})
	t.up(len(t.heap)-1, due{t.slots.at(id).deadline(), id})
}

// reschedule puts a slot where its deadline belongs.
func (t *table) reschedule(id uint32) {
	sl := t.slots.at(id)
	t.settle(int(sl.due), due{sl.deadline(), id})
}

// unschedule removes a slot from the heap.
func (t *table) unschedule(id uint32) {
	i, last := int(t.slots.at(id).due), len(t.heap)-1
	moved := t.heap[last]
	t.heap = t.heap[:last]
	if i < last {
		t.settle(i, moved)
	}
}

// settle puts d into the free place i, or where it belongs from there.
func (t *table) settle(i int, d due) {
	if i > 0 && d.at < t.heap[(i-1)/2].at {
		t.up(i, d)
	} else {
		t.down(i, d)
	}
}

func (t *table) up(i int, d due) {
	for i > 0 {
		parent := (i - 1) / 2
		if t.heap[parent].at <= d.at {
			break
		}
		t.place(i, t.heap[parent])
		i = parent
	}
	t.place(i, d)
}

func (t *table) down(i int, d due) {
	for {
		child := 2*i + 1
		if child >= len(t.heap) {
			break
		}
		if child+1 < len(t.heap) && t.heap[child+1].at < t.heap[child].at {
			child++
		}
		if d.at <= t.heap[child].at {
			break
		}
		t.place(i, t.heap[child])
		i = child
	}
	t.place(i, d)
}

func (t *table) place(i int, d due) {
	t.heap[i] = d
	t.slots.at(d.slot).due = uint32(i)
}
