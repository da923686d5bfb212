package discord

import (
	"encoding/json"
	"time"

	"github.com/gorilla/websocket"
)

// writeTimeout is how long a client may take to accept a frame.
const writeTimeout = 5 * time.Second

// write sends what is queued until the connection ends.
func (c *gatewayConn) write() {
	defer c.ws.Close()
	for {
		select {
		case <-c.gone:
			return
		case o := <-c.out:
			_ = c.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
			if o.code != 0 {
				c.bye(o)
				return
			}
			if err := c.ws.WriteMessage(websocket.TextMessage, o.data); err != nil {
				return
			}
		}
	}
}

// bye sends a close frame and gives the client a moment to answer it, so that
// the code is not lost to a reset connection.
func (c *gatewayConn) bye(o outgoing) {
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(o.code, o.reason), time.Now().Add(writeTimeout))
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-c.gone:
	case <-t.C:
	}
}

// send queues a frame. A client that has let too many pile up is cut.
func (c *gatewayConn) send(data []byte) {
	if c.silent.Load() {
		return
	}
	select {
	case c.out <- outgoing{data: data}:
	default:
		c.drop()
	}
}

func (c *gatewayConn) sendOp(op int, d any) {
	raw, _ := json.Marshal(map[string]any{"op": op, "d": d, "s": nil, "t": nil})
	c.send(raw)
}

// close ends the connection with a code.
func (c *gatewayConn) close(code int) {
	select {
	case c.out <- outgoing{code: code, reason: orElse(closeReasons[code], "Closed.")}:
	default:
		c.drop()
	}
}

// drop ends the connection without a word.
func (c *gatewayConn) drop() {
	c.once.Do(func() {
		close(c.gone)
		_ = c.ws.Close()
	})
}

// strike does a fault of the moment and reports whether the usual course of
// things is over. A negative shard is not known yet.
func (c *gatewayConn) strike(moment string, shard int) bool {
	f, struck := c.g.s.faults.strike(func(f *Fault) bool { return f.At == moment && f.hits(shard) })
	return struck && c.suffer(f)
}

// suffer does what f says. It reports whether the usual course is over.
func (c *gatewayConn) suffer(f Fault) bool {
	switch f.Kind {
	case FaultSilence:
		c.silent.Store(true)
	case FaultReconnect:
		c.sendOp(opReconnect, nil)
	case FaultInvalid:
		if !f.Resumable {
			c.g.invalidate(c)
		}
		c.sendOp(opInvalid, f.Resumable)
	case FaultClose:
		c.close(f.Code)
	case FaultDrop:
		c.drop()
	case FaultNoAck:
		c.noAck = true
		return false
	case FaultPause:
		t := time.NewTimer(f.delay())
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.gone:
		}
		return false
	}
	return true
}

// invalidate ends the session of c, so that it cannot be resumed.
func (g *gateway) invalidate(c *gatewayConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, sess := range g.sessions {
		if sess.conn == c {
			g.forget(id)
		}
	}
}
