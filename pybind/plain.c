/* JSON of results: those that hold nothing but JSON's own types go to the encoder as they are. */
#include "worker.h"

#define DEEPEST 64 /* a deeper value is not plain; whoever gets it counts on its own */

static int is_plain(PyObject *value, int depth);

static int is_plain_dict(PyObject *dict, int depth) {
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (Py_TYPE(key) != &PyUnicode_Type || !is_plain(value, depth)) {
            return 0;
        }
    }
    return 1;
}

static int is_plain_list(PyObject *list, int depth) {
    Py_ssize_t length = PyList_Size(list);
    for (Py_ssize_t i = 0; i < length; i++) {
        if (!is_plain(PyList_GetItem(list, i), depth)) {
            return 0;
        }
    }
    return 1;
}

static int is_plain_tuple(PyObject *tuple, int depth) {
    Py_ssize_t length = PyTuple_Size(tuple);
    for (Py_ssize_t i = 0; i < length; i++) {
        if (!is_plain(PyTuple_GetItem(tuple, i), depth)) {
            return 0;
        }
    }
    return 1;
}

/* Only exact types, so that nobody's code runs meanwhile and the borrowed references hold. */
static int is_plain(PyObject *value, int depth) {
    const PyTypeObject *type = Py_TYPE(value);
    if (type == &PyUnicode_Type || type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type || value == Py_None) {
        return 1;
    }
    if (depth == 0) {
        return 0;
    }
    if (type == &PyDict_Type) {
        return is_plain_dict(value, depth - 1);
    }
    if (type == &PyList_Type) {
        return is_plain_list(value, depth - 1);
    }
    return type == &PyTuple_Type && is_plain_tuple(value, depth - 1);
}

/* self is a tuple: the encoder for plain values, and the one for all others. */
static PyObject *encode_value(PyObject *self, PyObject *value) {
    return PyObject_CallFunctionObjArgs(PyTuple_GetItem(self, is_plain(value, DEEPEST) ? 0 : 1), value, NULL);
}

static PyMethodDef encode_def = {"encode", encode_value, METH_O, NULL};

PyObject *encoder(PyObject *module, PyObject *both) {
    (void)module;
    if (!PyTuple_Check(both) || PyTuple_Size(both) != 2) {
        PyErr_SetString(PyExc_TypeError, "encoder wants a tuple of two functions");
        return NULL;
    }
    return PyCFunction_NewEx(&encode_def, both, NULL);
}
