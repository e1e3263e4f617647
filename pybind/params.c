/* Path and query parameters: text, and numbers in canonical form. */
#include "worker.h"

#include <string.h>

static int hex(uint8_t b) {
    if (b >= '0' && b <= '9') {
        return b - '0';
    }
    b |= 0x20;
    return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

/* The octet at *at, which is moved behind it; malformed escapes stay as they are. */
static inline uint8_t next_octet(const uint8_t *text, size_t len, int plus, size_t *at) {
    uint8_t b = text[(*at)++];
    if (b == '%' && *at + 1 < len && hex(text[*at]) >= 0 && hex(text[*at + 1]) >= 0) {
        b = (uint8_t)(hex(text[*at]) << 4 | hex(text[*at + 1]));
        *at += 2;
        return b;
    }
    return b == '+' && plus ? ' ' : b;
}

/* Decodes into `to`, which has room for `len` bytes. */
static size_t decode(const uint8_t *from, size_t len, int plus, uint8_t *to) {
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        to[n++] = next_octet(from, len, plus, &i);
    }
    return n;
}

static int needs_decoding(const uint8_t *text, size_t len, int plus) {
    return memchr(text, '%', len) != NULL || (plus && memchr(text, '+', len) != NULL);
}

PyObject *decode_text(const uint8_t *text, size_t len, int plus) {
    if (!needs_decoding(text, len, plus)) {
        return PyUnicode_DecodeUTF8((const char *)text, (Py_ssize_t)len, "replace");
    }
    uint8_t few[256], *room = len <= sizeof few ? few : PyMem_Malloc(len);
    if (room == NULL) {
        return PyErr_NoMemory();
    }
    few[0] = 0;
    size_t n = decode(text, len, plus, room);
    PyObject *result = PyUnicode_DecodeUTF8((const char *)room, (Py_ssize_t)n, "replace");
    if (room != few) {
        PyMem_Free(room);
    }
    return result;
}

static PyObject *bad(const Exchange *x) {
    PyObject *b = x->runner->types->bad;
    Py_INCREF(b);
    return b;
}

/* -?[0-9]{1,18} is an int; anything else is BAD. */
static PyObject *int_of(const Exchange *x, const uint8_t *text, size_t len) {
    size_t i = len > 0 && text[0] == '-';
    if (i == len || len - i > 18) {
        return bad(x);
    }
    long long n = 0;
    for (size_t k = i; k < len; k++) {
        if (text[k] < '0' || text[k] > '9') {
            return bad(x);
        }
        n = n * 10 + (text[k] - '0');
    }
    return PyLong_FromLongLong(i ? -n : n);
}

/* -?[0-9]+(.[0-9]+)? is a float; anything else is BAD. */
static PyObject *float_of(const Exchange *x, const uint8_t *text, size_t len) {
    char copy[64];
    size_t i = len > 0 && text[0] == '-', digits = 0, dots = 0;
    if (len >= sizeof copy) {
        return bad(x);
    }
    for (size_t k = i; k < len; k++) {
        if (text[k] == '.' && dots == 0 && k > i && k + 1 < len) {
            dots++;
        } else if (text[k] >= '0' && text[k] <= '9') {
            digits++;
        } else {
            return bad(x);
        }
    }
    if (digits == 0) {
        return bad(x);
    }
    memcpy(copy, text, len);
    copy[len] = 0;
    double value = PyOS_string_to_double(copy, NULL, NULL);
    return value == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

static PyObject *bool_of(const Exchange *x, const uint8_t *text, size_t len) {
    static const char *const yes[] = {"true", "1", "on", "yes", "t", "y"};
    static const char *const no[] = {"false", "0", "off", "no", "f", "n"};
    char copy[8];
    if (len < sizeof copy) {
        for (size_t i = 0; i < len; i++) {
            copy[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
        }
        copy[len] = 0;
        for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
            if (strcmp(copy, yes[i]) == 0) {
                Py_RETURN_TRUE;
            }
            if (strcmp(copy, no[i]) == 0) {
                Py_RETURN_FALSE;
            }
        }
    }
    return bad(x);
}

/* ---- path ------------------------------------------------------------------- */

static const uint8_t *path_param(const Exchange *x, PyObject *index, size_t *len) {
    long i = PyLong_AsLong(index);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (!exchange_readable(x)) {
        return NULL;
    }
    if (i < 0 || i >= x->slot->num_params) {
        PyErr_SetString(PyExc_IndexError, "the path has no parameter of that index");
        return NULL;
    }
    covet_span span = ((const covet_span *)(x->data + x->slot->params_off))[i];
    if ((uint32_t)span.off + span.len > x->slot->head_len) {
        span.off = span.len = 0;
    }
    *len = span.len;
    return x->data + span.off;
}

PyObject *exchange_path_str(PyObject *self, PyObject *index) {
    size_t len;
    const uint8_t *text = path_param((Exchange *)self, index, &len);
    return text == NULL ? NULL : decode_text(text, len, 0);
}

PyObject *exchange_path_int(PyObject *self, PyObject *index) {
    size_t len;
    const uint8_t *text = path_param((Exchange *)self, index, &len);
    return text == NULL ? NULL : int_of((Exchange *)self, text, len);
}

PyObject *exchange_path_float(PyObject *self, PyObject *index) {
    size_t len;
    const uint8_t *text = path_param((Exchange *)self, index, &len);
    return text == NULL ? NULL : float_of((Exchange *)self, text, len);
}

/* ---- query ------------------------------------------------------------------ */

typedef struct {
    const uint8_t *name, *value;
    size_t name_len, value_len;
} Pair;

/* The last pair that ends before *end, which is moved to its start. */
static int previous_pair(const uint8_t *text, size_t *end, Pair *pair) {
    size_t stop = *end;
    for (;;) {
        if (stop == 0) {
            return 0;
        }
        size_t start = stop;
        while (start > 0 && text[start - 1] != '&') {
            start--;
        }
        *end = start > 0 ? start - 1 : 0;
        if (start < stop) {
            const uint8_t *equals = memchr(text + start, '=', stop - start);
            size_t cut = equals == NULL ? stop : (size_t)(equals - text);
            pair->name = text + start;
            pair->name_len = cut - start;
            pair->value = equals == NULL ? text + stop : equals + 1;
            pair->value_len = equals == NULL ? 0 : stop - cut - 1;
            return 1;
        }
        if (start == 0) {
            return 0;
        }
        stop = *end;
    }
}

static const uint8_t *query_of(const Exchange *x, size_t *len) {
    covet_span span = x->slot->query;
    *len = (uint32_t)span.off + span.len <= x->slot->head_len ? span.len : 0;
    return x->data + (*len > 0 ? span.off : 0);
}

static int same_name(const Pair *pair, const char *name, size_t len) {
    if (!needs_decoding(pair->name, pair->name_len, 1)) {
        return pair->name_len == len && memcmp(pair->name, name, len) == 0;
    }
    size_t at = 0, same = 0;
    while (at < pair->name_len && same < len && next_octet(pair->name, pair->name_len, 1, &at) == (uint8_t)name[same]) {
        same++;
    }
    return at == pair->name_len && same == len;
}

/* 1: found, 0: not there, -1: error. */
static int find_query(const Exchange *x, PyObject *const *args, Py_ssize_t count, Pair *pair) {
    Py_ssize_t len;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "expected a name and a default");
        return -1;
    }
    const char *name = PyUnicode_AsUTF8AndSize(args[0], &len);
    size_t end;
    if (name == NULL || !exchange_readable(x)) {
        return -1;
    }
    const uint8_t *text = query_of(x, &end);
    while (previous_pair(text, &end, pair)) {
        if (same_name(pair, name, (size_t)len)) {
            return 1;
        }
    }
    return 0;
}

typedef PyObject *(*convert_function)(const Exchange *x, const uint8_t *text, size_t len);

static inline PyObject *query_as(PyObject *self, PyObject *const *args, Py_ssize_t count, convert_function convert) {
    Pair pair;
    int found = find_query((Exchange *)self, args, count, &pair);
    if (found > 0) {
        return convert((Exchange *)self, pair.value, pair.value_len);
    }
    if (found == 0) {
        Py_INCREF(args[1]);
    }
    return found == 0 ? args[1] : NULL;
}

static PyObject *str_of(const Exchange *x, const uint8_t *text, size_t len) {
    (void)x;
    return decode_text(text, len, 1);
}

PyObject *exchange_query_str(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    return query_as(self, args, count, str_of);
}

PyObject *exchange_query_int(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    return query_as(self, args, count, int_of);
}

PyObject *exchange_query_float(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    return query_as(self, args, count, float_of);
}

PyObject *exchange_query_bool(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    return query_as(self, args, count, bool_of);
}

PyObject *exchange_query_items(PyObject *self, PyObject *unused) {
    Exchange *x = (Exchange *)self;
    (void)unused;
    if (!exchange_readable(x)) {
        return NULL;
    }
    size_t end, len;
    Pair pair;
    query_of(x, &end);
    PyObject *list = PyList_New(0);
    /* A new list or tuple may start the garbage collector, and that may end the exchange. */
    while (list != NULL && exchange_readable(x) && previous_pair(query_of(x, &len), &end, &pair)) {
        PyObject *name = decode_text(pair.name, pair.name_len, 1);
        PyObject *value = decode_text(pair.value, pair.value_len, 1);
        PyObject *item = name != NULL && value != NULL ? PyTuple_Pack(2, name, value) : NULL;
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
        Py_XDECREF(item);
    }
    if (list != NULL && (PyErr_Occurred() || PyList_Reverse(list) < 0)) {
        Py_CLEAR(list);
    }
    return list;
}
