/* Responses: whole, or a head and then pieces. */
#include "worker.h"

#include <string.h>

static int writable(const Exchange *x) {
    if (x->live != NULL && !x->done) {
        return 1;
    }
    PyErr_SetString(PyExc_RuntimeError, "the response is complete: nothing more can be written");
    return 0;
}

static int startable(const Exchange *x, int status) {
    if (!writable(x)) {
        return 0;
    }
    if (x->started) {
        PyErr_SetString(PyExc_RuntimeError, "the response has been started");
        return 0;
    }
    if (status < 200 || status > 999) {
        PyErr_Format(PyExc_ValueError, "the status of a response must be from 200 to 999, not %d", status);
        return 0;
    }
    return 1;
}

static int has_no_body(const Exchange *x, int status) {
    return x->slot->method == METHOD_HEAD || status == 204 || status == 304;
}

void exchange_say(Exchange *x, uint32_t flags) {
    flags |= x->unsaid;
    x->unsaid = 0;
    covet_port_tell(&x->runner->port, x->live, x->id, flags);
    runner_flush(x->runner);
}

/* ---- heads -------------------------------------------------------------------- */

/* Room in the channel for a head and `body_len` bytes of body, with the head
 * written. `otherwise` says whether the head alone will do. NULL: none, and
 * an exception is set unless that is tried next. */
static uint8_t *room_for(Exchange *x, size_t fields_len, size_t body_len, int otherwise) {
    covet_port *port = &x->runner->port;
    size_t need = fields_len + body_len;
    uint8_t *room = NULL;
    if (need <= COVET_RESPONSE_ROOM || need <= port->classes[COVET_CLASSES - 1].block_bytes) {
        room = covet_port_response(port, x->live, x->id, (uint32_t)need);
    }
    if (room == NULL && !otherwise) {
        PyErr_SetString(PyExc_MemoryError, "the engine's memory pool has no room for the response's header fields");
    }
    return room;
}

static int check_fields(const uint8_t *fields, size_t len, uint8_t *flags) {
    if (len > COVET_MAX_FIELDS || fields_flags(fields, len, flags) < 0) {
        PyErr_SetString(PyExc_ValueError, "the header fields must be packed by pack_fields");
        return -1;
    }
    return 0;
}

static void write_head(Exchange *x, int status, int media, uint8_t flags, size_t fields_len, int64_t length) {
    covet_slot *s = x->live;
    s->status = (uint16_t)status;
    s->media_type = (uint8_t)media;
    s->response_flags = has_no_body(x, status) ? flags | COVET_P_NO_BODY : flags;
    s->length = length;
    s->response_fields = (uint32_t)fields_len;
    s->response_body = 0;
    x->started = 1;
}

/* ---- pieces ------------------------------------------------------------------- */

/* Writes as much as there is room for and returns how much that was. */
static Py_ssize_t push(Exchange *x, const uint8_t *bytes, Py_ssize_t len) {
    Py_ssize_t at = 0;
    while (at < len) {
        size_t left = (size_t)(len - at);
        /* The second write of a turn is hardly the last. */
        if (x->open == 0 && !piece_open(x, x->listed && left < COVET_SHARED_PIECE ? COVET_SHARED_PIECE : left)) {
            break;
        }
        size_t room = x->open_size - x->open_len, n = left < room ? left : room;
        memcpy(covet_port_bytes(&x->runner->port, x->open) + x->open_len, bytes + at, n);
        x->open_len += (uint32_t)n;
        at += (Py_ssize_t)n;
        if (n == room) {
            piece_flush(x);
        }
    }
    return at;
}

int exchange_push_kept(Exchange *x) {
    Kept *kept = x->kept;
    if (exchange_lost(x)) {
        kept->at = kept->view.len; /* nobody wants the rest */
    }
    kept->at += push(x, (const uint8_t *)kept->view.buf + kept->at, kept->view.len - kept->at);
    piece_flush(x);
    if (kept->at < kept->view.len) {
        runner_flush(x->runner);
        return 0;
    }
    exchange_say(x, COVET_W_END);
    exchange_drop_kept(x);
    return 1;
}

void exchange_drop_kept(Exchange *x) {
    Kept *kept = x->kept;
    x->kept = NULL;
    if (kept != NULL) {
        PyBuffer_Release(&kept->view);
        PyMem_Free(kept);
    }
}

/* ---- whole responses ------------------------------------------------------------ */

/* Writes head and body into one room. 0: there is none that large or free. */
static int write_whole(Exchange *x, int status, int media, const uint8_t *fields, size_t fields_len, uint8_t flags,
                       const char *body, Py_ssize_t body_len) {
    size_t carried = has_no_body(x, status) ? 0 : (size_t)body_len;
    uint8_t *room = room_for(x, fields_len, carried, 1);
    if (room == NULL) {
        return 0;
    }
    write_head(x, status, media, flags, fields_len, body_len);
    memcpy(room, fields, fields_len);
    if (carried > 0) {
        memcpy(room + fields_len, body, carried);
    }
    x->live->response_body = (uint32_t)carried;
    x->done = 1;
    if (x->runner->stepping == x) {
        x->unsaid |= COVET_W_HEAD | COVET_W_END; /* with DONE, if the handler ends in this step */
    } else {
        exchange_say(x, COVET_W_HEAD | COVET_W_END);
    }
    return 1;
}

/* Writes the head, and the body (taken over) as pieces, now and later. */
static int write_pieces(Exchange *x, int status, int media, const uint8_t *fields, size_t fields_len, uint8_t flags,
                        Kept *kept) {
    uint8_t *room = room_for(x, fields_len, 0, 0);
    if (room == NULL) {
        PyBuffer_Release(&kept->view);
        PyMem_Free(kept);
        return -1;
    }
    write_head(x, status, media, flags, fields_len, kept->view.len);
    memcpy(room, fields, fields_len);
    x->done = 1;
    x->kept = kept;
    exchange_say(x, COVET_W_HEAD);
    return exchange_push_kept(x);
}

/* Writes a whole response. 1: all of it is with the engine, 0: the rest goes
 * out as room comes back, -1: an exception is set. */
int exchange_write(Exchange *x, int status, int media, const uint8_t *fields, Py_ssize_t fields_len, PyObject *body) {
    uint8_t flags;
    char *bytes;
    Py_ssize_t len;
    size_t head = (size_t)fields_len;
    if (!startable(x, status) || check_fields(fields, head, &flags) < 0) {
        return -1;
    }
    int exact = PyBytes_CheckExact(body);
    if (exact && (PyBytes_AsStringAndSize(body, &bytes, &len) < 0 ||
                  write_whole(x, status, media, fields, head, flags, bytes, len))) {
        return PyErr_Occurred() ? -1 : 1;
    }
    Kept *kept = PyMem_Calloc(1, sizeof *kept);
    if (kept == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyObject_GetBuffer(body, &kept->view, PyBUF_SIMPLE) < 0) {
        PyMem_Free(kept);
        return -1;
    }
    if (!exact && !startable(x, status)) { /* asking for a buffer may run any code */
        PyBuffer_Release(&kept->view);
        PyMem_Free(kept);
        return -1;
    }
    if (!exact && write_whole(x, status, media, fields, head, flags, kept->view.buf, kept->view.len)) {
        PyBuffer_Release(&kept->view);
        PyMem_Free(kept);
        return 1;
    }
    return write_pieces(x, status, media, fields, head, flags, kept);
}

/* ---- methods -------------------------------------------------------------------- */

static int media_is_known(int media) {
    if (media >= 0 && media <= 255) {
        return 1;
    }
    PyErr_SetString(PyExc_ValueError, "the media type must be a number of exchange.MediaType");
    return 0;
}

PyObject *exchange_respond(PyObject *self, PyObject *args) {
    int status, media;
    const char *fields;
    Py_ssize_t len;
    PyObject *body;
    if (!PyArg_ParseTuple(args, "iiy#O", &status, &media, &fields, &len, &body) || !media_is_known(media)) {
        return NULL;
    }
    int written = exchange_write((Exchange *)self, status, media, (const uint8_t *)fields, len, body);
    return written < 0 ? NULL : PyBool_FromLong(written);
}

int exchange_head(Exchange *x, int status, int media, const uint8_t *fields, size_t len, int64_t length) {
    uint8_t flags, *room = check_fields(fields, len, &flags) < 0 ? NULL : room_for(x, len, 0, 0);
    if (room != NULL) {
        write_head(x, status, media, flags, len, length);
        memcpy(room, fields, len);
    }
    return room != NULL;
}

PyObject *exchange_start(PyObject *self, PyObject *args) {
    Exchange *x = (Exchange *)self;
    int status, media;
    const char *fields;
    Py_ssize_t len;
    long long length;
    if (!PyArg_ParseTuple(args, "iiy#L", &status, &media, &fields, &len, &length) || !media_is_known(media) ||
        !startable(x, status) ||
        !exchange_head(x, status, media, (const uint8_t *)fields, (size_t)len, length < 0 ? -1 : length)) {
        return NULL;
    }
    exchange_say(x, COVET_W_HEAD);
    Py_RETURN_NONE;
}

static int streaming(const Exchange *x) {
    if (!writable(x)) {
        return 0;
    }
    if (!x->started || x->accepted) {
        PyErr_SetString(PyExc_RuntimeError, "the response has not been started");
    }
    return x->started && !x->accepted;
}

PyObject *exchange_send(PyObject *self, PyObject *data) {
    Exchange *x = (Exchange *)self;
    Py_buffer view;
    if (!streaming(x) || PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (!streaming(x)) { /* asking for a buffer may run any code */
        PyBuffer_Release(&view);
        return NULL;
    }
    x->news = 0;
    Py_ssize_t taken = view.len;
    if (!(x->live->response_flags & COVET_P_NO_BODY) && !exchange_lost(x)) {
        taken = push(x, view.buf, view.len);
        piece_flush_later(x);
    }
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(taken);
}

/* One part of a file for each exchange: the engine says of one whether it has it. */
PyObject *exchange_send_file(PyObject *self, PyObject *args) {
    Exchange *x = (Exchange *)self;
    int descriptor;
    long long offset, length;
    if (!PyArg_ParseTuple(args, "iLL", &descriptor, &offset, &length) || !streaming(x)) {
        return NULL;
    }
    if (x->file_sent || descriptor < 0 || offset < 0 || length <= 0) {
        PyErr_SetString(x->file_sent ? PyExc_RuntimeError : PyExc_ValueError,
                        x->file_sent ? "a file has been sent" : "there is no such part of a file");
        return NULL;
    }
    x->news = 0;
    piece_flush(x);
    if (ring_is_full(x->live)) {
        Py_RETURN_FALSE;
    }
    covet_port *port = &x->runner->port;
    covet_block block = covet_port_alloc(port, sizeof(covet_file), x->id);
    if (block == 0) {
        runner_starve(x);
        Py_RETURN_FALSE;
    }
    covet_file file = {.offset = (uint64_t)offset, .length = (uint64_t)length, .descriptor = (uint32_t)descriptor};
    memcpy(covet_port_bytes(port, block), &file, sizeof file);
    covet_port_push_body(port, x->live, x->id, block, COVET_FILE_PIECE);
    runner_flush(x->runner);
    x->file_sent = 1;
    Py_RETURN_TRUE;
}

PyObject *exchange_finish(PyObject *self, PyObject *unused) {
    Exchange *x = (Exchange *)self;
    (void)unused;
    if (!streaming(x)) {
        return NULL;
    }
    x->done = 1;
    piece_flush(x);
    exchange_say(x, COVET_W_END);
    exchange_settle(x);
    Py_RETURN_NONE;
}

void exchange_cut(Exchange *x) {
    if (x->live == NULL || (x->done && x->kept == NULL && x->first_waiting == NULL)) {
        return;
    }
    x->done = 1;
    if (x->concluded) {
        x->unsaid |= COVET_W_ABORT;
    } else {
        exchange_say(x, COVET_W_ABORT);
    }
    socket_drop_waiting(x);
    exchange_drop_kept(x); /* giving a buffer back may run any code */
    exchange_settle(x);
}

PyObject *exchange_abort(PyObject *self, PyObject *unused) {
    (void)unused;
    exchange_cut((Exchange *)self);
    Py_RETURN_NONE;
}

/* The chain of coroutines goes on without the engine's slot. */
PyObject *exchange_leave_early(PyObject *self, PyObject *unused) {
    Exchange *x = (Exchange *)self;
    (void)unused;
    if (x->live == NULL || x->concluded) {
        Py_RETURN_NONE;
    }
    if (!x->done) {
        PyErr_SetString(PyExc_RuntimeError, "the response is not complete: the exchange cannot be left");
        return NULL;
    }
    x->concluded = x->left = 1;
    x->runner->left++;
    exchange_settle(x);
    Py_RETURN_NONE;
}
