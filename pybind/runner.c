/* The runner: its place at the channel, its handlers, its event loop. */
#include "worker.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>
#include <time.h>

#define RETRY_SECONDS 0.005

/* ---- later, on the event loop --------------------------------------------------- */

void runner_tell(Runner *r) {
    if (r->open_list != NULL) {
        pieces_flush(r);
    }
    covet_port_publish(&r->port);
}

static PyObject *do_flush(PyObject *self, PyObject *unused) {
    Runner *r = (Runner *)self;
    (void)unused;
    r->flush_due = 0;
    if (r->attached) {
        runner_tell(r);
    }
    Py_RETURN_NONE;
}

void runner_flush(Runner *r) {
    if (r->draining || r->flush_due || !r->attached) {
        return;
    }
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *handle = r->serving ? PyObject_CallFunctionObjArgs(r->call_soon, r->flush_method, NULL) : NULL;
    if (handle != NULL) {
        r->flush_due = 1;
        Py_DECREF(handle);
    } else { /* the event loop is closed: nobody else will */
        PyErr_Clear();
        runner_tell(r);
    }
    PyErr_Restore(type, value, trace);
}

/* Another task's exception that asyncio lets end the event loop. */
static int is_fatal(void) {
    return PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit);
}

void runner_complain(Runner *r, PyObject *about) {
    if (!is_fatal() || !r->serving || r->fatal != NULL) {
        PyErr_WriteUnraisable(about);
        return;
    }
    r->fatal = caught();
    covet_port_again(&r->port);
}

static PyObject *do_retry(PyObject *self, PyObject *unused) {
    Runner *r = (Runner *)self;
    (void)unused;
    Exchange *x = r->starved;
    r->starved = NULL;
    r->retry_due = 0;
    while (x != NULL) {
        Exchange *next = x->next_starved;
        x->next_starved = NULL;
        x->starved = 0;
        if (r->attached) {
            exchange_news(x);
        }
        Py_DECREF((PyObject *)x);
        x = next;
    }
    Py_RETURN_NONE;
}

void runner_starve(Exchange *x) {
    Runner *r = x->runner;
    if (!x->starved) {
        Py_INCREF((PyObject *)x);
        x->starved = 1;
        x->next_starved = r->starved;
        r->starved = x;
    }
    if (r->retry_due || !r->serving) {
        return;
    }
    PyObject *handle = PyObject_CallMethod(r->loop, "call_later", "dO", RETRY_SECONDS, r->retry_method);
    if (handle == NULL) {
        PyErr_WriteUnraisable(r->loop);
        return;
    }
    r->retry_due = 1;
    Py_DECREF(handle);
}

/* ---- attaching ------------------------------------------------------------------ */

static int read_descriptors(PyObject *bells, int *fds) {
    Py_ssize_t n = PySequence_Size(bells);
    if (n < 1 || n > COVET_MAX_LOOPS) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "loop_doorbells must hold 1 to %d descriptors, not %zd", COVET_MAX_LOOPS, n);
        }
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(bells, i);
        fds[i] = item == NULL ? -1 : (int)PyLong_AsLong(item);
        Py_XDECREF(item);
    }
    return PyErr_Occurred() ? -1 : (int)n;
}

static int find_types(Runner *r) {
    r->capsule = PyObject_GetAttrString((PyObject *)r, "_types");
    r->types = r->capsule == NULL ? NULL : PyCapsule_GetPointer(r->capsule, "covet.types");
    return r->types != NULL;
}

static int runner_init(PyObject *self, PyObject *args, PyObject *kwargs) {
    Runner *r = (Runner *)self;
    static char *names[] = {"memfd", "worker", "doorbell", "loop_doorbells", NULL};
    int memfd, worker, doorbell, fds[COVET_MAX_LOOPS];
    PyObject *bells;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iiiO", names, &memfd, &worker, &doorbell, &bells)) {
        return -1;
    }
    if (r->capsule != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a runner attaches once");
        return -1;
    }
    int n = read_descriptors(bells, fds);
    if (n < 0 || !find_types(r)) {
        return -1;
    }
    int status = covet_port_attach(&r->port, memfd, (uint32_t)worker, doorbell, fds, (uint32_t)n);
    if (status < 0) {
        PyErr_Format(PyExc_OSError, "cannot attach to the engine's channel: %s",
                     status == -EPROTO ? "it has another version or layout" : strerror(-status));
        return -1;
    }
    struct timespec tick;
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    r->tick = (int64_t)tick.tv_sec * 1000000000 + tick.tv_nsec;
    r->attached = 1;
    r->live = PyMem_Calloc(r->port.slots, sizeof *r->live);
    if (r->live == NULL) {
        PyErr_NoMemory();
        return -1; /* dealloc detaches */
    }
    return 0;
}

/* ---- serving -------------------------------------------------------------------- */

static int read_call(PyObject *item, Call *call) {
    PyObject *function;
    if (item == Py_None) {
        return 1;
    }
    if (item == NULL || !PyTuple_Check(item)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "an entry of calls must be None or (call, status, plain)");
        }
        return 0;
    }
    if (!PyArg_ParseTuple(item, "Oip", &function, &call->status, &call->plain)) {
        return 0;
    }
    Py_INCREF(function);
    call->call = function;
    return 1;
}

static int read_calls(Runner *r, PyObject *calls) {
    Py_ssize_t n = PySequence_Size(calls);
    if (n < 0) {
        return 0;
    }
    r->calls = PyMem_Calloc((size_t)n + 1, sizeof *r->calls);
    if (r->calls == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    r->num_calls = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(calls, i);
        int good = read_call(item, &r->calls[i]);
        Py_XDECREF(item);
        if (!good) {
            return 0;
        }
    }
    return 1;
}

static int import(PyObject **to, const char *module, const char *name) {
    PyObject *m = PyImport_ImportModule(module);
    *to = m == NULL ? NULL : PyObject_GetAttrString(m, name);
    Py_XDECREF(m);
    return *to != NULL;
}

static int bind(PyObject **to, PyObject *object, const char *name) {
    *to = PyObject_GetAttrString(object, name);
    return *to != NULL;
}

/* Where a lane's task keeps its weak references, as its type says. */
static int find_weak_offset(Runner *r) {
    PyObject *type, *offset;
    if (!import(&type, "covet.lane", "LaneTask")) {
        return 0;
    }
    offset = PyObject_GetAttrString(type, "__weakrefoffset__");
    r->weak_offset = offset == NULL ? 0 : PyLong_AsSsize_t(offset);
    Py_XDECREF(offset);
    Py_DECREF(type);
    return !PyErr_Occurred();
}

static int find_helpers(Runner *r) {
    PyObject *self = (PyObject *)r, *copy = NULL;
    if (import(&copy, "contextvars", "copy_context")) {
        r->base_context = PyObject_CallObject(copy, NULL);
        Py_DECREF(copy);
    }
    Py_ssize_t variables = r->base_context == NULL ? -1 : PyObject_Size(r->base_context);
    r->base_is_empty = variables == 0;
    return variables >= 0 && find_weak_offset(r) && import(&r->make_lane, "covet.lane", "make_lane") &&
           import(&r->make_gate, "covet.lane", "Gate") && import(&r->enter_task, "asyncio.tasks", "_enter_task") &&
           import(&r->leave_task, "asyncio.tasks", "_leave_task") &&
           import(&r->coroutine_type, "types", "CoroutineType") &&
           import(&r->cancelled_error, "asyncio", "CancelledError") && bind(&r->step_method, self, "_step") &&
           bind(&r->flush_method, self, "_flush") && bind(&r->retry_method, self, "_retry") &&
           bind(&r->drain_method, self, "_drain") && bind(&r->call_soon, r->loop, "call_soon");
}

static void keep(PyObject **to, PyObject *object) {
    Py_INCREF(object);
    *to = object;
}

static PyObject *runner_serve(PyObject *self, PyObject *args, PyObject *kwargs) {
    Runner *r = (Runner *)self;
    static char *names[] = {"calls", "loop", "encode", "render", "fail", NULL};
    PyObject *calls, *loop, *encode, *render, *fail;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O$OOOO", names, &calls, &loop, &encode, &render, &fail)) {
        return NULL;
    }
    if (!r->attached || r->loop != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this runner has served before, or is closed");
        return NULL;
    }
    keep(&r->loop, loop);
    keep(&r->encode, encode);
    keep(&r->render, render);
    keep(&r->fail, fail);
    if (!read_calls(r, calls) || !find_helpers(r)) {
        return NULL;
    }
    PyObject *done = PyObject_CallMethod(loop, "add_reader", "iO", r->port.doorbell, r->drain_method);
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    r->serving = 1;
#ifdef __GLIBC__
    malloc_trim(0); /* importing the application has left holes */
#endif
    covet_port_again(&r->port); /* what came before is looked at in the first turn */
    Py_RETURN_NONE;
}

/* ---- closing -------------------------------------------------------------------- */

static void stop_serving(Runner *r) {
    if (!r->serving) {
        return;
    }
    r->serving = 0;
    PyObject *done = PyObject_CallMethod(r->loop, "remove_reader", "i", r->port.doorbell);
    if (done == NULL) {
        PyErr_Clear(); /* the event loop is closed already */
    }
    Py_XDECREF(done);
}

static void end_exchange(Runner *r, Exchange *x) {
    Py_INCREF((PyObject *)x);
    x->concluded = 1;
    if (x->slot->kind == COVET_KIND_SOCKET) {
        socket_close(x, 1012, "", 0);
        socket_drop_waiting(x); /* nobody will be there to go on */
    }
    exchange_cut(x);
    exchange_settle(x);
    if (r->live[(uint32_t)x->id] == x) { /* it is being settled this very moment */
        exchange_detach(x);
        exchange_leave(x, &r->port.all_slots[(uint32_t)x->id]);
    }
    Py_DECREF((PyObject *)x);
}

static void close_runner(Runner *r) {
    stop_serving(r);
    if (r->attached && r->live != NULL) {
        runner_drop_next(r);
        for (uint32_t i = 0; i < r->port.slots; i++) {
            if (r->live[i] != NULL) {
                end_exchange(r, r->live[i]);
            }
        }
    }
    runner_drop_lane(r);
    if (r->attached) {
        runner_tell(r);
        r->attached = 0;
        covet_port_detach(&r->port);
    }
    PyObject *none = do_retry((PyObject *)r, NULL);
    Py_XDECREF(none);
}

static PyObject *runner_close(PyObject *self, PyObject *unused) {
    (void)unused;
    close_runner((Runner *)self);
    Py_RETURN_NONE;
}

/* ---- the type ------------------------------------------------------------------- */

static PyObject *get_in_flight(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(((Runner *)self)->in_flight + ((Runner *)self)->left);
}

/* Every object that a runner refers to, but for its lane and its calls. */
#define EACH_MEMBER(DO)                                                                                              \
    DO(r->loop);                                                                                                     \
    DO(r->encode);                                                                                                   \
    DO(r->render);                                                                                                   \
    DO(r->fail);                                                                                                     \
    DO(r->make_lane);                                                                                                \
    DO(r->make_gate);                                                                                                \
    DO(r->enter_task);                                                                                               \
    DO(r->leave_task);                                                                                               \
    DO(r->base_context);                                                                                             \
    DO(r->coroutine_type);                                                                                           \
    DO(r->cancelled_error);                                                                                          \
    DO(r->step_method);                                                                                              \
    DO(r->flush_method);                                                                                             \
    DO(r->retry_method);                                                                                             \
    DO(r->drain_method);                                                                                             \
    DO(r->fatal);                                                                                                    \
    DO(r->call_soon)

static int runner_traverse(PyObject *self, visitproc visit, void *arg) {
    Runner *r = (Runner *)self;
    Py_VISIT(Py_TYPE(self));
    for (Py_ssize_t i = 0; i < r->num_calls; i++) {
        Py_VISIT(r->calls[i].call);
    }
    Py_VISIT((PyObject *)r->lane);
    EACH_MEMBER(Py_VISIT);
    return 0;
}

static int runner_clear(PyObject *self) {
    Runner *r = (Runner *)self;
    close_runner(r);
    for (Py_ssize_t i = 0; i < r->num_calls; i++) {
        Py_CLEAR(r->calls[i].call);
    }
    EACH_MEMBER(Py_CLEAR);
    return 0;
}

static void runner_dealloc(PyObject *self) {
    Runner *r = (Runner *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    runner_clear(self);
    PyMem_Free(r->calls);
    PyMem_Free(r->live);
    Py_CLEAR(r->capsule);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef runner_methods[] = {
    {"serve", (PyCFunction)(void (*)(void))runner_serve, METH_VARARGS | METH_KEYWORDS, NULL},
    {"close", runner_close, METH_NOARGS, NULL},
    {"figures", runner_figures, METH_NOARGS, NULL},
    {"workers", runner_workers, METH_NOARGS, NULL},
    {"publish", (PyCFunction)(void (*)(void))runner_publish_message, METH_FASTCALL, NULL},
    {"_drain", runner_drain, METH_NOARGS, NULL},
    {"_step", runner_step, METH_NOARGS, NULL},
    {"_flush", do_flush, METH_NOARGS, NULL},
    {"_retry", do_retry, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef runner_getset[] = {{"in_flight", get_in_flight, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot runner_slots[] = {
    {Py_tp_init, runner_init},   {Py_tp_dealloc, runner_dealloc}, {Py_tp_traverse, runner_traverse},
    {Py_tp_clear, runner_clear}, {Py_tp_methods, runner_methods}, {Py_tp_getset, runner_getset},
    {0, NULL},
};

PyType_Spec runner_spec = {
    .name = "covet.core.Runner",
    .basicsize = sizeof(Runner),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = runner_slots,
};
