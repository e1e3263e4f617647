/* What ASGI and WSGI applications need: a scope in one call, and a head from a list of fields. */
#include "worker.h"

#include <string.h>

/* ---- scopes --------------------------------------------------------------------- */

static const char *const wanted[SCOPE_FIELDS] = {"method",   "scheme",       "http_version", "path",
                                                 "raw_path", "query_string", "client",       "server"};

int scope_fields_init(Types *t) {
    for (int i = 0; i < SCOPE_FIELDS; i++) {
        const PyGetSetDef *field = exchange_getset;
        while (field->name != NULL && strcmp(field->name, wanted[i]) != 0) {
            field++;
        }
        t->scope[i].get = field->get;
        t->scope[i].key = PyUnicode_InternFromString(wanted[i]);
        if (t->scope[i].key == NULL) {
            return 0;
        }
    }
    t->headers_key = PyUnicode_InternFromString("headers");
    return t->headers_key != NULL;
}

void scope_fields_clear(Types *t) {
    for (int i = 0; i < SCOPE_FIELDS; i++) {
        Py_CLEAR(t->scope[i].key);
    }
    Py_CLEAR(t->headers_key);
    for (int i = 0; i < KNOWN_NAMES; i++) {
        Py_CLEAR(t->names[i]);
    }
}

/* Takes the value over. */
static int put(PyObject *dict, PyObject *key, PyObject *value) {
    int status = value == NULL ? -1 : PyDict_SetItem(dict, key, value);
    Py_XDECREF(value);
    return status;
}

PyObject *exchange_scope(PyObject *self, PyObject *template) {
    const Types *t = ((Exchange *)self)->runner->types;
    if (!PyDict_Check(template)) {
        PyErr_SetString(PyExc_TypeError, "the template of a scope must be a dict");
        return NULL;
    }
    PyObject *scope = PyDict_Copy(template);
    for (int i = 0; scope != NULL && i < SCOPE_FIELDS; i++) {
        if (put(scope, t->scope[i].key, t->scope[i].get(self, NULL)) < 0) {
            Py_CLEAR(scope);
        }
    }
    if (scope != NULL && put(scope, t->headers_key, exchange_headers(self, NULL)) < 0) {
        Py_CLEAR(scope);
    }
    return scope;
}

/* A bytes object of a field name in lower case. Most requests have the same few names, so they are kept. */
PyObject *known_name(Types *t, const char *name, size_t len) {
    if (len == 0 || len > KNOWN_BYTES) {
        return PyBytes_FromStringAndSize(name, (Py_ssize_t)len);
    }
    uint32_t mix = ((uint8_t)name[0] * 31u + (uint8_t)name[len / 2]) * 31u + (uint8_t)name[len - 1] + (uint32_t)len * 7u;
    PyObject **place = &t->names[mix % KNOWN_NAMES];
    if (*place != NULL && (size_t)PyBytes_Size(*place) == len && memcmp(PyBytes_AsString(*place), name, len) == 0) {
        Py_INCREF(*place);
        return *place;
    }
    PyObject *fresh = PyBytes_FromStringAndSize(name, (Py_ssize_t)len);
    if (fresh != NULL) {
        PyObject *old = *place;
        Py_INCREF(fresh);
        *place = fresh;
        Py_XDECREF(old);
    }
    return fresh;
}

/* ---- heads ---------------------------------------------------------------------- */

typedef struct {
    uint8_t few[1024], *bytes;
    size_t len, room;
    long long length; /* of the body, as Content-Length says; -1 if it does not */
} Head;

static int same(const char *name, Py_ssize_t len, const char *want) {
    for (Py_ssize_t i = 0; i < len; i++) {
        if ((name[i] | 0x20) != want[i]) {
            return 0;
        }
    }
    return want[len] == 0;
}

static int read_length(Head *head, const char *text, Py_ssize_t len) {
    long long n = 0;
    int good = len > 0 && len < 19;
    for (Py_ssize_t i = 0; good && i < len; i++) {
        good = text[i] >= '0' && text[i] <= '9';
        n = n * 10 + (text[i] - '0');
    }
    if (!good || (head->length >= 0 && head->length != n)) {
        PyErr_SetString(PyExc_ValueError, "the response's Content-Length is not one number");
        return -1;
    }
    head->length = n;
    return 0;
}

/* 1: the engine sends this field by itself, or it is about the connection, which is the engine's.
 * -1: an exception is set. */
static int is_ours(Head *head, const char *name, Py_ssize_t n, const char *value, Py_ssize_t v) {
    if (n == 14 && same(name, n, "content-length")) {
        return read_length(head, value, v) < 0 ? -1 : 1;
    }
    if (n == 10 && (same(name, n, "connection") || same(name, n, "keep-alive"))) {
        return !(v == 5 && same(value, v, "close"));
    }
    return n == 17 && same(name, n, "transfer-encoding");
}

static int make_room(Head *head, size_t more) {
    if (head->room - head->len >= more) {
        return 0;
    }
    size_t room = (head->len + more) * 2;
    uint8_t *bytes = PyMem_Malloc(room);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(bytes, head->bytes, head->len);
    if (head->bytes != head->few) {
        PyMem_Free(head->bytes);
    }
    head->bytes = bytes;
    head->room = room;
    return 0;
}

static int add_field(Head *head, PyObject *name, PyObject *value) {
    char *n, *v;
    Py_ssize_t nlen, vlen;
    if (PyBytes_AsStringAndSize(name, &n, &nlen) < 0 || PyBytes_AsStringAndSize(value, &v, &vlen) < 0) {
        return -1;
    }
    int ours = is_ours(head, n, nlen, v, vlen);
    if (ours != 0) {
        return ours < 0 ? -1 : 0;
    }
    if (field_check(name, value) < 0 || make_room(head, 4 + (size_t)(nlen + vlen)) < 0) {
        return -1;
    }
    uint8_t *p = head->bytes + head->len;
    p[0] = (uint8_t)nlen, p[1] = (uint8_t)(nlen >> 8), p[2] = (uint8_t)vlen, p[3] = (uint8_t)(vlen >> 8);
    memcpy(p + 4, n, (size_t)nlen);
    memcpy(p + 4 + nlen, v, (size_t)vlen);
    head->len += 4 + (size_t)(nlen + vlen);
    if (head->len > COVET_MAX_FIELDS) {
        PyErr_SetString(PyExc_ValueError, "the header fields of a response may have 60 KiB together");
        return -1;
    }
    return 0;
}

/* A pair is a tuple; any other sequence of two will do. */
static int add_pair(Head *head, PyObject *pair) {
    PyObject *both = PyTuple_Check(pair) ? pair : PySequence_Tuple(pair);
    if (both == NULL) {
        return -1;
    }
    int status = -1;
    if (PyTuple_Size(both) == 2) {
        status = add_field(head, PyTuple_GetItem(both, 0), PyTuple_GetItem(both, 1));
    } else {
        PyErr_SetString(PyExc_TypeError, "a header field must be a pair of two bytes objects");
    }
    if (both != pair) {
        Py_DECREF(both);
    }
    return status;
}

PyObject *pack_head(PyObject *module, PyObject *fields) {
    (void)module;
    Head head = {.len = 0, .room = sizeof head.few, .length = -1};
    head.bytes = head.few;
    PyObject *list = PySequence_Tuple(fields), *result = NULL;
    Py_ssize_t n = list == NULL ? -1 : PyTuple_Size(list), i = 0;
    while (i < n && add_pair(&head, PyTuple_GetItem(list, i)) == 0) {
        i++;
    }
    if (i == n) {
        result = Py_BuildValue("(y#L)", (const char *)head.bytes, (Py_ssize_t)head.len, head.length);
    }
    if (head.bytes != head.few) {
        PyMem_Free(head.bytes);
    }
    Py_XDECREF(list);
    return result;
}
