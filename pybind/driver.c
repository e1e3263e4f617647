/* The coroutine-like object that an asyncio.Task is made around before there
 * is a coroutine for it: docs/decisions/0002-lanes.md. */
#include "worker.h"

/* ---- the coroutine's side ------------------------------------------------------ */

/* The first step of a task that has no coroutine yet: it parks. */
static PySendResult park(Driver *d, PyObject **result) {
    d->parked = 1;
    d->gate = PyObject_CallFunctionObjArgs(d->runner->make_gate, d->runner->loop, NULL);
    Py_XINCREF(d->gate);
    *result = d->gate;
    return d->gate == NULL ? PYGEN_ERROR : PYGEN_NEXT;
}

/* Ends the task; an exception that is set goes on to the event loop. */
static PySendResult end(Driver *d, PyObject **result) {
    Exchange *x = d->exchange;
    d->exchange = NULL;
    if (x != NULL) {
        conclude(x);
        Py_DECREF((PyObject *)x);
    }
    *result = NULL;
    if (PyErr_Occurred()) {
        return PYGEN_ERROR;
    }
    Py_INCREF(Py_None);
    *result = Py_None;
    return PYGEN_RETURN;
}

/* Goes on after `sent`, the outcome of a step of d->coro, until something is
 * yielded or the chain of coroutines has ended. */
static PySendResult go_on(Driver *d, PySendResult sent, PyObject *out, PyObject **result) {
    while (sent != PYGEN_NEXT) {
        Py_CLEAR(d->coro);
        PyObject *next = NULL;
        if (d->exchange != NULL) {
            next = outcome(d->runner, d->exchange, out, &d->stage);
        }
        Py_XDECREF(out);
        if (next == NULL) {
            return end(d, result);
        }
        d->coro = next;
        sent = PyIter_Send(next, Py_None, &out);
    }
    *result = out;
    return PYGEN_NEXT;
}

/* The value of the StopIteration that is set; NULL if it is another exception. */
static PyObject *returned(void) {
    PyObject *type, *value, *trace, *out;
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return NULL;
    }
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    out = PyObject_GetAttrString(value, "value");
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return out;
}

static PySendResult throw_into(Driver *d, PyObject *error, PyObject **result) {
    PyObject *out = PyObject_CallMethod(d->coro, "throw", "O", error);
    if (out != NULL) {
        *result = out;
        return PYGEN_NEXT;
    }
    out = returned();
    return go_on(d, out == NULL ? PYGEN_ERROR : PYGEN_RETURN, out, result);
}

/* Nobody else may step a coroutine that runs. */
static int is_running(const Driver *d) {
    int running = d->stepping || d->running;
    if (running) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    }
    return running;
}

static PySendResult step(Driver *d, PyObject *arg, PyObject **result) {
    PyObject *out = NULL;
    if (d->pending != NULL) {
        *result = d->pending;
        d->pending = NULL;
        return PYGEN_NEXT;
    }
    if (d->coro == NULL) {
        return d->parked || d->closing ? end(d, result) : park(d, result);
    }
    if (d->error != NULL) {
        PyObject *error = d->error;
        d->error = NULL;
        PySendResult sent = throw_into(d, error, result);
        Py_DECREF(error);
        return sent;
    }
    PySendResult sent = PyIter_Send(d->coro, arg, &out);
    return go_on(d, sent, out, result);
}

static PySendResult driver_am_send(PyObject *self, PyObject *arg, PyObject **result) {
    Driver *d = (Driver *)self;
    *result = NULL;
    if (is_running(d)) {
        return PYGEN_ERROR;
    }
    d->running = 1;
    PySendResult sent = step(d, arg, result);
    d->running = 0;
    return sent;
}

static PyObject *as_method(PySendResult sent, PyObject *result) {
    if (sent == PYGEN_RETURN) {
        PyErr_SetObject(PyExc_StopIteration, result);
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *driver_send(PyObject *self, PyObject *arg) {
    PyObject *result = NULL;
    PySendResult sent = driver_am_send(self, arg, &result);
    return as_method(sent, result);
}

static PyObject *driver_next(PyObject *self) { return driver_send(self, Py_None); }

/* ---- cancellation --------------------------------------------------------------- */

/* throw(value) or throw(type, value, traceback) as one exception object. */
static PyObject *thrown(PyObject *args) {
    PyObject *type = NULL, *value = NULL, *trace = NULL;
    if (!PyArg_ParseTuple(args, "O|OO", &type, &value, &trace)) {
        return NULL;
    }
    if (PyExceptionInstance_Check(type)) {
        Py_INCREF(type);
        return type;
    }
    if (value != NULL && PyExceptionInstance_Check(value)) {
        Py_INCREF(value);
        return value;
    }
    if (!PyExceptionClass_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "exceptions must be classes or instances deriving from BaseException");
        return NULL;
    }
    return PyObject_CallFunctionObjArgs(type, value == Py_None ? NULL : value, NULL);
}

/* future.cancel(msg=...) with the message of a CancelledError. */
static int cancel_future(PyObject *future, PyObject *error) {
    PyObject *args = PyObject_GetAttrString(error, "args");
    PyObject *message = args != NULL && PyTuple_Check(args) && PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : Py_None;
    PyObject *method = PyObject_GetAttrString(future, "cancel");
    PyObject *none = PyTuple_New(0), *named = Py_BuildValue("{sO}", "msg", message);
    PyObject *cancelled = method && none && named ? PyObject_Call(method, none, named) : NULL;
    int is = cancelled == NULL ? 0 : PyObject_IsTrue(cancelled) == 1;
    PyErr_Clear(); /* no future: the task will say so */
    Py_XDECREF(cancelled);
    Py_XDECREF(named);
    Py_XDECREF(none);
    Py_XDECREF(method);
    Py_XDECREF(args);
    return is;
}

/* A cancellation that comes before the task waits for what the first step
 * yielded does as Task does then: it cancels that future; if it cannot, the
 * exception comes when the future is done. */
static PyObject *cancel_pending(Driver *d, PyObject *error) {
    PyObject *pending = d->pending;
    d->pending = NULL;
    if (pending == Py_None || !cancel_future(pending, error)) {
        Py_INCREF(error);
        Py_XDECREF(d->error);
        d->error = error;
    }
    return pending;
}

static PyObject *throw_one(Driver *d, PyObject *error) {
    PyObject *result = NULL;
    int cancels = PyObject_IsInstance(error, d->runner->cancelled_error) == 1;
    if (d->pending != NULL && cancels) {
        return cancel_pending(d, error);
    }
    Py_CLEAR(d->pending);
    if (d->coro == NULL) {
        d->closing = d->touched = 1;
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        return NULL;
    }
    PyObject *kept = d->error;
    d->error = NULL;
    PySendResult sent = throw_into(d, kept != NULL && !cancels ? kept : error, &result);
    Py_XDECREF(kept);
    return as_method(sent, result);
}

static PyObject *driver_throw(PyObject *self, PyObject *args) {
    Driver *d = (Driver *)self;
    PyObject *error = is_running(d) ? NULL : thrown(args);
    if (error == NULL) {
        return NULL;
    }
    d->running = 1;
    PyObject *result = throw_one(d, error);
    d->running = 0;
    Py_DECREF(error);
    return result;
}

static PyObject *driver_close(PyObject *self, PyObject *unused) {
    Driver *d = (Driver *)self;
    (void)unused;
    if (is_running(d)) {
        return NULL;
    }
    PyObject *coro = d->coro, *result = NULL;
    d->running = 1;
    d->coro = NULL;
    Py_CLEAR(d->pending);
    if (coro != NULL) {
        PyObject *closed = PyObject_CallMethod(coro, "close", NULL);
        Py_XDECREF(closed);
        Py_DECREF(coro);
    }
    end(d, &result);
    d->running = 0;
    return result;
}

/* Called by the task when something is done to it that a new one has not. */
static PyObject *driver_touch(PyObject *self, PyObject *unused) {
    Driver *d = (Driver *)self;
    (void)unused;
    if (d->task != NULL) {
        d->touched = 1;
        if (!d->stepping) {
            driver_discard(d);
        }
    }
    Py_RETURN_NONE;
}

/* ---- the type ------------------------------------------------------------------- */

static PyObject *driver_await(PyObject *self) {
    Py_INCREF(self);
    return self;
}

/* cr_frame, __name__ and the like are those of the coroutine that is driven. */
static PyObject *driver_getattr(PyObject *self, PyObject *name) {
    static const char *const none[] = {"cr_await", "cr_code", "cr_frame", "cr_origin"};
    static const char *const no[] = {"cr_running", "cr_suspended"};
    PyObject *found = PyObject_GenericGetAttr(self, name);
    Driver *d = (Driver *)self;
    if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return found;
    }
    if (d->coro != NULL) {
        PyErr_Clear();
        return PyObject_GetAttr(d->coro, name);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (PyUnicode_CompareWithASCIIString(name, none[i]) == 0) {
            PyErr_Clear();
            Py_RETURN_NONE;
        }
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        if (PyUnicode_CompareWithASCIIString(name, no[i]) == 0) {
            PyErr_Clear();
            Py_RETURN_FALSE;
        }
    }
    return NULL;
}

static int driver_traverse(PyObject *self, visitproc visit, void *arg) {
    Driver *d = (Driver *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)d->runner);
    Py_VISIT(d->task);
    Py_VISIT(d->run);
    Py_VISIT(d->context);
    Py_VISIT(d->gate);
    Py_VISIT(d->coro);
    Py_VISIT(d->pending);
    Py_VISIT(d->error);
    return 0;
}

static int driver_clear(PyObject *self) {
    Driver *d = (Driver *)self;
    driver_forget_lane(d);
    Py_CLEAR(d->gate);
    Py_CLEAR(d->coro);
    Py_CLEAR(d->pending);
    Py_CLEAR(d->error);
    return 0;
}

static void driver_dealloc(PyObject *self) {
    Driver *d = (Driver *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    driver_clear(self);
    if (d->exchange != NULL) { /* its task was never finished */
        conclude(d->exchange);
        Py_CLEAR(d->exchange);
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
    .name = "covet.core.Driver",
    .basicsize = sizeof(Driver),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = driver_slots,
};
