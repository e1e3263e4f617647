/* Binds the native types into a Python namespace. */
#include "worker.h"

#include "binding.h"

static void types_free(PyObject *capsule) {
    Types *t = PyCapsule_GetPointer(capsule, "covet.types");
    if (t != NULL) {
        Py_CLEAR(t->exchange);
        Py_CLEAR(t->driver);
        Py_CLEAR(t->runner);
        Py_CLEAR(t->bad);
        Py_CLEAR(t->broken);
        Py_CLEAR(t->too_large);
        PyMem_Free(t);
    }
}

static PyMethodDef pack_method = {"pack_fields", pack_fields, METH_O, NULL};

/* Runner objects find the types through the capsule that their maker keeps. */
static PyObject *make_runner(PyObject *capsule, PyObject *args, PyObject *kwargs) {
    Types *t = PyCapsule_GetPointer(capsule, "covet.types");
    if (t == NULL) {
        return NULL;
    }
    Runner *r = (Runner *)PyObject_Call((PyObject *)t->runner, args, kwargs);
    if (r != NULL) {
        r->types = t;
    }
    return (PyObject *)r;
}

static PyMethodDef runner_method = {"Runner", (PyCFunction)(void (*)(void))make_runner, METH_VARARGS | METH_KEYWORDS,
                                    NULL};

static int put(PyObject *space, const char *name, PyObject *value) {
    return value == NULL ? -1 : PyDict_SetItemString(space, name, value);
}

static PyObject *make_types(PyObject *space) {
    Types *t = PyMem_Calloc(1, sizeof *t);
    PyObject *capsule = t == NULL ? PyErr_NoMemory() : PyCapsule_New(t, "covet.types", types_free);
    if (capsule == NULL) {
        PyMem_Free(t);
        return NULL;
    }
    t->exchange = (PyTypeObject *)PyType_FromSpec(&exchange_spec);
    t->driver = (PyTypeObject *)PyType_FromSpec(&driver_spec);
    t->runner = (PyTypeObject *)PyType_FromSpec(&runner_spec);
    t->bad = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    t->broken = PyErr_NewException("covet.core.BodyBroken", NULL, NULL);
    t->too_large = PyErr_NewException("covet.core.BodyTooLarge", NULL, NULL);
    if (put(space, "Exchange", (PyObject *)t->exchange) < 0 || put(space, "BAD", t->bad) < 0 ||
        put(space, "BodyBroken", t->broken) < 0 || put(space, "BodyTooLarge", t->too_large) < 0 || t->driver == NULL ||
        t->runner == NULL) {
        Py_DECREF(capsule);
        return NULL;
    }
    return capsule;
}

int covet_bind(uintptr_t dict) {
    /* cffi has released the GIL around this call. */
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *space = (PyObject *)dict, *capsule = NULL, *runner = NULL, *pack = NULL;
    int status = -1;
    if (PyDict_Check(space) && (capsule = make_types(space)) != NULL) {
        runner = PyCFunction_NewEx(&runner_method, capsule, NULL);
        pack = PyCFunction_NewEx(&pack_method, NULL, NULL);
        status = put(space, "Runner", runner) < 0 || put(space, "pack_fields", pack) < 0 ? -1 : 0;
    }
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(space);
    }
    Py_XDECREF(capsule);
    Py_XDECREF(runner);
    Py_XDECREF(pack);
    PyGILState_Release(gil);
    return status;
}
