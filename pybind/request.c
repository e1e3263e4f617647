/* The request of an exchange: fields are read when they are asked for. */
#include "worker.h"

#include <arpa/inet.h>
#include <string.h>

/* The bytes of a span; none if it reaches beyond the head. */
static const char *text_at(const Exchange *x, covet_span span, Py_ssize_t *len) {
    *len = (uint32_t)span.off + span.len <= x->slot->head_len ? span.len : 0;
    return (const char *)x->data + (*len > 0 ? span.off : 0);
}

static PyObject *bytes_of(const Exchange *x, covet_span span) {
    Py_ssize_t len;
    const char *text = text_at(x, span, &len);
    return PyBytes_FromStringAndSize(text, len);
}

static PyObject *latin_of(const Exchange *x, covet_span span) {
    Py_ssize_t len;
    const char *text = text_at(x, span, &len);
    return PyUnicode_DecodeLatin1(text, len, NULL);
}

static PyObject *new_ref(PyObject *object) {
    Py_INCREF(object);
    return object;
}

#define GETTER(name) static PyObject *get_##name(PyObject *self, void *unused)
#define SELF                         \
    Exchange *x = (Exchange *)self;  \
    (void)unused;                    \
    if (!exchange_readable(x)) {     \
        return NULL;                 \
    }

GETTER(route) { SELF return PyLong_FromUnsignedLong(x->slot->route); }
GETTER(verdict) { SELF return PyLong_FromLong(x->slot->verdict); }
GETTER(method) {
    SELF
    uint8_t method = x->slot->method;
    return method != METHOD_OTHER && method < NUM_METHODS ? new_ref(x->runner->types->methods[method])
                                                          : latin_of(x, x->slot->verb);
}
GETTER(scheme) {
    SELF
    static const char *const schemes[] = {"http", "https", "ws", "wss"};
    int socket = x->slot->kind == COVET_KIND_SOCKET, tls = (x->slot->request_flags & COVET_R_TLS) != 0;
    return PyUnicode_FromString(schemes[2 * socket + tls]);
}
GETTER(websocket) { SELF return PyBool_FromLong(x->slot->kind == COVET_KIND_SOCKET); }
GETTER(close_reason) {
    SELF
    const covet_slot *s = x->slot;
    size_t len = s->close_len <= COVET_CLOSE_REASON ? s->close_len : 0;
    return PyUnicode_DecodeUTF8((const char *)s->close_reason, (Py_ssize_t)len, "replace");
}
GETTER(waiting) {
    (void)unused;
    return PyBool_FromLong(((Exchange *)self)->first_waiting != NULL);
}
GETTER(ended) {
    SELF
    return PyBool_FromLong(x->told || exchange_lost(x));
}
GETTER(http_version) {
    SELF
    static const char *const later[] = {"", "2", "3"};
    return x->slot->proto == 0 ? PyUnicode_FromFormat("1.%d", x->slot->minor)
                               : PyUnicode_FromString(later[x->slot->proto % 3]);
}
GETTER(target) { SELF return bytes_of(x, x->slot->target); }
GETTER(raw_path) { SELF return bytes_of(x, x->slot->path); }
GETTER(query_string) { SELF return bytes_of(x, x->slot->query); }
GETTER(host) { SELF return latin_of(x, x->slot->host); }
GETTER(path) {
    SELF
    Py_ssize_t len;
    const char *text = text_at(x, x->slot->path, &len);
    return decode_text((const uint8_t *)text, (size_t)len, 0);
}
GETTER(client) {
    SELF
    char text[INET6_ADDRSTRLEN];
    int family = x->slot->request_flags & COVET_R_IPV6 ? AF_INET6 : AF_INET;
    if (x->slot->request_flags & COVET_R_UNIX || inet_ntop(family, x->slot->peer, text, sizeof text) == NULL) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(si)", text, (int)x->slot->peer_port);
}

GETTER(server) {
    SELF
    char text[INET6_ADDRSTRLEN];
    uint8_t family = x->slot->local_family;
    if (family == 0 || inet_ntop(family == 6 ? AF_INET6 : AF_INET, x->slot->local, text, sizeof text) == NULL) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(si)", text, (int)x->slot->local_port);
}
GETTER(raw_root) {
    SELF
    covet_span root = x->slot->path;
    root.len = x->slot->root_len <= root.off ? x->slot->root_len : 0;
    root.off = (uint16_t)(root.off - root.len);
    return bytes_of(x, root);
}
GETTER(content_length) { SELF return PyLong_FromLongLong(x->slot->content_length); }
GETTER(num_params) { SELF return PyLong_FromLong(x->slot->num_params); }
GETTER(cancelled) { SELF return PyBool_FromLong(exchange_told_to_stop(x)); }
GETTER(lost) { SELF return PyBool_FromLong(exchange_lost(x)); }
GETTER(started) {
    (void)unused;
    return PyBool_FromLong(((Exchange *)self)->started);
}
GETTER(done) {
    (void)unused;
    return PyBool_FromLong(((Exchange *)self)->done);
}
GETTER(state) {
    (void)unused;
    PyObject *state = ((Exchange *)self)->state;
    return new_ref(state == NULL ? Py_None : state);
}

static int set_state(PyObject *self, PyObject *value, void *unused) {
    Exchange *x = (Exchange *)self;
    (void)unused;
    PyObject *old = x->state;
    if (x->live == NULL) {
        value = NULL; /* nothing would clear the cycle any more */
    }
    Py_XINCREF(value);
    x->state = value;
    Py_XDECREF(old);
    return 0;
}

static PyObject *get_file_taken(PyObject *self, void *closure) {
    const Exchange *x = (const Exchange *)self;
    (void)closure;
    if (!exchange_readable(x)) {
        return NULL;
    }
    uint32_t flags = __atomic_load_n(&x->slot->engine_flags, __ATOMIC_SEQ_CST);
    if (flags & COVET_E_FILE_TAKEN) {
        Py_RETURN_TRUE;
    }
    if (flags & COVET_E_FILE_REFUSED) {
        Py_RETURN_FALSE;
    }
    Py_RETURN_NONE;
}

#define FIELD(name) {#name, get_##name, NULL, NULL, NULL}

PyGetSetDef exchange_getset[] = {
    FIELD(route),        FIELD(verdict), FIELD(method),         FIELD(scheme),     FIELD(http_version),
    FIELD(target),       FIELD(path),    FIELD(raw_path),       FIELD(host),       FIELD(query_string),
    FIELD(client),       FIELD(server),  FIELD(content_length), FIELD(num_params), FIELD(cancelled),
    FIELD(lost),         FIELD(started), FIELD(done),           {"state", get_state, set_state, NULL, NULL},
    FIELD(file_taken),   FIELD(raw_root),
    FIELD(websocket),    FIELD(close_reason),    FIELD(waiting),        FIELD(ended),
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- header fields ------------------------------------------------------------ */

static uint8_t lower(uint8_t b) { return b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b; }

PyObject *exchange_header(PyObject *self, PyObject *name) {
    Exchange *x = (Exchange *)self;
    char *want;
    Py_ssize_t len;
    if (!exchange_readable(x) || PyBytes_AsStringAndSize(name, &want, &len) < 0) {
        return NULL;
    }
    const covet_field *fields = (const covet_field *)(x->data + x->slot->fields_off);
    for (int i = 0; i < x->slot->num_fields; i++) {
        if (fields[i].name.len != len) {
            continue;
        }
        Py_ssize_t have_len, k = 0;
        const char *have = text_at(x, fields[i].name, &have_len);
        while (k < have_len && lower((uint8_t)have[k]) == (uint8_t)want[k]) {
            k++;
        }
        if (k == len) {
            return bytes_of(x, fields[i].value);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *lower_name(const Exchange *x, covet_span span) {
    char room[64]; /* known_name wants the name as a whole */
    Py_ssize_t len;
    const char *text = text_at(x, span, &len);
    char *copy = len <= (Py_ssize_t)sizeof room ? room : PyMem_Malloc((size_t)len);
    if (copy == NULL) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < len; i++) {
        copy[i] = (char)lower((uint8_t)text[i]);
    }
    PyObject *name = known_name(x->runner->types, copy, (size_t)len);
    if (copy != room) {
        PyMem_Free(copy);
    }
    return name;
}

PyObject *exchange_headers(PyObject *self, PyObject *unused) {
    SELF
    int count = x->slot->num_fields;
    PyObject *list = PyList_New(count);
    for (int i = 0; list != NULL && i < count; i++) {
        /* A new list or tuple may start the garbage collector, and that may end the exchange. */
        if (!exchange_readable(x)) {
            Py_CLEAR(list);
            break;
        }
        const covet_field *field = (const covet_field *)(x->data + x->slot->fields_off) + i;
        PyObject *name = lower_name(x, field->name), *value = bytes_of(x, field->value);
        PyObject *pair = name != NULL && value != NULL ? PyTuple_Pack(2, name, value) : NULL;
        Py_XDECREF(name);
        Py_XDECREF(value);
        if (pair == NULL || PyList_SetItem(list, i, pair) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* ---- the body ----------------------------------------------------------------- */

static PyObject *inline_body(const Exchange *x) {
    return PyBytes_FromStringAndSize((const char *)x->data + x->slot->body_off, x->slot->body_len);
}

PyObject *exchange_body_whole(PyObject *self, PyObject *unused) {
    SELF
    if (x->slot->request_flags & COVET_R_BODY_WHOLE) {
        return inline_body(x);
    }
    if (!(x->slot->request_flags & COVET_R_BODY)) {
        return PyBytes_FromStringAndSize("", 0);
    }
    Py_RETURN_NONE;
}

static PyObject *broken_body(const Exchange *x, uint32_t flags) {
    const Types *types = x->runner->types;
    if (flags & COVET_E_TOO_LARGE) {
        PyErr_SetString(types->too_large, "the request body is larger than the server allows");
    } else {
        PyErr_SetString(types->broken, "the request body ended before it was complete");
    }
    return NULL;
}

/* From here on malloc maps memory anew for each bytes object, which costs more than it saves. */
#define READ_AT_MOST (96 * 1024)

typedef struct {
    const uint8_t *from[COVET_RING];
    size_t len[COVET_RING], total;
    uint32_t count;
} Pieces;

/* The pieces that have come, up to READ_AT_MOST bytes, but one at least. */
static void look_at_pieces(const Exchange *x, Pieces *p) {
    const covet_port *port = &x->runner->port;
    const covet_slot *s = x->live;
    uint32_t head = s->in.head, n = __atomic_load_n(&s->in.tail, __ATOMIC_SEQ_CST) - head;
    p->total = p->count = 0;
    for (uint32_t i = 0; i < n && i < COVET_RING; i++) {
        covet_piece piece = s->in.piece[(head + i) % COVET_RING];
        const uint8_t *from = covet_port_bytes(port, piece.block);
        uint32_t room = covet_port_block_size(port, piece.block);
        size_t len = piece.len < room ? piece.len : room;
        if (from == NULL || (i > 0 && p->total + len > READ_AT_MOST)) {
            return;
        }
        p->from[i] = from;
        p->len[i] = len;
        p->total += len;
        p->count++;
    }
}

/* Takes those pieces as one: a fast client costs fewer turns of the event loop. */
static PyObject *take_pieces(Exchange *x) {
    Pieces p;
    look_at_pieces(x, &p);
    PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)p.total);
    if (data == NULL) {
        return NULL;
    }
    char *to = PyBytes_AsString(data);
    for (uint32_t i = 0; i < p.count; i++) {
        memcpy(to, p.from[i], p.len[i]);
        to += p.len[i];
        covet_port_drop_body(&x->runner->port, x->live, x->id);
    }
    runner_flush(x->runner);
    return data;
}

PyObject *exchange_read(PyObject *self, PyObject *unused) {
    Exchange *x = (Exchange *)self;
    (void)unused;
    if (x->live == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the exchange is over: its body cannot be read any more");
        return NULL;
    }
    x->news = 0;
    if (x->slot->request_flags & COVET_R_BODY_WHOLE && !x->took_whole) {
        x->took_whole = 1;
        return inline_body(x);
    }
    if (x->took_whole || !(x->slot->request_flags & COVET_R_BODY)) {
        return PyBytes_FromStringAndSize("", 0);
    }
    /* The flags first: a body that has ended by them is in the ring by then. */
    uint32_t flags = __atomic_load_n(&x->live->engine_flags, __ATOMIC_SEQ_CST);
    if (covet_port_peek_body(&x->runner->port, x->live) != NULL) {
        return take_pieces(x);
    }
    if (flags & (COVET_E_BODY_BROKEN | COVET_E_CANCELLED)) {
        return broken_body(x, flags);
    }
    if (flags & COVET_E_BODY_END) {
        return PyBytes_FromStringAndSize("", 0);
    }
    if (x->slot->request_flags & COVET_R_EXPECT && !x->told_continue) {
        x->told_continue = 1;
        exchange_say(x, COVET_W_CONTINUE);
    }
    Py_RETURN_NONE;
}
