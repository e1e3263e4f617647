/* WebSockets: messages that come in. */
#include "worker.h"

#include <string.h>

typedef struct {
    covet_record head;
    const uint8_t *bytes;
    int last; /* of its piece */
} Record;

/* The oldest record. 0: there is none. */
static int next_record(Exchange *x, Record *record) {
    const covet_port *port = &x->runner->port;
    for (;;) {
        const covet_piece *piece = covet_port_peek_body(port, x->live);
        if (piece == NULL) {
            return 0;
        }
        uint32_t size = covet_port_block_size(port, piece->block), len = piece->len < size ? piece->len : size;
        const uint8_t *from = covet_port_bytes(port, piece->block) + x->taken;
        if (x->taken + COVET_RECORD_HEADER <= len) {
            memcpy(&record->head, from, COVET_RECORD_HEADER);
            if (record->head.len <= len - x->taken - COVET_RECORD_HEADER) {
                record->bytes = from + COVET_RECORD_HEADER;
                record->last = x->taken + COVET_RECORD_HEADER + record->head.len == len;
                return 1;
            }
        }
        x->taken = 0; /* not what the engine writes */
        covet_port_drop_message(&x->runner->port, x->live, x->id);
    }
}

static void drop_record(Exchange *x, const Record *record) {
    if (!record->last) {
        x->taken += (uint32_t)(COVET_RECORD_HEADER + record->head.len);
        return;
    }
    x->taken = 0;
    if (covet_port_drop_message(&x->runner->port, x->live, x->id)) {
        runner_flush(x->runner);
    }
}

static int add_part(Exchange *x, const Record *record) {
    size_t need = x->part_len + record->head.len;
    if (need > x->part_size) {
        size_t size = need < 2 * x->part_size ? 2 * x->part_size : need;
        uint8_t *part = PyMem_Realloc(x->part, size > 0 ? size : 1);
        if (part == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        x->part = part;
        x->part_size = size;
    }
    memcpy(x->part + x->part_len, record->bytes, record->head.len);
    x->part_len = need;
    return 0;
}

static PyObject *message_of(uint8_t kind, const uint8_t *bytes, size_t len) {
    return kind == COVET_TEXT ? PyUnicode_DecodeUTF8((const char *)bytes, (Py_ssize_t)len, NULL)
                              : PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)len);
}

void socket_drop_part(Exchange *x) {
    PyMem_Free(x->part);
    x->part = NULL;
    x->part_len = x->part_size = 0;
}

/* Takes one message, or what has come of it. NULL without an exception: the rest is still to come. */
static PyObject *take_message(Exchange *x) {
    Record record;
    while (next_record(x, &record)) {
        if (x->part == NULL && !record.head.more) {
            PyObject *message = message_of(record.head.kind, record.bytes, record.head.len);
            drop_record(x, &record);
            return message;
        }
        if (add_part(x, &record) < 0) {
            return NULL;
        }
        drop_record(x, &record);
        if (!record.head.more) {
            PyObject *message = message_of(record.head.kind, x->part, x->part_len);
            socket_drop_part(x);
            return message;
        }
    }
    return NULL;
}

PyObject *exchange_message(PyObject *self, PyObject *unused) {
    Exchange *x = (Exchange *)self;
    (void)unused;
    if (x->live == NULL || x->live->kind != COVET_KIND_SOCKET) {
        PyErr_SetString(PyExc_RuntimeError, "the WebSocket is over: nothing more will come");
        return NULL;
    }
    x->news = 0;
    /* The flags first: what came before the end is in the ring by then. */
    uint32_t flags = __atomic_load_n(&x->live->engine_flags, __ATOMIC_SEQ_CST);
    PyObject *message = take_message(x);
    if (message != NULL || PyErr_Occurred()) {
        return message;
    }
    if (flags & (COVET_E_BODY_END | COVET_E_CANCELLED)) {
        socket_tell_told(x);
        return PyLong_FromLong(x->live->close_code == 0 ? 1006 : x->live->close_code);
    }
    Py_RETURN_NONE;
}
