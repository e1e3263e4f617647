/* The life of an exchange on the worker's side. */
#include "worker.h"

#include <string.h>

Exchange *exchange_new(Runner *r, covet_id id, covet_slot *slot) {
    const uint8_t *data = covet_port_request(&r->port, slot);
    if (data == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the engine posted a request whose data is not there");
        return NULL;
    }
    Exchange *x = (Exchange *)PyType_GenericAlloc(r->types->exchange, 0);
    if (x == NULL) {
        return NULL;
    }
    Py_INCREF((PyObject *)r);
    x->runner = r;
    x->slot = x->live = slot;
    x->id = id;
    x->data = data;
    x->status = 200;
    Py_INCREF((PyObject *)x);
    r->live[(uint32_t)id] = x;
    r->in_flight += slot->kind != COVET_KIND_CONTROL;
    return x;
}

static size_t data_size(const covet_slot *s) {
    size_t params = (size_t)s->params_off + s->num_params * sizeof(covet_span);
    return s->request_flags & COVET_R_BODY_WHOLE ? (size_t)s->body_off + s->body_len : params;
}

/* Copies the request out of the channel, which the engine is about to reuse. */
void exchange_detach(Exchange *x) {
    size_t size = data_size(x->slot);
    uint8_t *copy = PyMem_Calloc(1, sizeof(covet_slot) + size);
    if (copy == NULL) {
        x->slot = NULL; /* every getter says that the exchange is over */
        x->data = NULL;
        return;
    }
    memcpy(copy, x->slot, offsetof(covet_slot, engine_flags));
    memcpy(((covet_slot *)copy)->local, x->slot->local, sizeof x->slot->local);
    ((covet_slot *)copy)->close_code = x->slot->close_code;
    ((covet_slot *)copy)->engine_flags = __atomic_load_n(&x->slot->engine_flags, __ATOMIC_SEQ_CST);
    memcpy(copy + sizeof(covet_slot), x->data, size);
    x->copy = copy;
    x->slot = (const covet_slot *)copy;
    x->data = copy + sizeof(covet_slot);
}

/* The last touch of the channel's slot. */
void exchange_leave(Exchange *x, covet_slot *slot) {
    Runner *r = x->runner;
    r->live[(uint32_t)x->id] = NULL;
    if (slot->kind != COVET_KIND_CONTROL) { /* which the engine ends */
        r->in_flight--;
        covet_port_tell(&r->port, slot, x->id, x->unsaid | COVET_W_DONE);
    }
    runner_flush(r);
    Py_DECREF((PyObject *)x);
}

/* Any exception is kept. */
static void call_once(Runner *r, PyObject **callback) {
    PyObject *call = *callback, *type, *value, *trace;
    *callback = NULL;
    if (call == NULL) {
        return;
    }
    PyErr_Fetch(&type, &value, &trace);
    PyObject *result = PyObject_CallObject(call, NULL);
    if (result == NULL) {
        runner_complain(r, call);
    }
    PyErr_Restore(type, value, trace);
    Py_XDECREF(result);
    Py_DECREF(call);
}

void exchange_settle(Exchange *x) {
    Runner *r = x->runner;
    covet_slot *slot = x->live;
    if (!x->concluded || !x->done || x->kept != NULL || x->first_waiting != NULL || slot == NULL) {
        return;
    }
    piece_flush(x);
    PyObject *waiter = x->waiter;
    x->waiter = NULL;
    x->live = NULL; /* first: clearing may run any code */
    Py_CLEAR(x->on_cancel);
    Py_CLEAR(x->state);
    /* The table's reference and the caller's are ours; any other may read on. */
    if (r->attached && Py_REFCNT((PyObject *)x) > 2) {
        exchange_detach(x);
    } else if (x->copy == NULL) {
        x->slot = NULL;
        x->data = NULL;
    }
    if (r->attached && r->live[(uint32_t)x->id] == x) {
        exchange_leave(x, slot);
    }
    call_once(r, &waiter); /* it would wait for ever */
    arrivals_come_soon(&x->arrivals);
}

int exchange_told_to_stop(const Exchange *x) {
    const covet_slot *s = x->slot;
    return s == NULL ||
           (__atomic_load_n(&s->engine_flags, __ATOMIC_SEQ_CST) & (COVET_E_CANCELLED | COVET_E_HALF_CLOSED)) != 0;
}

int exchange_lost(const Exchange *x) {
    const covet_slot *s = x->slot;
    return s == NULL || (__atomic_load_n(&s->engine_flags, __ATOMIC_SEQ_CST) & COVET_E_CANCELLED) != 0;
}

void exchange_news(Exchange *x) {
    if (x->live == NULL) {
        return;
    }
    if (x->kept != NULL && exchange_push_kept(x)) {
        exchange_settle(x);
    }
    if (x->first_waiting != NULL) {
        socket_push_waiting(x);
        exchange_settle(x);
    }
    if (x->live != NULL && exchange_told_to_stop(x)) {
        call_once(x->runner, &x->on_cancel);
    }
    if (x->waiter == NULL && x->arrivals == NULL) {
        x->news = 1;
    }
    call_once(x->runner, &x->waiter);
    arrivals_come(&x->arrivals);
}

static void exchange_dealloc(PyObject *self) {
    Exchange *x = (Exchange *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(x->state);
    Py_CLEAR(x->waiter);
    arrivals_drop(&x->arrivals);
    Py_CLEAR(x->on_cancel);
    exchange_drop_kept(x);
    socket_drop_waiting(x);
    socket_drop_part(x);
    Py_CLEAR(x->runner);
    PyMem_Free(x->copy);
    PyObject_Free(self);
    Py_DECREF(type);
}

int exchange_readable(const Exchange *x) {
    if (x->slot != NULL) {
        return 1;
    }
    PyErr_SetString(PyExc_RuntimeError, "the exchange is over and its request was not kept");
    return 0;
}

static int set_callback(PyObject **place, PyObject *callback) {
    if (callback != Py_None && !PyCallable_Check(callback)) {
        PyErr_SetString(PyExc_TypeError, "the callback must be callable or None");
        return -1;
    }
    PyObject *old = *place;
    *place = callback == Py_None ? NULL : callback;
    Py_XINCREF(*place);
    Py_XDECREF(old);
    return 0;
}

static PyObject *exchange_wait(PyObject *self, PyObject *callback) {
    Exchange *x = (Exchange *)self;
    if (x->live == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the exchange is over: there will be no news of it");
        return NULL;
    }
    if (set_callback(&x->waiter, callback) < 0) {
        return NULL;
    }
    if (x->waiter != NULL && (x->news || exchange_lost(x))) {
        x->news = 0;
        call_once(x->runner, &x->waiter);
    }
    Py_RETURN_NONE;
}

static PyObject *exchange_arrival(PyObject *self, PyObject *unused) {
    Exchange *x = (Exchange *)self;
    (void)unused;
    if (x->live == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the exchange is over: there will be no news of it");
        return NULL;
    }
    int come = x->news || exchange_lost(x);
    x->news = 0;
    return arrival_new(x->runner, &x->arrivals, come);
}

static PyObject *exchange_on_cancel(PyObject *self, PyObject *callback) {
    Exchange *x = (Exchange *)self;
    if (x->live == NULL) {
        Py_RETURN_NONE;
    }
    if (set_callback(&x->on_cancel, callback) < 0) {
        return NULL;
    }
    if (exchange_told_to_stop(x)) {
        call_once(x->runner, &x->on_cancel);
    }
    Py_RETURN_NONE;
}

#define FAST(function) ((PyCFunction)(void (*)(void))function)

static PyMethodDef exchange_methods[] = {
    {"path_str", exchange_path_str, METH_O, NULL},
    {"path_int", exchange_path_int, METH_O, NULL},
    {"path_float", exchange_path_float, METH_O, NULL},
    {"query_str", FAST(exchange_query_str), METH_FASTCALL, NULL},
    {"query_int", FAST(exchange_query_int), METH_FASTCALL, NULL},
    {"query_float", FAST(exchange_query_float), METH_FASTCALL, NULL},
    {"query_bool", FAST(exchange_query_bool), METH_FASTCALL, NULL},
    {"query_items", exchange_query_items, METH_NOARGS, NULL},
    {"header", exchange_header, METH_O, NULL},
    {"headers", exchange_headers, METH_NOARGS, NULL},
    {"scope", exchange_scope, METH_O, NULL},
    {"body_whole", exchange_body_whole, METH_NOARGS, NULL},
    {"read", exchange_read, METH_NOARGS, NULL},
    {"wait", exchange_wait, METH_O, NULL},
    {"news", exchange_arrival, METH_NOARGS, NULL},
    {"on_cancel", exchange_on_cancel, METH_O, NULL},
    {"respond", exchange_respond, METH_VARARGS, NULL},
    {"start", exchange_start, METH_VARARGS, NULL},
    {"send", exchange_send, METH_O, NULL},
    {"send_file", exchange_send_file, METH_VARARGS, NULL},
    {"finish", exchange_finish, METH_NOARGS, NULL},
    {"abort", exchange_abort, METH_NOARGS, NULL},
    {"leave", exchange_leave_early, METH_NOARGS, NULL},
    {"accept", exchange_accept, METH_O, NULL},
    {"message", exchange_message, METH_NOARGS, NULL},
    {"push", FAST(exchange_push), METH_FASTCALL, NULL},
    {"subscribe", exchange_subscribe, METH_O, NULL},
    {"unsubscribe", exchange_unsubscribe, METH_O, NULL},
    {"close", FAST(exchange_close), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot exchange_slots[] = {
    {Py_tp_dealloc, exchange_dealloc},
    {Py_tp_methods, exchange_methods},
    {Py_tp_getset, exchange_getset},
    {0, NULL},
};

PyType_Spec exchange_spec = {
    .name = "covet.core.Exchange",
    .basicsize = sizeof(Exchange),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = exchange_slots,
};
