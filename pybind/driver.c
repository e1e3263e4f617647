/* The coroutine-like object that an asyncio.Task is made around before there
 * is a coroutine for it: docs/decisions/0002-lanes.md. */
#include "worker.h"

Driver *driver_new(Runner *runner) {
    PyTypeObject *type = runner->types->driver;
    Driver *d = (Driver *)PyType_GenericAlloc(type, 0);
    if (d == NULL) {
        return NULL;
    }
    Py_INCREF((PyObject *)runner);
    d->runner = runner;
    PyObject *pair = PyObject_CallFunctionObjArgs(runner->make_lane, (PyObject *)d, runner->loop, runner->base_context, NULL);
    if (pair == NULL || !PyArg_ParseTuple(pair, "OO", &d->task, &d->context)) {
        d->task = d->context = NULL;
        Py_XDECREF(pair);
        Py_DECREF((PyObject *)d);
        return NULL;
    }
    Py_INCREF(d->task);
    Py_INCREF(d->context);
    Py_DECREF(pair);
    return d;
}

/* Lets the task go on at the event loop's next turn. */
static void open_gate(Driver *d) {
    PyObject *gate = d->gate;
    if (gate == NULL) {
        return; /* the first step of the task is still to come */
    }
    d->gate = NULL;
    PyObject *done = PyObject_CallMethod(gate, "done", NULL);
    if (done != NULL && PyObject_IsTrue(done) == 0) {
        Py_DECREF(done);
        done = PyObject_CallMethod(gate, "set_result", "O", Py_None);
    }
    if (done == NULL) {
        PyErr_WriteUnraisable(gate);
    }
    Py_XDECREF(done);
    Py_DECREF(gate);
}

void driver_adopt(Driver *d, Exchange *x, PyObject *coro, PyObject *yielded, int answering) {
    Py_INCREF((PyObject *)x);
    d->exchange = x;
    d->coro = coro;       /* taken over */
    d->pending = yielded; /* taken over */
    d->answering = (char)answering;
    open_gate(d);
    Py_CLEAR(d->task);
    Py_CLEAR(d->context);
}

void driver_discard(Driver *d) {
    d->closing = 1;
    open_gate(d);
    Py_CLEAR(d->task);
    Py_CLEAR(d->context);
}

/* The first step of a task that has no coroutine yet: it parks. */
static PySendResult park(Driver *d, PyObject **result) {
    d->gate = PyObject_CallMethod(d->runner->loop, "create_future", NULL);
    if (d->gate == NULL || PyObject_SetAttrString(d->gate, "_asyncio_future_blocking", Py_True) < 0) {
        *result = NULL;
        return PYGEN_ERROR;
    }
    Py_INCREF(d->gate);
    *result = d->gate;
    return PYGEN_NEXT;
}

static PySendResult finished(Driver *d, PyObject **result) {
    Exchange *x = d->exchange;
    d->exchange = NULL;
    if (x != NULL) {
        runner_conclude(d->runner, x);
        Py_DECREF((PyObject *)x);
        runner_flush(d->runner);
    }
    Py_INCREF(Py_None);
    *result = Py_None;
    return PYGEN_RETURN;
}

/* A BaseException that is not for us ends the exchange and goes on its way. */
static PySendResult fatal(Driver *d, PyObject **result) {
    PyObject *type, *value, *trace, *ignored;
    PyErr_Fetch(&type, &value, &trace);
    finished(d, &ignored);
    Py_DECREF(ignored);
    PyErr_Restore(type, value, trace);
    *result = NULL;
    return PYGEN_ERROR;
}

/* Goes on after `sent`, the outcome of a step of d->coro, until something is
 * yielded or the chain of coroutines has ended. */
static PySendResult go_on(Driver *d, PySendResult sent, PyObject *out, PyObject **result) {
    for (;;) {
        if (sent == PYGEN_NEXT) {
            *result = out;
            return PYGEN_NEXT;
        }
        Py_CLEAR(d->coro);
        if (sent == PYGEN_ERROR && runner_fatal()) {
            return fatal(d, result);
        }
        PyObject *next = runner_next(d->runner, d->exchange, out, d->answering);
        Py_XDECREF(out);
        if (next == NULL) {
            if (PyErr_Occurred()) {
                return fatal(d, result);
            }
            return finished(d, result);
        }
        d->coro = next;
        d->answering = 1;
        sent = PyIter_Send(d->coro, Py_None, &out);
    }
}

static PySendResult driver_am_send(PyObject *self, PyObject *arg, PyObject **result) {
    Driver *d = (Driver *)self;
    if (d->pending != NULL) {
        *result = d->pending;
        d->pending = NULL;
        return PYGEN_NEXT;
    }
    if (d->coro == NULL) {
        if (d->closing || d->gate != NULL || d->task == NULL) {
            return finished(d, result);
        }
        return park(d, result);
    }
    PyObject *out = NULL;
    PySendResult sent = PyIter_Send(d->coro, arg, &out);
    return go_on(d, sent, out, result);
}

static PyObject *as_method(PySendResult sent, PyObject *result) {
    if (sent == PYGEN_NEXT) {
        return result;
    }
    if (sent == PYGEN_RETURN) {
        PyErr_SetObject(PyExc_StopIteration, result);
        Py_DECREF(result);
    }
    return NULL;
}

static PyObject *driver_send(PyObject *self, PyObject *arg) {
    PyObject *result = NULL;
    PySendResult sent = driver_am_send(self, arg, &result);
    return as_method(sent, result);
}

/* A cancellation that comes before the first yielded future was waited for
 * cancels that future, as Task.cancel would have. */
static int cancel_pending(Driver *d) {
    PyObject *cancelled = PyObject_CallMethod(d->pending, "cancel", NULL);
    if (cancelled == NULL) {
        PyErr_Clear();
        return 0;
    }
    int is = PyObject_IsTrue(cancelled);
    Py_DECREF(cancelled);
    return is == 1;
}

static PyObject *driver_throw(PyObject *self, PyObject *args) {
    Driver *d = (Driver *)self;
    if (d->pending != NULL) {
        PyObject *pending = d->pending;
        if (pending != Py_None && cancel_pending(d)) {
            d->pending = NULL;
            return pending;
        }
        Py_CLEAR(d->pending);
        if (pending != Py_None) { /* nobody waits for it now */
            PyErr_Clear();
        }
    }
    PyObject *result = NULL, *out = NULL;
    if (d->coro == NULL) {
        d->closing = 1;
        d->touched = 1;
        PyObject *type = NULL, *value = NULL, *trace = NULL;
        if (PyArg_ParseTuple(args, "O|OO", &type, &value, &trace)) {
            if (PyExceptionInstance_Check(type)) {
                value = type;
                type = (PyObject *)Py_TYPE(value);
            }
            PyErr_SetObject(type, value);
        }
        return NULL;
    }
    PyObject *method = PyObject_GetAttrString(d->coro, "throw");
    if (method == NULL) {
        return NULL;
    }
    out = PyObject_Call(method, args, NULL);
    Py_DECREF(method);
    PySendResult sent = PYGEN_NEXT;
    if (out == NULL) {
        sent = PYGEN_ERROR;
        if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
            PyObject *type, *value, *trace;
            PyErr_Fetch(&type, &value, &trace);
            PyErr_NormalizeException(&type, &value, &trace);
            out = PyObject_GetAttrString(value, "value");
            Py_XDECREF(type);
            Py_XDECREF(value);
            Py_XDECREF(trace);
            sent = PYGEN_RETURN;
        }
    }
    sent = go_on(d, sent, out, &result);
    return as_method(sent, result);
}

static PyObject *driver_close(PyObject *self, PyObject *unused) {
    Driver *d = (Driver *)self;
    (void)unused;
    PyObject *coro = d->coro, *result = NULL;
    d->coro = NULL;
    Py_CLEAR(d->pending);
    if (coro != NULL) {
        result = PyObject_CallMethod(coro, "close", NULL);
        Py_DECREF(coro);
        if (result == NULL) {
            return NULL;
        }
        Py_DECREF(result);
    }
    finished(d, &result);
    return result;
}

static PyObject *driver_await(PyObject *self) {
    Py_INCREF(self);
    return self;
}

static PyObject *driver_next(PyObject *self) { return driver_send(self, Py_None); }

static PyObject *driver_touch(PyObject *self, PyObject *unused) {
    (void)unused;
    ((Driver *)self)->touched = 1;
    Py_RETURN_NONE;
}

/* cr_frame, cr_running and the like are those of the handler's coroutine. */
static PyObject *driver_getattr(PyObject *self, PyObject *name) {
    PyObject *found = PyObject_GenericGetAttr(self, name);
    Driver *d = (Driver *)self;
    if (found == NULL && d->coro != NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return PyObject_GetAttr(d->coro, name);
    }
    return found;
}

static int driver_traverse(PyObject *self, visitproc visit, void *arg) {
    Driver *d = (Driver *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(d->task);
    Py_VISIT(d->context);
    Py_VISIT(d->gate);
    Py_VISIT(d->coro);
    Py_VISIT(d->pending);
    return 0;
}

static int driver_clear(PyObject *self) {
    Driver *d = (Driver *)self;
    Py_CLEAR(d->task);
    Py_CLEAR(d->context);
    Py_CLEAR(d->gate);
    Py_CLEAR(d->coro);
    Py_CLEAR(d->pending);
    return 0;
}

static void driver_dealloc(PyObject *self) {
    Driver *d = (Driver *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    driver_clear(self);
    if (d->exchange != NULL) {
        runner_conclude(d->runner, d->exchange);
        Py_CLEAR(d->exchange);
        runner_flush(d->runner);
    }
    Py_CLEAR(d->runner);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef driver_methods[] = {
    {"send", driver_send, METH_O, NULL},
    {"throw", driver_throw, METH_VARARGS, NULL},
    {"close", driver_close, METH_NOARGS, NULL},
    {"touch", driver_touch, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot driver_slots[] = {
    {Py_tp_dealloc, driver_dealloc},
    {Py_tp_traverse, driver_traverse},
    {Py_tp_clear, driver_clear},
    {Py_tp_getattro, driver_getattr},
    {Py_tp_methods, driver_methods},
    {Py_tp_iter, driver_await},
    {Py_tp_iternext, driver_next},
    {Py_am_await, driver_await},
    {Py_am_send, driver_am_send},
    {0, NULL},
};

PyType_Spec driver_spec = {
    .name = "covet._worker.Driver",
    .basicsize = sizeof(Driver),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = driver_slots,
};
