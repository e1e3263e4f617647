/* Lanes: a task made in advance, its driver and its context. When a request
 * may use one again is here; docs/decisions/0002-lanes.md says why. */
#include "worker.h"

static int fill_lane(Driver *d) {
    Runner *r = d->runner;
    PyObject *pair = PyObject_CallFunctionObjArgs(r->make_lane, (PyObject *)d, r->loop, r->base_context, NULL);
    int good = pair != NULL && PyArg_ParseTuple(pair, "OO", &d->task, &d->context);
    if (good) {
        Py_INCREF(d->task);
        Py_INCREF(d->context);
        d->run = PyObject_GetAttrString(d->context, "run");
    } else {
        d->task = d->context = NULL;
    }
    Py_XDECREF(pair);
    return good && d->run != NULL;
}

Driver *driver_new(Runner *r) {
    Driver *d = (Driver *)PyType_GenericAlloc(r->types->driver, 0);
    if (d == NULL) {
        return NULL;
    }
    Py_INCREF((PyObject *)r);
    d->runner = r;
    if (!fill_lane(d)) {
        Py_DECREF((PyObject *)d);
        return NULL;
    }
    if (r->weak_offset != 0) {
        d->weak_list = (void **)((char *)d->task + r->weak_offset);
    }
    return d;
}

void driver_note(Driver *d) {
    d->task_refs = Py_REFCNT(d->task);
    d->context_refs = Py_REFCNT(d->context);
    d->weak_refs = d->weak_list == NULL ? NULL : *d->weak_list;
}

/* Whether each variable of `base` has the very object in `context` that it has there. -1: an exception is set. */
static int same_objects(PyObject *context, PyObject *base) {
    PyObject *variables = PyObject_GetIter(base), *variable;
    int same = variables != NULL;
    while (same && (variable = PyIter_Next(variables)) != NULL) {
        PyObject *is = PyObject_GetItem(context, variable), *was = PyObject_GetItem(base, variable);
        same = is == was;
        Py_XDECREF(is);
        Py_XDECREF(was);
        Py_DECREF(variable);
    }
    Py_XDECREF(variables);
    return PyErr_Occurred() ? -1 : same;
}

/* Whether nothing tells the lane from a fresh one: nobody kept its task or
 * context, not even weakly, changed the task or set a context variable. */
int driver_is_new(Driver *d) {
    if (d->touched || Py_REFCNT(d->task) != d->task_refs || Py_REFCNT(d->context) != d->context_refs ||
        (d->weak_list != NULL && *d->weak_list != d->weak_refs)) {
        return 0;
    }
    int same = PyObject_RichCompareBool(d->context, d->runner->base_context, Py_EQ);
    if (same == 1 && !d->runner->base_is_empty) {
        same = same_objects(d->context, d->runner->base_context); /* equal ones may be a handler's own */
    }
    if (same < 0) {
        PyErr_Clear();
    }
    return same == 1;
}

/* The gate's wake-up callback; the gate is opened. NULL if the task is not parked. */
static PyObject *open_gate(Driver *d, PyObject **gate) {
    *gate = d->gate;
    d->gate = NULL;
    return *gate == NULL ? NULL : PyObject_GetAttrString(*gate, "wake");
}

/* The task goes on at once; no task may be current. */
static void wake(Driver *d) {
    PyObject *gate, *callback = open_gate(d, &gate);
    PyObject *none = callback == NULL ? NULL : PyObject_CallFunctionObjArgs(callback, gate, NULL);
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable((PyObject *)d);
    }
    Py_XDECREF(none);
    Py_XDECREF(callback);
    Py_XDECREF(gate);
}

/* The task goes on at the event loop's next turn. */
static void wake_soon(Driver *d) {
    PyObject *gate, *callback = open_gate(d, &gate);
    PyObject *handle =
        callback == NULL ? NULL : PyObject_CallFunctionObjArgs(d->runner->call_soon, callback, gate, NULL);
    PyErr_Clear(); /* the event loop is closed: the task ends with it */
    Py_XDECREF(handle);
    Py_XDECREF(callback);
    Py_XDECREF(gate);
}

void driver_forget_lane(Driver *d) {
    Py_CLEAR(d->task);
    Py_CLEAR(d->run);
    Py_CLEAR(d->context);
}

void driver_adopt(Driver *d, Exchange *x, PyObject *yielded, char stage) {
    Py_INCREF((PyObject *)x);
    d->exchange = x;
    d->pending = yielded; /* taken over */
    d->stage = stage;
    wake(d);
    driver_forget_lane(d);
}

void driver_discard(Driver *d) {
    if (d->closing) {
        return;
    }
    d->closing = 1;
    /* Its end is a formality, which a closed event loop may leave out. */
    if (d->task != NULL && PyObject_SetAttrString(d->task, "_log_destroy_pending", Py_False) < 0) {
        PyErr_Clear();
    }
    wake_soon(d);
    if (!d->stepping) {
        driver_forget_lane(d);
    }
}
