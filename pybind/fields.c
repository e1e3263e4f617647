/* Packed header fields of responses: for each, the lengths of name and value
 * in two bytes each (little-endian), then both. */
#include "worker.h"

#include <string.h>

static int is_token(uint8_t b) {
    return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
           (b != 0 && strchr("!#$%&'*+-.^_`|~", b) != NULL);
}

static int same(const uint8_t *name, size_t len, const char *want) {
    for (size_t i = 0; i < len; i++) {
        if ((name[i] | 0x20) != (uint8_t)want[i]) {
            return 0;
        }
    }
    return want[len] == 0;
}

/* What the engine must not add by itself. */
static uint8_t flags_of(const uint8_t *name, size_t n, const uint8_t *value, size_t v) {
    if (n == 4 && same(name, n, "date")) {
        return COVET_P_OWN_DATE;
    }
    if (n == 6 && same(name, n, "server")) {
        return COVET_P_OWN_SERVER;
    }
    if (n == 14 && same(name, n, "content-length")) {
        return COVET_P_OWN_LENGTH;
    }
    return n == 10 && v == 5 && same(name, n, "connection") && same(value, v, "close") ? COVET_P_CLOSE : 0;
}

int fields_flags(const uint8_t *packed, size_t len, uint8_t *flags) {
    *flags = 0;
    for (size_t at = 0; at < len;) {
        const uint8_t *p = packed + at;
        if (len - at < 4) {
            return -1;
        }
        size_t n = p[0] | (size_t)p[1] << 8, v = p[2] | (size_t)p[3] << 8;
        if (len - at - 4 < n + v) {
            return -1;
        }
        *flags |= flags_of(p + 4, n, p + 4 + n, v);
        at += 4 + n + v;
    }
    return 0;
}

/* Whether a field can be sent: 0, or -1 with an exception. */
int field_check(PyObject *name, PyObject *value) {
    char *n, *v;
    Py_ssize_t nlen, vlen;
    if (PyBytes_AsStringAndSize(name, &n, &nlen) < 0 || PyBytes_AsStringAndSize(value, &v, &vlen) < 0) {
        return -1;
    }
    int good = nlen > 0 && nlen < 65536 && vlen < 65536;
    for (Py_ssize_t i = 0; good && i < nlen; i++) {
        good = is_token((uint8_t)n[i]);
    }
    for (Py_ssize_t i = 0; good && i < vlen; i++) {
        good = v[i] != '\r' && v[i] != '\n' && v[i] != 0;
    }
    if (!good) {
        PyErr_Format(PyExc_ValueError, "the header field %R: %R cannot be sent", name, value);
        return -1;
    }
    return 0;
}

static int append_field(PyObject *pair, uint8_t *to, size_t *at) {
    PyObject *name, *value;
    char *n, *v;
    Py_ssize_t nlen, vlen;
    if (!PyTuple_Check(pair)) {
        PyErr_SetString(PyExc_TypeError, "a header field must be a tuple of two bytes objects");
        return -1;
    }
    if (!PyArg_ParseTuple(pair, "SS", &name, &value) || field_check(name, value) < 0 ||
        PyBytes_AsStringAndSize(name, &n, &nlen) < 0 || PyBytes_AsStringAndSize(value, &v, &vlen) < 0) {
        return -1;
    }
    if (to != NULL) {
        uint8_t *p = to + *at;
        p[0] = (uint8_t)nlen, p[1] = (uint8_t)(nlen >> 8), p[2] = (uint8_t)vlen, p[3] = (uint8_t)(vlen >> 8);
        memcpy(p + 4, n, (size_t)nlen);
        memcpy(p + 4 + nlen, v, (size_t)vlen);
    }
    *at += 4 + (size_t)nlen + (size_t)vlen;
    return 0;
}

PyObject *pack_fields(PyObject *module, PyObject *fields) {
    (void)module;
    PyObject *list = PySequence_Tuple(fields), *packed = NULL;
    if (list == NULL) {
        return NULL;
    }
    size_t size = 0, at = 0;
    Py_ssize_t n = PyTuple_Size(list);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (append_field(PyTuple_GetItem(list, i), NULL, &size) < 0) {
            goto out;
        }
    }
    if (size > COVET_MAX_FIELDS) {
        PyErr_SetString(PyExc_ValueError, "the header fields of a response may have 60 KiB together");
        goto out;
    }
    packed = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    for (Py_ssize_t i = 0; packed != NULL && i < n; i++) {
        if (append_field(PyTuple_GetItem(list, i), (uint8_t *)PyBytes_AsString(packed), &at) < 0) {
            Py_CLEAR(packed);
        }
    }
out:
    Py_DECREF(list);
    return packed;
}
