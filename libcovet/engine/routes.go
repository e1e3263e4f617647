package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/guard"
	"github.com/covetpy/covetpy/libcovet/native"
	"github.com/covetpy/covetpy/libcovet/route"
)

// routes is what one version of the application answers. It never changes, so
// loops and requests that still use an older one need no lock.
type routes struct {
	version          uint32 // 1 is the first one's
	table            *route.Table
	constantOf       []int32 // route number -> place in constants; -1 is a worker's route
	constants        []*native.Constant
	once             []bool // routes whose requests are never repeated
	allMethods       []byte
	forwardUnmatched bool         // 404 and 405
	forwardRedirects bool         // 307
	guards           *guard.Chain // nil if there are none
	sockets          *route.Table // of WebSockets; nil if the application has none
	forwardSockets   bool         // 404
	root             string       // what is taken off paths that begin with it
}

// methodSocket is how configurations name the method of WebSocket routes.
const methodSocket = "WEBSOCKET"

func newRoutes(version uint32, c *Config) (*routes, error) {
	var b, sockets route.Builder
	most := uint32(0)
	for i := range c.Routes {
		most = max(most, c.Routes[i].ID)
	}
	r := &routes{
		version: version, forwardUnmatched: c.ForwardUnmatched, forwardRedirects: c.ForwardRedirects,
		forwardSockets: c.ForwardSockets, root: c.OwnRootPath,
		constantOf: make([]int32, most+1), once: make([]bool, most+1),
	}
	for i := range r.constantOf {
		r.constantOf[i] = -1
	}
	var err error
	if r.guards, err = guard.New(c.Guards); err != nil {
		return nil, err
	}
	methods := map[string]bool{}
	for i := range c.Routes {
		if err := r.add(&b, &sockets, &c.Routes[i], methods); err != nil {
			return nil, err
		}
	}
	if sockets.Len() > 0 || c.ForwardSockets {
		r.sockets = sockets.Build(route.Options{})
	}
	r.table = b.Build(route.Options{RedirectSlashes: c.RedirectSlashes})
	var list []string
	for m := exchange.MethodGet; m < exchange.NumMethods; m++ {
		if methods[m.String()] {
			list = append(list, m.String())
		}
	}
	r.allMethods = []byte(strings.Join(append(list, "OPTIONS"), ", "))
	return r, nil
}

func (r *routes) add(b, sockets *route.Builder, c *RouteConfig, methods map[string]bool) error {
	if c.ID == 0 {
		return fmt.Errorf("route %s: number 0 is not a route", c.Path)
	}
	for _, m := range c.Methods {
		if m == methodSocket {
			if err := sockets.Add("GET", c.Path, route.ID(c.ID)); err != nil && !errors.Is(err, route.ErrShadowed) {
				return fmt.Errorf("WebSocket route %s: %w", c.Path, err)
			}
			continue
		}
		methods[m] = m != "OPTIONS"
		if err := b.Add(m, c.Path, route.ID(c.ID)); err != nil && !errors.Is(err, route.ErrShadowed) {
			return fmt.Errorf("route %s: %w", c.Path, err)
		}
	}
	r.once[c.ID] = c.Repeat != nil && !*c.Repeat
	if c.Constant == nil {
		return nil
	}
	body, err := c.Constant.body()
	if err != nil {
		return fmt.Errorf("route %s: %w", c.Path, err)
	}
	k, err := native.NewConstant(len(r.constants), c.Constant.Status, c.Constant.MediaType, c.Constant.Headers, body)
	if err != nil {
		return fmt.Errorf("route %s: %w", c.Path, err)
	}
	r.constantOf[c.ID] = int32(k.Index)
	r.constants = append(r.constants, k)
	return nil
}

// repeatable reports whether a route's requests may be repeated after a
// worker's death.
func (r *routes) repeatable(number uint32) bool {
	return number < uint32(len(r.once)) && !r.once[number]
}

// forwards reports whether a worker answers requests that the router answers
// with status.
func (r *routes) forwards(status uint16) bool {
	switch status {
	case 404, 405:
		return r.forwardUnmatched
	case 307:
		return r.forwardRedirects
	}
	return false
}

// use makes a loop match requests with r from now on.
func (l *loop) use(r *routes) {
	if l.routes == r {
		return
	}
	l.routes = r
	l.constant = make([]constantImage, len(r.constants))
	for i, k := range r.constants {
		l.constant[i] = constantImage{answer: k, stamp: -1}
	}
}
