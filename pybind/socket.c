/* WebSockets: what goes out, as records in the pieces of an exchange. */
#include "worker.h"

#include <string.h>

/* What may wait in a worker because the engine has no room for what is published. */
#define MOST_PUBLISHED (64u << 20)

/* ---- out: a piece is filled with records until it is full or the turn ends ------ */

/* Nothing that is sent arrives any more, or it would be an answer to nothing. */
static int peer_has_ended(const Exchange *x) { return x->told || exchange_lost(x); }

/* The handler knows that no message follows. What it has written before goes out first. */
void socket_tell_told(Exchange *x) {
    x->told = 1;
    if (x->first_waiting == NULL && x->live != NULL && !x->done) {
        piece_flush(x);
        exchange_say(x, COVET_W_TOLD);
    }
}

/* Writes what there is room for. 1: all of it. */
static int write_record(Exchange *x, Waiting *w) {
    for (;;) {
        size_t left = w->len - w->at;
        if (x->open != 0 && x->open_size - x->open_len < COVET_RECORD_HEADER + left) {
            piece_flush(x);
        }
        if (x->open == 0 && !piece_open(x, left + COVET_RECORD_HEADER)) {
            return 0;
        }
        size_t room = x->open_size - x->open_len - COVET_RECORD_HEADER, n = left < room ? left : room;
        covet_record record = {
            .len = (uint32_t)n, .kind = w->kind, .more = n < left, .topic = w->at == 0 ? w->topic : 0};
        uint8_t *to = covet_port_bytes(&x->runner->port, x->open) + x->open_len;
        memcpy(to, &record, COVET_RECORD_HEADER);
        memcpy(to + COVET_RECORD_HEADER, w->bytes + w->at, n);
        x->open_len += (uint32_t)(COVET_RECORD_HEADER + n);
        w->at += n;
        if (n == left) {
            return 1;
        }
    }
}

static void drop_first(Exchange *x) {
    Waiting *w = x->first_waiting;
    x->first_waiting = w->next;
    x->waiting_bytes -= w->len;
    if (w->next == NULL) {
        x->last_waiting = NULL;
    }
    Py_XDECREF(w->owner);
    PyMem_Free(w);
}

void socket_drop_waiting(Exchange *x) {
    while (x->first_waiting != NULL) {
        drop_first(x);
    }
}

void socket_push_waiting(Exchange *x) {
    if (x->live == NULL || x->first_waiting == NULL) {
        return;
    }
    if (exchange_lost(x)) {
        socket_drop_waiting(x);
    }
    while (x->first_waiting != NULL && write_record(x, x->first_waiting)) {
        drop_first(x);
    }
    piece_flush_later(x);
    if (x->first_waiting == NULL && (x->done || x->told)) {
        piece_flush(x);
        exchange_say(x, x->done ? COVET_W_END : COVET_W_TOLD);
    }
}

/* Keeps what is left of a record until there is room. `owner` keeps its bytes alive; NULL: they are copied.
 * 0, or -1 with an exception. */
static int keep_waiting(Exchange *x, const Waiting *from, PyObject *owner) {
    Waiting *w = PyMem_Calloc(1, sizeof *w);
    PyObject *copy = NULL;
    if (w != NULL && owner == NULL) {
        copy = PyBytes_FromStringAndSize((const char *)from->bytes, (Py_ssize_t)from->len);
    }
    if (w == NULL || (owner == NULL && copy == NULL)) {
        PyMem_Free(w);
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return -1;
    }
    *w = *from;
    w->next = NULL;
    w->owner = owner == NULL ? copy : owner;
    Py_XINCREF(owner);
    if (copy != NULL) {
        w->bytes = (const uint8_t *)PyBytes_AsString(copy);
    }
    if (x->last_waiting == NULL) {
        x->first_waiting = w;
    } else {
        x->last_waiting->next = w;
    }
    x->last_waiting = w;
    x->waiting_bytes += w->len;
    return 0;
}

/* 1: written, 0: it waits for room, -1: an exception is set. */
static int put_record(Exchange *x, Waiting *w, PyObject *owner) {
    x->news = 0;
    if (x->first_waiting == NULL && write_record(x, w)) {
        piece_flush_later(x);
        return 1;
    }
    if (keep_waiting(x, w, owner) < 0) {
        return -1;
    }
    piece_flush_later(x);
    return 0;
}

/* ---- methods for what goes out --------------------------------------------------- */

static int is_socket(const Exchange *x) { return x->slot != NULL && x->slot->kind == COVET_KIND_SOCKET; }

static int opened(const Exchange *x) {
    if (x->live == NULL || x->done) {
        PyErr_SetString(PyExc_RuntimeError, "the WebSocket is closed: nothing more can be sent");
        return 0;
    }
    if (!x->accepted) {
        PyErr_SetString(PyExc_RuntimeError, "the WebSocket must be accepted first");
    }
    return x->accepted;
}

PyObject *exchange_accept(PyObject *self, PyObject *fields) {
    Exchange *x = (Exchange *)self;
    char *bytes;
    Py_ssize_t len;
    if (PyBytes_AsStringAndSize(fields, &bytes, &len) < 0) {
        return NULL;
    }
    if (x->live == NULL || !is_socket(x) || x->started) {
        PyErr_SetString(PyExc_RuntimeError, "only a WebSocket that waits for an answer can be accepted");
        return NULL;
    }
    if (!exchange_head(x, 101, 0, (const uint8_t *)bytes, (size_t)len, -1)) {
        return NULL;
    }
    x->accepted = 1;
    exchange_say(x, COVET_W_HEAD);
    Py_RETURN_NONE;
}

/* The bytes of a text or of an object with a buffer. 0, or -1 with an exception. */
static int bytes_of_object(PyObject *object, Py_buffer *view, const uint8_t **bytes, size_t *len) {
    view->obj = NULL;
    if (PyUnicode_Check(object)) {
        Py_ssize_t n;
        const char *text = PyUnicode_AsUTF8AndSize(object, &n);
        *bytes = (const uint8_t *)text;
        *len = (size_t)n;
        return text == NULL ? -1 : 0;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    *bytes = view->buf;
    *len = (size_t)view->len;
    return 0;
}

/* What cannot change may be kept as it is. */
static PyObject *lasting(PyObject *object) {
    return PyUnicode_CheckExact(object) || PyBytes_CheckExact(object) ? object : NULL;
}

static int read_kind(PyObject *object, uint8_t *kind) {
    long number = PyLong_AsLong(object);
    if (number != COVET_TEXT && number != COVET_BINARY) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "the kind of a message must be 1 (text) or 2 (binary)");
        }
        return -1;
    }
    *kind = (uint8_t)number;
    return 0;
}

static PyObject *wrong_count(const char *what) {
    PyErr_SetString(PyExc_TypeError, what);
    return NULL;
}

PyObject *exchange_push(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Exchange *x = (Exchange *)self;
    Waiting w = {0};
    Py_buffer view;
    if (count != 2) {
        return wrong_count("push takes a kind and a message");
    }
    if (!opened(x) || read_kind(args[0], &w.kind) < 0 || bytes_of_object(args[1], &view, &w.bytes, &w.len) < 0) {
        return NULL;
    }
    int put = 1;
    if (!opened(x)) { /* asking for a buffer may run any code */
        put = -1;
    } else if (peer_has_ended(x)) {
        socket_tell_told(x);
        PyErr_SetString(x->runner->types->broken, "the WebSocket's client has gone");
        put = -1;
    } else {
        put = put_record(x, &w, lasting(args[1]));
    }
    if (view.obj != NULL) {
        PyBuffer_Release(&view);
    }
    return put < 0 ? NULL : PyBool_FromLong(put);
}

static PyObject *say_topic(Exchange *x, PyObject *topic, uint8_t kind) {
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(topic, &len);
    if (text == NULL || !opened(x)) {
        return NULL;
    }
    if (len == 0 || len > UINT16_MAX) {
        PyErr_SetString(PyExc_ValueError, "a topic's name must have from 1 to 65,535 bytes");
        return NULL;
    }
    Waiting w = {.kind = kind, .bytes = (const uint8_t *)text, .len = (size_t)len, .topic = (uint16_t)len};
    if (!peer_has_ended(x) && put_record(x, &w, lasting(topic)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *exchange_subscribe(PyObject *self, PyObject *topic) {
    return say_topic((Exchange *)self, topic, COVET_SUBSCRIBE);
}

PyObject *exchange_unsubscribe(PyObject *self, PyObject *topic) {
    return say_topic((Exchange *)self, topic, COVET_UNSUBSCRIBE);
}

/* Ends the sending side. Any exception is kept. */
void socket_close(Exchange *x, uint16_t code, const char *reason, size_t len) {
    uint8_t bytes[2 + COVET_CLOSE_REASON] = {(uint8_t)(code >> 8), (uint8_t)code};
    if (x->live == NULL || x->done) {
        return;
    }
    len = len < COVET_CLOSE_REASON ? len : COVET_CLOSE_REASON;
    if (len > 0) {
        memcpy(bytes + 2, reason, len);
    }
    Waiting w = {.kind = COVET_CLOSE, .bytes = bytes, .len = 2 + len};
    int put = peer_has_ended(x) ? x->first_waiting == NULL : put_record(x, &w, NULL);
    x->done = 1;
    if (put < 0) {
        PyErr_WriteUnraisable((PyObject *)x);
        socket_drop_waiting(x);
        exchange_say(x, COVET_W_ABORT);
    } else if (put > 0) {
        piece_flush(x);
        exchange_say(x, COVET_W_END);
    }
}

PyObject *exchange_close(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Exchange *x = (Exchange *)self;
    if (count != 2) {
        return wrong_count("close takes a code and a reason");
    }
    Py_ssize_t len;
    long code = PyLong_AsLong(args[0]);
    const char *reason = code == -1 && PyErr_Occurred() ? NULL : PyUnicode_AsUTF8AndSize(args[1], &len);
    if (reason == NULL || !opened(x)) {
        return NULL;
    }
    if (code < 1000 || code > 4999 || len > COVET_CLOSE_REASON) {
        PyErr_SetString(PyExc_ValueError, "a close code is from 1000 to 4999, and a reason has at most 123 bytes");
        return NULL;
    }
    socket_close(x, (uint16_t)code, reason, (size_t)len);
    exchange_settle(x);
    Py_RETURN_NONE;
}

/* ---- what is published ----------------------------------------------------------------- */

/* The exchange for records of no exchange. NULL without an exception: the engine has none, for nobody can listen. */
static Exchange *control_of(Runner *r) {
    covet_id id = __atomic_load_n(&r->port.self->control, __ATOMIC_SEQ_CST);
    covet_slot *slot = id == 0 ? NULL : covet_port_slot(&r->port, id);
    if (slot == NULL) {
        return NULL;
    }
    Exchange *x = r->live[(uint32_t)id];
    if (x == NULL) {
        x = exchange_new(r, id, slot);
        if (x != NULL) {
            Py_DECREF((PyObject *)x); /* the table keeps it */
        }
    }
    return x;
}

PyObject *runner_publish_message(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Runner *r = (Runner *)self;
    Waiting w = {0};
    Py_buffer view;
    const uint8_t *bytes;
    size_t len;
    Py_ssize_t topic_len;
    if (count != 3) {
        return wrong_count("publish takes a topic, a kind and a message");
    }
    const char *topic = PyUnicode_AsUTF8AndSize(args[0], &topic_len);
    if (topic == NULL || read_kind(args[1], &w.kind) < 0 || bytes_of_object(args[2], &view, &bytes, &len) < 0) {
        return NULL;
    }
    PyObject *joined = NULL, *result = NULL;
    Exchange *x = r->attached ? control_of(r) : NULL;
    if (topic_len == 0 || topic_len > UINT16_MAX) {
        PyErr_SetString(PyExc_ValueError, "a topic's name must have from 1 to 65,535 bytes");
    } else if (x != NULL && x->waiting_bytes > MOST_PUBLISHED) {
        PyErr_SetString(PyExc_BufferError, "more is published than the engine can take: 64 MiB wait for it already");
    } else if (x == NULL) {
        result = PyErr_Occurred() ? NULL : Py_False;
        Py_XINCREF(result);
    } else if ((joined = PyBytes_FromStringAndSize(NULL, topic_len + (Py_ssize_t)len)) != NULL) {
        uint8_t *to = (uint8_t *)PyBytes_AsString(joined);
        memcpy(to, topic, (size_t)topic_len);
        memcpy(to + topic_len, bytes, len);
        w.kind = w.kind == COVET_TEXT ? COVET_PUBLISH_TEXT : COVET_PUBLISH_BINARY;
        w.topic = (uint16_t)topic_len;
        w.bytes = to;
        w.len = (size_t)topic_len + len;
        result = put_record(x, &w, joined) < 0 ? NULL : PyBool_FromLong(1);
    }
    Py_XDECREF(joined);
    if (view.obj != NULL) {
        PyBuffer_Release(&view);
    }
    return result;
}
