package notifier

import (
	"encoding/json"
	"sync"

	"github.com/gorilla/websocket"

	"muster/event"
)

// class says what a slow reader loses first.
type class uint8

const (
	control class = iota // never dropped for another class
	urgent               // dropped when it is gone from the ring and no room is left in the queue
	summary              // experience: dropped first
)

// A frame is one event of the feed, encoded once for all clients. It is never
// changed after it was made.
type frame struct {
	class      class
	id         string // what the reader resumes from once it has the frame; "" leaves that as it is
	name       string
	receivedAt int64 // the listener's clock, Unix nanoseconds; 0 for news of the feed itself
	sse        []byte
	data       []byte // the JSON within sse

	once     sync.Once
	prepared *websocket.PreparedMessage
}

// newFrame encodes an event. id and name hold no line breaks, data is compact JSON.
func newFrame(c class, id, name string, data []byte) *frame {
	f := &frame{class: c, id: id, name: name}
	b := make([]byte, 0, len(data)+len(id)+len(name)+24)
	if id != "" {
		b = append(append(append(b, "id: "...), id...), '\n')
	}
	b = append(append(append(b, "event: "...), name...), '\n')
	b = append(b, "data: "...)
	start := len(b)
	b = append(b, data...)
	f.data = b[start:len(b):len(b)]
	f.sse = append(b, "\n\n"...)
	return f
}

// newControl encodes news of the feed itself. v must be encodable.
func newControl(id, name string, v any) *frame {
	data, err := json.Marshal(v)
	if err != nil {
		data = []byte("{}") // cannot be: callers pass plain structs
	}
	return newFrame(control, id, name, data)
}

// newItemFrame encodes it; the error says that its detail is not JSON.
func newItemFrame(it *event.FeedItem) (*frame, error) {
	data, err := json.Marshal(it)
	if err != nil {
		return nil, err
	}
	c := urgent
	if it.Kind == "experience" {
		c = summary
	}
	f := newFrame(c, it.ID, it.Kind, data)
	f.receivedAt = it.ReceivedAt
	return f, nil
}

// message returns the frame as a WebSocket message, {"event","id","data"},
// compressed and framed once for all clients.
func (f *frame) message() (*websocket.PreparedMessage, error) {
	var err error
	f.once.Do(func() {
		b := make([]byte, 0, len(f.sse)+32)
		b = append(append(append(b, `{"event":"`...), f.name...), '"')
		if f.id != "" {
			b = append(append(append(b, `,"id":"`...), f.id...), '"')
		}
		b = append(append(append(b, `,"data":`...), f.data...), '}')
		f.prepared, err = websocket.NewPreparedMessage(websocket.TextMessage, b)
	})
	if f.prepared == nil && err == nil {
		err = errNotPrepared
	}
	return f.prepared, err
}
