/* What a task waits for until there is news of an exchange: enough of a future for asyncio. The task goes on within the
 * drain that takes the notice, not at the event loop's next turn. */
#include "worker.h"

struct Arrival {
    PyObject_HEAD
    Runner *runner;
    Arrival *next;       /* on the exchange's list, which owns it */
    PyObject *wake;      /* the task's wake-up callback, once it waits */
    PyObject *context;   /* to call it in */
    PyObject *cancelled; /* the exception that ends the waiting */
    char done;
    char blocking; /* _asyncio_future_blocking */
    char yielded;
};

/* ---- on an exchange's list -------------------------------------------------------- */

static void prune(Arrival **list) {
    while (*list != NULL) {
        Arrival *a = *list;
        if (!a->done) {
            list = &a->next;
            continue;
        }
        *list = a->next;
        Py_DECREF((PyObject *)a);
    }
}

PyObject *arrival_new(Runner *r, Arrival **list, int come) {
    Arrival *a = (Arrival *)PyType_GenericAlloc(r->types->arrival, 0);
    if (a == NULL) {
        return NULL;
    }
    Py_INCREF((PyObject *)r);
    a->runner = r;
    a->done = (char)come;
    if (!come) {
        prune(list);
        Py_INCREF((PyObject *)a);
        a->next = *list;
        *list = a;
    }
    return (PyObject *)a;
}

void arrivals_drop(Arrival **list) {
    while (*list != NULL) {
        Arrival *a = *list;
        *list = a->next;
        Py_DECREF((PyObject *)a);
    }
}

/* The task goes on at once; no task may be current. */
static PyObject *wake_now(Arrival *a) {
    return PyObject_CallMethodObjArgs(a->context, a->runner->types->run_name, a->wake, (PyObject *)a, NULL);
}

/* The task goes on at the event loop's next turn. */
static PyObject *wake_soon(Arrival *a) {
    PyObject *args = Py_BuildValue("(OO)", a->wake, (PyObject *)a);
    PyObject *named = args == NULL ? NULL : Py_BuildValue("{sO}", "context", a->context);
    PyObject *handle = named == NULL ? NULL : PyObject_Call(a->runner->call_soon, args, named);
    Py_XDECREF(named);
    Py_XDECREF(args);
    return handle;
}

/* Any exception is kept. */
static void come(Arrival *a, PyObject *(*wake)(Arrival *)) {
    if (a->done) {
        return;
    }
    a->done = 1;
    if (a->wake == NULL) {
        return; /* it does not wait yet, and will not */
    }
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *result = wake(a);
    if (result == NULL) {
        runner_complain(a->runner, a->wake);
    }
    Py_XDECREF(result);
    PyErr_Restore(type, value, trace);
}

static void all_come(Arrival **list, PyObject *(*wake)(Arrival *)) {
    Arrival *a = *list;
    *list = NULL; /* first: who goes on may wait again */
    while (a != NULL) {
        Arrival *next = a->next;
        a->next = NULL;
        come(a, wake);
        Py_DECREF((PyObject *)a);
        a = next;
    }
}

void arrivals_come(Arrival **list) { all_come(list, wake_now); }

void arrivals_come_soon(Arrival **list) { all_come(list, wake_soon); }

/* ---- the task's side -------------------------------------------------------------- */

static PyObject *arrival_get_loop(PyObject *self, PyObject *unused) {
    PyObject *loop = ((Arrival *)self)->runner->loop;
    (void)unused;
    loop = loop == NULL ? Py_None : loop;
    Py_INCREF(loop);
    return loop;
}

static PyObject *arrival_add_done_callback(PyObject *self, PyObject *args, PyObject *kwargs) {
    Arrival *a = (Arrival *)self;
    static char *names[] = {"fn", "context", NULL};
    PyObject *wake, *context = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O", names, &wake, &context)) {
        return NULL;
    }
    if (a->wake != NULL || context == Py_None) {
        PyErr_SetString(PyExc_RuntimeError, "news of an exchange can be awaited by one task only");
        return NULL;
    }
    Py_INCREF(wake);
    Py_INCREF(context);
    a->wake = wake;
    a->context = context;
    if (!a->done) {
        Py_RETURN_NONE;
    }
    PyObject *handle = wake_soon(a);
    Py_XDECREF(handle);
    return handle == NULL ? NULL : Py_NewRef(Py_None);
}

static PyObject *arrival_cancel(PyObject *self, PyObject *args, PyObject *kwargs) {
    Arrival *a = (Arrival *)self;
    static char *names[] = {"msg", NULL};
    PyObject *message = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &message)) {
        return NULL;
    }
    if (a->done) {
        Py_RETURN_FALSE;
    }
    a->cancelled = PyObject_CallFunctionObjArgs(a->runner->cancelled_error, message == Py_None ? NULL : message, NULL);
    if (a->cancelled == NULL) {
        return NULL;
    }
    come(a, wake_soon);
    Py_RETURN_TRUE;
}

static PyObject *arrival_result(PyObject *self, PyObject *unused) {
    Arrival *a = (Arrival *)self;
    (void)unused;
    if (a->cancelled != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(a->cancelled), a->cancelled);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *get_blocking(PyObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(((Arrival *)self)->blocking);
}

static int set_blocking(PyObject *self, PyObject *value, void *unused) {
    (void)unused;
    int blocking = value == NULL ? 0 : PyObject_IsTrue(value);
    ((Arrival *)self)->blocking = blocking == 1;
    return blocking < 0 ? -1 : 0;
}

static PySendResult arrival_send(PyObject *self, PyObject *arg, PyObject **result) {
    Arrival *a = (Arrival *)self;
    (void)arg;
    if (!a->done && !a->yielded) {
        a->blocking = a->yielded = 1;
        *result = Py_NewRef(self);
        return PYGEN_NEXT;
    }
    if (!a->done) {
        PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
        *result = NULL;
    } else {
        *result = arrival_result(self, NULL);
    }
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

static PyObject *arrival_next(PyObject *self) {
    PyObject *result;
    if (arrival_send(self, Py_None, &result) == PYGEN_RETURN) {
        Py_CLEAR(result); /* NULL without an exception is the end */
    }
    return result;
}

/* ---- the type ---------------------------------------------------------------------- */

static int arrival_traverse(PyObject *self, visitproc visit, void *arg) {
    Arrival *a = (Arrival *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)a->runner);
    Py_VISIT(a->wake);
    Py_VISIT(a->context);
    Py_VISIT(a->cancelled);
    return 0;
}

static int arrival_clear(PyObject *self) {
    Arrival *a = (Arrival *)self;
    Py_CLEAR(a->wake);
    Py_CLEAR(a->context);
    Py_CLEAR(a->cancelled);
    return 0;
}

static void arrival_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    arrival_clear(self);
    Py_CLEAR(((Arrival *)self)->runner);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

#define KEYWORDS(function) ((PyCFunction)(void (*)(void))function)

static PyMethodDef arrival_methods[] = {
    {"get_loop", arrival_get_loop, METH_NOARGS, NULL},
    {"add_done_callback", KEYWORDS(arrival_add_done_callback), METH_VARARGS | METH_KEYWORDS, NULL},
    {"cancel", KEYWORDS(arrival_cancel), METH_VARARGS | METH_KEYWORDS, NULL},
    {"result", arrival_result, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef arrival_getset[] = {
    {"_asyncio_future_blocking", get_blocking, set_blocking, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot arrival_slots[] = {
    {Py_tp_dealloc, arrival_dealloc},
    {Py_tp_traverse, arrival_traverse},
    {Py_tp_clear, arrival_clear},
    {Py_tp_methods, arrival_methods},
    {Py_tp_getset, arrival_getset},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, arrival_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, arrival_send},
    {0, NULL},
};

PyType_Spec arrival_spec = {
    .name = "covet.core.Arrival",
    .basicsize = sizeof(Arrival),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = arrival_slots,
};
