package imapd

import (
	"container/list"
	"sync"

	"relais.example/gateway/mimeindex"
)

// indexCache keeps the indexes of messages that were asked for lately, so
// that ENVELOPE, BODYSTRUCTURE and headers need no body. Items are immutable:
// nothing is ever out of date.
type indexCache struct {
	max   int64 // bytes
	mu    sync.Mutex
	room  int64 // bytes left
	items map[string]*list.Element
	order list.List // most recently used first
}

type cached struct {
	item  string
	index *mimeindex.Index
}

func newIndexCache(room int64) *indexCache {
	return &indexCache{max: room, room: room, items: map[string]*list.Element{}}
}

func (c *indexCache) get(item string) *mimeindex.Index {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.items[item]
	if !ok {
		return nil
	}
	c.order.MoveToFront(el)
	return el.Value.(cached).index
}

func (c *indexCache) put(item string, index *mimeindex.Index) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[item]; ok || index.Weight() > c.max/8 {
		return
	}
	c.items[item] = c.order.PushFront(cached{item, index})
	c.room -= index.Weight()
	for c.room < 0 {
		last := c.order.Back()
		old := c.order.Remove(last).(cached)
		delete(c.items, old.item)
		c.room += old.index.Weight()
	}
}
