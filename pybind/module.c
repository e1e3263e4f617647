/* Binds the native types into a Python namespace. */
#include "worker.h"

#include <signal.h>
#include <sys/prctl.h>

#include "binding.h"

static const char *const methods[NUM_METHODS] = {"",      "GET",    "HEAD",    "POST",  "PUT",
                                                 "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"};

static void types_free(PyObject *capsule) {
    Types *t = PyCapsule_GetPointer(capsule, "covet.types");
    if (t == NULL) {
        return;
    }
    Py_CLEAR(t->exchange);
    Py_CLEAR(t->driver);
    Py_CLEAR(t->arrival);
    Py_CLEAR(t->run_name);
    Py_CLEAR(t->bad);
    Py_CLEAR(t->broken);
    Py_CLEAR(t->too_large);
    for (int i = 0; i < NUM_METHODS; i++) {
        Py_CLEAR(t->methods[i]);
    }
    scope_fields_clear(t);
    PyMem_Free(t);
}

static int fill_types(Types *t) {
    for (int i = 0; i < NUM_METHODS; i++) {
        t->methods[i] = PyUnicode_InternFromString(methods[i]);
        if (t->methods[i] == NULL) {
            return 0;
        }
    }
    t->exchange = (PyTypeObject *)PyType_FromSpec(&exchange_spec);
    t->driver = (PyTypeObject *)PyType_FromSpec(&driver_spec);
    t->arrival = (PyTypeObject *)PyType_FromSpec(&arrival_spec);
    t->run_name = PyUnicode_InternFromString("run");
    t->bad = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    t->broken = PyErr_NewException("covet.core.BodyBroken", NULL, NULL);
    t->too_large = PyErr_NewException("covet.core.BodyTooLarge", NULL, NULL);
    return t->exchange && t->driver && t->arrival && t->run_name && t->bad && t->broken && t->too_large && scope_fields_init(t);
}

static PyObject *make_types(void) {
    Types *t = PyMem_Calloc(1, sizeof *t);
    PyObject *capsule = t == NULL ? PyErr_NoMemory() : PyCapsule_New(t, "covet.types", types_free);
    if (capsule == NULL) {
        PyMem_Free(t);
        return NULL;
    }
    if (!fill_types(t)) {
        Py_CLEAR(capsule);
    }
    return capsule;
}

static PyObject *die_with_parent(PyObject *self, PyObject *args) {
    (void)self;
    (void)args;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *adopt_orphans(PyObject *self, PyObject *wanted) {
    (void)self;
    int adopt = PyObject_IsTrue(wanted);
    if (adopt < 0) {
        return NULL;
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, (unsigned long)adopt, 0, 0, 0) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"pack_fields", pack_fields, METH_O, NULL},
    {"pack_head", pack_head, METH_O, NULL},
    {"encoder", encoder, METH_O, NULL},
    {"die_with_parent", die_with_parent, METH_NOARGS, NULL},
    {"adopt_orphans", adopt_orphans, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static int bind_functions(PyObject *space) {
    for (PyMethodDef *function = functions; function->ml_name != NULL; function++) {
        PyObject *object = PyCFunction_NewEx(function, NULL, NULL);
        int status = object == NULL ? -1 : PyDict_SetItemString(space, function->ml_name, object);
        Py_XDECREF(object);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

static int bind_names(PyObject *space) {
    PyObject *capsule = make_types();
    PyObject *runner = capsule == NULL ? NULL : PyType_FromSpec(&runner_spec);
    int status = -1;
    /* Runners find the other types through their own. */
    if (runner != NULL && PyObject_SetAttrString(runner, "_types", capsule) == 0) {
        const Types *t = PyCapsule_GetPointer(capsule, "covet.types");
        status = PyDict_SetItemString(space, "Runner", runner) < 0 ||
                         PyDict_SetItemString(space, "Exchange", (PyObject *)t->exchange) < 0 ||
                         PyDict_SetItemString(space, "BAD", t->bad) < 0 ||
                         PyDict_SetItemString(space, "BodyBroken", t->broken) < 0 ||
                         PyDict_SetItemString(space, "BodyTooLarge", t->too_large) < 0
                     ? -1
                     : bind_functions(space);
    }
    Py_XDECREF(runner);
    Py_XDECREF(capsule);
    return status;
}

int covet_bind(uintptr_t dict) {
    /* cffi has released the GIL around this call. */
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *space = (PyObject *)dict;
    int status = -1;
    if (PyDict_Check(space)) {
        status = bind_names(space);
    } else {
        PyErr_SetString(PyExc_TypeError, "covet_bind wants the id of a dict");
    }
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(space);
    }
    PyGILState_Release(gil);
    return status;
}
