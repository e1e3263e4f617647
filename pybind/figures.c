/* The engine's figures and those of all workers, from the channel. */
#include "worker.h"

#include <time.h>

#define LOAD(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)

/* What a worker's record says of its life; NULL: there is no worker. */
static const char *state_of(const covet_worker *w) {
    switch (LOAD(&w->state)) {
    case COVET_WORKER_READY:
        return LOAD(&w->table) == 0 ? "starting" : "admitted";
    case COVET_WORKER_DRAINING:
        return "retired";
    default:
        return NULL;
    }
}

static uint64_t now_ns(void) {
    struct timespec now;
    return clock_gettime(CLOCK_MONOTONIC, &now) < 0 ? 0 : (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Seconds since a moment; 0 for one that is not set. */
static double seconds_since(uint64_t then) {
    uint64_t now = now_ns();
    return then == 0 || now < then ? 0 : (double)(now - then) / 1e9;
}

/* Producers and consumers go on meanwhile: the head may pass the tail that was read before it. */
static uint64_t waiting_at(const covet_worker *w) {
    int64_t waiting = (int64_t)(LOAD(&w->inbox_tail) - LOAD(&w->inbox_head));
    return waiting < 0 ? 0 : (uint64_t)waiting;
}

PyObject *runner_figures(PyObject *self, PyObject *unused) {
    const Runner *r = (Runner *)self;
    (void)unused;
    if (!r->attached) {
        return PyDict_New();
    }
    uint64_t connections = 0, accepted = 0, requests = 0, in_flight = 0, refused = 0, queued = 0;
    for (uint32_t i = 0; i < r->port.loops; i++) {
        const covet_loop *loop = r->port.loop[i].record;
        connections += LOAD(&loop->connections);
        accepted += LOAD(&loop->accepted);
        requests += LOAD(&loop->requests);
        in_flight += LOAD(&loop->in_flight);
        refused += LOAD(&loop->refused);
        queued += LOAD(&loop->held);
    }
    for (uint32_t i = 0; i < r->port.workers; i++) {
        queued += waiting_at(&r->port.records[i]);
    }
    return Py_BuildValue("{s:d,s:K,s:K,s:K,s:K,s:K,s:K}", "uptime", seconds_since(LOAD(&r->port.header->started_at)),
                         "connections", (unsigned long long)connections, "accepted", (unsigned long long)accepted,
                         "requests", (unsigned long long)requests, "in_flight", (unsigned long long)in_flight,
                         "refused", (unsigned long long)refused, "queued", (unsigned long long)queued);
}

static PyObject *describe(const covet_worker *w, uint32_t place, const char *state) {
    uint64_t finished = LOAD(&w->finished), begun = LOAD(&w->begun);
    uint64_t in_flight = begun < finished ? 0 : begun - finished;
    return Py_BuildValue("{s:I,s:I,s:s,s:K,s:K,s:K,s:K,s:N,s:d}", "worker", (unsigned)place + 1, "pid",
                         (unsigned)LOAD(&w->pid), "state", state, "waiting", (unsigned long long)waiting_at(w), "begun",
                         (unsigned long long)begun, "finished", (unsigned long long)finished, "in_flight",
                         (unsigned long long)in_flight, "sleeping", PyBool_FromLong(LOAD(&w->sleeping) != 0),
                         "blocked", seconds_since(LOAD(&w->blocked_since)));
}

PyObject *runner_workers(PyObject *self, PyObject *unused) {
    const Runner *r = (Runner *)self;
    (void)unused;
    PyObject *list = PyList_New(0);
    /* Whatever makes an object may run the collector, and that code which closes the runner: then there are 0 workers. */
    for (uint32_t i = 0; list != NULL && i < r->port.workers; i++) {
        const covet_worker *w = &r->port.records[i];
        const char *state = state_of(w);
        if (state == NULL) {
            continue;
        }
        PyObject *one = describe(w, i, state);
        if (one == NULL || PyList_Append(list, one) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(one);
    }
    return list;
}
