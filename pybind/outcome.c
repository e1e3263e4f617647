/* From what a handler returned or raised to the end of its exchange. */
#include "worker.h"

int is_coroutine(const Runner *r, PyObject *object) { return (PyObject *)Py_TYPE(object) == r->coroutine_type; }

PyObject *caught(void) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL && value != NULL) {
        PyException_SetTraceback(value, trace);
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
}

/* The answer when nothing else can be said; with it, any exception is kept. */
static void plain_failure(Exchange *x) {
    static const char text[] = "Internal Server Error";
    if (x->started || x->done || x->live == NULL) {
        return; /* conclude cuts it short */
    }
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *body = PyBytes_FromStringAndSize(text, sizeof text - 1);
    if (body == NULL || exchange_write(x, 500, MEDIA_TEXT, (const uint8_t *)"", 0, body) < 0) {
        PyErr_WriteUnraisable(x->runner->fail);
    }
    Py_XDECREF(body);
    PyErr_Restore(type, value, trace);
}

/* The coroutine that render or fail returned, if it is one. */
static PyObject *to_be_driven(const Runner *r, PyObject *next) {
    if (is_coroutine(r, next)) {
        return next;
    }
    Py_DECREF(next);
    return NULL;
}

/* Passes the exception that is set on to `fail`, whatever it is: a handler's
 * sys.exit() must not take the others' requests with it, and signals are not
 * told by exceptions. Reports it if `fail` has failed. */
static PyObject *failed(Runner *r, Exchange *x, char *stage) {
    if (*stage != STAGE_FAIL) {
        PyObject *error = caught();
        *stage = STAGE_FAIL;
        PyObject *next = PyObject_CallFunctionObjArgs(r->fail, (PyObject *)x, error, NULL);
        Py_DECREF(error);
        if (next != NULL) {
            return to_be_driven(r, next);
        }
    }
    if (exchange_lost(x)) {
        PyErr_Clear();
    } else {
        PyErr_WriteUnraisable(r->fail);
    }
    plain_failure(x);
    return NULL;
}

/* Answers with a handler's result. */
static PyObject *answer(Runner *r, Exchange *x, PyObject *result, char *stage) {
    if (x->plain && !x->started && (PyDict_CheckExact(result) || PyList_CheckExact(result))) {
        PyObject *body = PyObject_CallFunctionObjArgs(r->encode, result, NULL);
        int written = body == NULL ? -1 : exchange_write(x, x->status, MEDIA_JSON, (const uint8_t *)"", 0, body);
        Py_XDECREF(body);
        return written < 0 ? failed(r, x, stage) : NULL;
    }
    *stage = STAGE_RENDER;
    PyObject *next = PyObject_CallFunctionObjArgs(r->render, (PyObject *)x, result, NULL);
    return next == NULL ? failed(r, x, stage) : to_be_driven(r, next);
}

/* What follows when the coroutine of a stage has ended, with `result` or an
 * exception: another coroutine to be driven, or NULL when that was all. No
 * exception is set afterwards: asyncio's Task would let some of them end the event loop. */
PyObject *outcome(Runner *r, Exchange *x, PyObject *result, char *stage) {
    if (x->live == NULL) {
        PyErr_Clear();
        return NULL; /* the runner was closed meanwhile: there is nobody to answer */
    }
    if (result == NULL) {
        return failed(r, x, stage);
    }
    return *stage != STAGE_HANDLER || x->done || x->accepted ? NULL : answer(r, x, result, stage);
}

/* Ends an exchange after its chain of coroutines; any exception is kept. */
void conclude(Exchange *x) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    x->concluded = 1;
    if (x->left) {
        x->left = 0;
        x->runner->left--;
    }
    if (!x->done && x->live != NULL && !x->started && !exchange_lost(x)) {
        plain_failure(x);
    }
    if (!x->done && x->accepted) {
        socket_close(x, 1000, "", 0);
    } else if (!x->done) {
        exchange_cut(x);
    }
    exchange_settle(x);
    PyErr_Restore(type, value, trace);
}
