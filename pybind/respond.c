/* Responses: whole, or a head and then pieces. */
#include "worker.h"

#include <string.h>

/* The largest response head that may go beside a body that goes out in pieces. */
#define MAX_FIELDS (60 * 1024)

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
static uint8_t own_fields(const uint8_t *p, size_t len) {
    uint8_t flags = 0;
    for (size_t at = 0; at + 4 <= len;) {
        size_t n = p[at] | (size_t)p[at + 1] << 8, v = p[at + 2] | (size_t)p[at + 3] << 8;
        const uint8_t *name = p + at + 4, *value = name + n;
        if (n == 4 && same(name, n, "date")) {
            flags |= COVET_P_OWN_DATE;
        } else if (n == 6 && same(name, n, "server")) {
            flags |= COVET_P_OWN_SERVER;
        } else if (n == 14 && same(name, n, "content-length")) {
            flags |= COVET_P_OWN_LENGTH;
        } else if (n == 10 && v == 5 && same(name, n, "connection") && same(value, v, "close")) {
            flags |= COVET_P_CLOSE;
        }
        at += 4 + n + v;
    }
    return flags;
}

static int append_field(PyObject *pair, uint8_t *to, size_t *at) {
    PyObject *name, *value;
    char *n, *v;
    Py_ssize_t nlen, vlen;
    if (!PyArg_ParseTuple(pair, "SS", &name, &value) || PyBytes_AsStringAndSize(name, &n, &nlen) < 0 ||
        PyBytes_AsStringAndSize(value, &v, &vlen) < 0) {
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
    if (size > MAX_FIELDS) {
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

static int writable(const Exchange *x) {
    if (x->live == NULL || x->done) {
        PyErr_SetString(PyExc_RuntimeError, "the response is complete: nothing more can be written");
        return 0;
    }
    return 1;
}

static int no_body(const Exchange *x, int status) {
    return x->live->method == 2 || status == 204 || status == 304 || status < 200;
}

static void write_head(Exchange *x, int status, int media, const uint8_t *fields, size_t len, int64_t length) {
    covet_slot *s = x->live;
    s->status = (uint16_t)status;
    s->media_type = (uint8_t)media;
    s->response_flags = own_fields(fields, len);
    if (no_body(x, status)) {
        s->response_flags |= COVET_P_NO_BODY;
    }
    s->length = length;
    s->response_fields = (uint32_t)len;
    s->response_body = 0;
}

static void tell(Exchange *x, uint32_t flags) {
    covet_port_tell(&x->runner->port, x->live, x->id, flags);
    runner_flush(x->runner);
}

/* A block for *n bytes, or for fewer where the large blocks are all in use. */
static covet_block alloc_some(covet_port *port, uint32_t *n, covet_id id) {
    for (;;) {
        covet_block block = covet_port_alloc(port, *n, id);
        if (block != 0 || *n <= COVET_LEAST_PIECE) {
            return block;
        }
        *n = *n / 4 < COVET_LEAST_PIECE ? COVET_LEAST_PIECE : *n / 4;
    }
}

/* Pushes what it can of the kept body: 1 when all is out. */
int exchange_push_kept(Exchange *x) {
    covet_port *port = &x->runner->port;
    if (__atomic_load_n(&x->live->engine_flags, __ATOMIC_SEQ_CST) & COVET_E_CANCELLED) {
        x->body_at = x->body.len; /* nobody wants the rest */
    }
    int waiting = 0;
    while (x->body_at < x->body.len) {
        Py_ssize_t left = x->body.len - x->body_at;
        uint32_t n = left < (Py_ssize_t)COVET_PIECE ? (uint32_t)left : COVET_PIECE;
        if (x->live->out.tail - __atomic_load_n(&x->live->out.head, __ATOMIC_ACQUIRE) >= COVET_RING) {
            waiting = 1;
            break;
        }
        covet_block block = alloc_some(port, &n, x->id);
        if (block == 0) {
            runner_retry(x->runner);
            waiting = 1;
            break;
        }
        memcpy(covet_port_bytes(port, block), (const uint8_t *)x->body.buf + x->body_at, n);
        covet_port_push_body(port, x->live, x->id, block, n);
        x->body_at += n;
    }
    runner_flush(x->runner);
    if (waiting) {
        return 0;
    }
    PyBuffer_Release(&x->body);
    x->holds_body = 0;
    tell(x, COVET_W_END);
    return 1;
}

/* Writes a whole response. 1: all of it is with the engine, 0: the rest goes
 * out as room comes back, -1: an exception is set. */
int exchange_write(Exchange *x, int status, int media, const uint8_t *fields, Py_ssize_t fields_len, PyObject *body) {
    if (!writable(x) || x->started) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "the response has been started");
        }
        return -1;
    }
    if (PyObject_GetBuffer(body, &x->body, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    size_t flen = (size_t)fields_len, blen = no_body(x, status) ? 0 : (size_t)x->body.len;
    size_t largest = x->runner->port.header->classes[COVET_CLASSES - 1].block_bytes;
    uint8_t *room = flen + blen > largest ? NULL
                                          : covet_port_response(&x->runner->port, x->live, x->id, (uint32_t)(flen + blen));
    int whole = room != NULL;
    if (!whole) {
        room = covet_port_response(&x->runner->port, x->live, x->id, (uint32_t)flen);
    }
    if (room == NULL) {
        PyBuffer_Release(&x->body);
        PyErr_SetString(PyExc_MemoryError, "the engine's memory pool has no room for the response's header fields");
        return -1;
    }
    write_head(x, status, media, fields, flen, x->body.len);
    if (flen > 0) {
        memcpy(room, fields, flen);
    }
    x->started = x->done = 1;
    if (whole) {
        if (blen > 0) {
            memcpy(room + flen, x->body.buf, blen);
        }
        x->live->response_body = (uint32_t)blen;
        PyBuffer_Release(&x->body);
        tell(x, COVET_W_HEAD | COVET_W_END);
        return 1;
    }
    x->holds_body = 1;
    x->body_at = 0;
    tell(x, COVET_W_HEAD);
    return exchange_push_kept(x);
}

PyObject *exchange_respond(PyObject *self, PyObject *args) {
    Exchange *x = (Exchange *)self;
    int status, media;
    const char *fields;
    Py_ssize_t len;
    PyObject *body;
    if (!PyArg_ParseTuple(args, "iiy#O", &status, &media, &fields, &len, &body)) {
        return NULL;
    }
    int written = exchange_write(x, status, media, (const uint8_t *)fields, len, body);
    return written < 0 ? NULL : PyBool_FromLong(written);
}

PyObject *exchange_start(PyObject *self, PyObject *args) {
    Exchange *x = (Exchange *)self;
    int status, media;
    const char *fields;
    Py_ssize_t len;
    long long length;
    if (!PyArg_ParseTuple(args, "iiy#L", &status, &media, &fields, &len, &length) || !writable(x)) {
        return NULL;
    }
    if (x->started) {
        PyErr_SetString(PyExc_RuntimeError, "the response has been started");
        return NULL;
    }
    uint8_t *room = covet_port_response(&x->runner->port, x->live, x->id, (uint32_t)len);
    if (room == NULL) {
        PyErr_SetString(PyExc_MemoryError, "the engine's memory pool has no room for the response's header fields");
        return NULL;
    }
    write_head(x, status, media, (const uint8_t *)fields, (size_t)len, length < 0 ? -1 : length);
    memcpy(room, fields, (size_t)len);
    x->started = 1;
    tell(x, COVET_W_HEAD);
    Py_RETURN_NONE;
}

PyObject *exchange_send(PyObject *self, PyObject *data) {
    Exchange *x = (Exchange *)self;
    Py_buffer view;
    if (!writable(x)) {
        return NULL;
    }
    if (!x->started) {
        PyErr_SetString(PyExc_RuntimeError, "the response has not been started");
        return NULL;
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    Py_ssize_t taken = 0;
    covet_port *port = &x->runner->port;
    int nobody = x->live->response_flags & COVET_P_NO_BODY;
    while (taken < view.len && !nobody) {
        Py_ssize_t left = view.len - taken;
        uint32_t n = left < (Py_ssize_t)COVET_PIECE ? (uint32_t)left : COVET_PIECE;
        if (x->live->out.tail - __atomic_load_n(&x->live->out.head, __ATOMIC_ACQUIRE) >= COVET_RING) {
            break;
        }
        covet_block block = alloc_some(port, &n, x->id);
        if (block == 0) {
            runner_retry(x->runner);
            break;
        }
        memcpy(covet_port_bytes(port, block), (const uint8_t *)view.buf + taken, n);
        covet_port_push_body(port, x->live, x->id, block, n);
        taken += n;
    }
    if (nobody) {
        taken = view.len;
    }
    PyBuffer_Release(&view);
    runner_flush(x->runner);
    return PyLong_FromSsize_t(taken);
}

PyObject *exchange_finish(PyObject *self, PyObject *unused) {
    Exchange *x = (Exchange *)self;
    (void)unused;
    if (!writable(x)) {
        return NULL;
    }
    x->done = 1;
    tell(x, COVET_W_END);
    exchange_settle(x);
    Py_RETURN_NONE;
}

PyObject *exchange_abort(PyObject *self, PyObject *unused) {
    Exchange *x = (Exchange *)self;
    (void)unused;
    if (x->live == NULL) {
        Py_RETURN_NONE;
    }
    if (x->holds_body) {
        PyBuffer_Release(&x->body);
        x->holds_body = 0;
    } else if (x->done) {
        Py_RETURN_NONE;
    }
    x->done = 1;
    tell(x, COVET_W_ABORT);
    exchange_settle(x);
    Py_RETURN_NONE;
}
