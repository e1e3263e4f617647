/* Takes what has come for the worker and drives the first steps of handlers. */
#include "worker.h"

#include <time.h>

#define BUDGET 512               /* requests taken in one turn of the event loop */
#define TURN_NANOSECONDS 2000000 /* and how long that may last, if handlers are slow: answers wait for its end */
#define SLOW_CALLS 64            /* a route that has kept answers waiting is taken to do so again */

/* Coarse, so that it costs a few nanoseconds: it moves every few milliseconds. */
static int64_t coarse_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- one request ---------------------------------------------------------------- */

/* Makes the event loop forget the lane's task as the current one. */
static void leave(Runner *r, Driver *lane) {
    if (!lane->stepping) {
        return;
    }
    lane->stepping = 0;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *left = PyObject_CallFunctionObjArgs(r->leave_task, r->loop, lane->task, NULL);
    if (left == NULL) {
        PyErr_WriteUnraisable(lane->task);
    }
    Py_XDECREF(left);
    if (lane->closing) {
        driver_forget_lane(lane);
    }
    PyErr_Restore(type, value, trace);
}

/* Hands a coroutine that waits over to the lane's task. */
static void hand_over(Runner *r, Driver *lane, Exchange *x, PyObject *yielded, char stage) {
    r->stepping = NULL;
    if (x->unsaid != 0 && x->live != NULL) {
        exchange_say(x, 0);
    }
    leave(r, lane);
    driver_adopt(lane, x, yielded, stage);
    if (r->lane == lane) {
        r->lane = NULL;
        Py_DECREF((PyObject *)lane);
    }
}

/* Drives `thing`, a coroutine or a result (taken over; NULL: an exception is
 * set), until it yields or the exchange is over. */
static void drive(Runner *r, Driver *lane, Exchange *x, PyObject *thing) {
    char stage = STAGE_HANDLER;
    do {
        PyObject *out = thing;
        if (thing != NULL && is_coroutine(r, thing)) {
            lane->coro = thing;
            PySendResult sent = PyIter_Send(thing, Py_None, &out);
            if (sent == PYGEN_NEXT) {
                hand_over(r, lane, x, out, stage);
                return;
            }
            lane->coro = NULL;
            Py_DECREF(thing);
        }
        thing = outcome(r, x, out, &stage);
        Py_XDECREF(out);
    } while (thing != NULL);
    r->stepping = NULL;
    conclude(x);
}

static void call_route(Runner *r, Driver *lane, Exchange *x) {
    uint32_t route = x->slot->route;
    Call *entry = route < (uint64_t)r->num_calls ? &r->calls[route] : NULL;
    if (entry == NULL || entry->call == NULL) {
        conclude(x); /* the engine should have answered this one */
        return;
    }
    x->status = entry->status;
    x->plain = (char)entry->plain;
    r->stepping = x;
    if (entry->slow != 0) {
        entry->slow--;
        runner_tell(r); /* what is answered need not wait for this one too */
    }
    int64_t before = r->clock;
    drive(r, lane, x, PyObject_CallFunctionObjArgs(entry->call, (PyObject *)x, NULL));
    r->clock = coarse_clock();
    r->time_is_up = r->clock - r->turn_began > TURN_NANOSECONDS;
    if (r->clock - before >= 2 * r->tick) { /* one tick may come at any time */
        entry->slow = SLOW_CALLS;
    }
}

/* Begins one request. */
static void begin(Runner *r, Driver *lane, covet_id id) {
    covet_slot *slot = covet_port_slot(&r->port, id);
    if (slot == NULL) {
        return;
    }
    if (__atomic_load_n(&slot->engine_flags, __ATOMIC_SEQ_CST) & COVET_E_CANCELLED) {
        covet_port_tell(&r->port, slot, id, COVET_W_ABORT | COVET_W_DONE);
        return;
    }
    Exchange *x = exchange_new(r, id, slot);
    if (x == NULL) {
        covet_port_tell(&r->port, slot, id, COVET_W_ABORT | COVET_W_DONE);
        PyErr_WriteUnraisable((PyObject *)r);
        return;
    }
    call_route(r, lane, x);
    Py_DECREF((PyObject *)x);
}

/* ---- a batch in a lane ---------------------------------------------------------- */

/* One by one, so that what a handler keeps waiting can go to another worker. */
static int take_request(Runner *r) {
    if (r->next != 0) {
        return 1;
    }
    if (!r->serving || r->time_is_up || r->begun >= BUDGET ||
        (!covet_port_take(&r->port, &r->next, 1) && !covet_port_steal(&r->port, &r->next))) {
        return 0;
    }
    r->begun++;
    return 1;
}

/* Aborts the request that was claimed and not begun. */
void runner_drop_next(Runner *r) {
    covet_slot *slot = r->next == 0 ? NULL : covet_port_slot(&r->port, r->next);
    if (slot != NULL) {
        covet_port_tell(&r->port, slot, r->next, COVET_W_ABORT | COVET_W_DONE);
    }
    r->next = 0;
}

/* Runs inside the lane's context: begins requests as long as there are some
 * and the lane is as new. */
PyObject *runner_step(PyObject *self, PyObject *unused) {
    Runner *r = (Runner *)self;
    Driver *lane = r->lane;
    (void)unused;
    if (lane == NULL || !lane->stepping) {
        PyErr_SetString(PyExc_RuntimeError, "only the runner itself may call this");
        return NULL;
    }
    driver_note(lane);
    while (take_request(r)) {
        covet_id id = r->next;
        r->next = 0;
        begin(r, lane, id);
        if (r->lane != lane) {
            break; /* used up, or the runner was closed */
        }
        if (!driver_is_new(lane)) {
            lane->touched = 1;
            break;
        }
    }
    Py_RETURN_NONE;
}

void runner_drop_lane(Runner *r) {
    Driver *lane = r->lane;
    r->lane = NULL;
    if (lane != NULL) {
        driver_discard(lane);
        Py_DECREF((PyObject *)lane);
    }
}

/* 0, or -1 with an exception. */
static int run_in_lane(Runner *r) {
    if (r->lane != NULL && (r->lane->touched || r->lane->closing)) {
        runner_drop_lane(r);
    }
    if (r->lane == NULL && (r->lane = driver_new(r)) == NULL) {
        return -1;
    }
    Driver *lane = r->lane;
    PyObject *run = lane->run; /* the lane may be used up or closed meanwhile */
    Py_INCREF((PyObject *)lane);
    Py_INCREF(run);
    PyObject *entered = PyObject_CallFunctionObjArgs(r->enter_task, r->loop, lane->task, NULL), *result = NULL;
    if (entered != NULL) {
        lane->stepping = 1;
        result = PyObject_CallFunctionObjArgs(run, r->step_method, NULL);
        leave(r, lane);
    }
    Py_XDECREF(entered);
    Py_XDECREF(result);
    if (lane->touched && r->lane == lane) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        runner_drop_lane(r);
        PyErr_Restore(type, value, trace);
    }
    Py_DECREF(run);
    Py_DECREF((PyObject *)lane);
    return result == NULL ? -1 : 0;
}

/* ---- the event loop's callback ---------------------------------------------------- */

static void take_notices(Runner *r) {
    covet_id ids[COVET_BATCH];
    uint32_t n;
    do {
        n = covet_port_notices(&r->port, ids, COVET_BATCH);
        for (uint32_t i = 0; i < n && r->attached; i++) {
            Exchange *x = r->live[(uint32_t)ids[i]];
            if (x != NULL && x->id == ids[i]) {
                Py_INCREF((PyObject *)x);
                exchange_news(x);
                Py_DECREF((PyObject *)x);
            }
        }
    } while (n == COVET_BATCH && r->attached);
}

/* 0: all is done, 1: there is more to do, -1: an exception is set. */
static int drain(Runner *r) {
    r->begun = 0;
    for (;;) {
        take_notices(r);
        if (!r->serving) {
            return 0;
        }
        while (take_request(r)) {
            if (run_in_lane(r) < 0) {
                return -1;
            }
        }
        if (!r->serving) {
            return 0;
        }
        runner_tell(r);
        if (r->begun >= BUDGET || r->time_is_up) {
            return 1;
        }
        if (covet_port_sleep(&r->port)) {
            return 0;
        }
    }
}

PyObject *runner_drain(PyObject *self, PyObject *unused) {
    Runner *r = (Runner *)self;
    (void)unused;
    if (!r->serving || r->draining) {
        Py_RETURN_NONE;
    }
    covet_port_wake(&r->port);
    r->draining = 1;
    r->time_is_up = 0;
    r->turn_began = r->clock = coarse_clock();
    int more = drain(r);
    r->draining = 0;
    if (more != 0 && r->serving) {
        runner_tell(r);
        covet_port_again(&r->port);
    }
    if (more >= 0 && r->fatal != NULL) {
        PyObject *error = r->fatal;
        r->fatal = NULL;
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
        more = -1;
    }
    if (more < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
