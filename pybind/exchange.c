/* One request as Python sees it: fields are read when they are asked for. */
#include "worker.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const methods[] = {"",      "GET",    "HEAD",    "POST",  "PUT",
                                      "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"};

Exchange *exchange_new(Runner *r, covet_id id, covet_slot *slot) {
    Exchange *x = (Exchange *)PyType_GenericAlloc(r->types->exchange, 0);
    if (x == NULL) {
        return NULL;
    }
    Py_INCREF((PyObject *)r);
    x->runner = r;
    x->slot = x->live = slot;
    x->id = id;
    x->data = covet_port_request(&r->port, slot);
    x->status = 200;
    Py_INCREF((PyObject *)x);
    r->live[(uint32_t)id] = x;
    r->in_flight++;
    return x;
}

static size_t data_size(const covet_slot *s) {
    return (size_t)s->params_off + s->num_params * sizeof(covet_span);
}

void exchange_detach(Exchange *x) {
    const size_t fixed = offsetof(covet_slot, engine_flags);
    size_t size = data_size(x->slot);
    uint8_t *copy = PyMem_Malloc(sizeof(covet_slot) + size);
    if (copy == NULL) {
        x->slot = NULL; /* every getter says that the exchange is over */
        x->data = NULL;
        return;
    }
    memset(copy, 0, sizeof(covet_slot));
    memcpy(copy, x->slot, fixed);
    ((covet_slot *)copy)->engine_flags = x->slot->engine_flags;
    ((covet_slot *)copy)->request_flags &= (uint8_t)~COVET_R_BODY_WHOLE;
    memcpy(copy + sizeof(covet_slot), x->data, size);
    x->copy = copy;
    x->slot = (const covet_slot *)copy;
    x->data = copy + sizeof(covet_slot);
}

void exchange_settle(Exchange *x) {
    Runner *r = x->runner;
    if (r == NULL || !x->concluded || !x->done || x->holds_body || x->live == NULL) {
        return;
    }
    Py_CLEAR(x->state);
    Py_CLEAR(x->waiter);
    Py_CLEAR(x->on_cancel);
    covet_slot *slot = x->live;
    x->live = NULL;
    r->live[(uint32_t)x->id] = NULL;
    r->in_flight--;
    /* The table's reference and the caller's are ours; any other may read on. */
    if (Py_REFCNT((PyObject *)x) > 2) {
        exchange_detach(x);
    } else {
        x->slot = NULL;
        x->data = NULL;
    }
    covet_port_tell(&r->port, slot, x->id, COVET_W_DONE);
    x->runner = NULL;
    Py_DECREF((PyObject *)r);
    Py_DECREF((PyObject *)x);
}

static void call_once(PyObject **callback) {
    PyObject *call = *callback;
    *callback = NULL;
    if (call == NULL) {
        return;
    }
    PyObject *result = PyObject_CallObject(call, NULL);
    if (result == NULL) {
        PyErr_WriteUnraisable(call);
    }
    Py_XDECREF(result);
    Py_DECREF(call);
}

static int is_cancelled(const Exchange *x) {
    uint32_t flags = __atomic_load_n(&x->slot->engine_flags, __ATOMIC_SEQ_CST);
    return (flags & (COVET_E_CANCELLED | COVET_E_HALF_CLOSED)) != 0;
}

void exchange_news(Exchange *x) {
    if (x->live == NULL) {
        return;
    }
    if (x->holds_body && exchange_push_kept(x)) {
        exchange_settle(x);
        return;
    }
    if (x->live != NULL && is_cancelled(x)) {
        call_once(&x->on_cancel);
    }
    if (x->live != NULL) {
        call_once(&x->waiter);
    }
}

static void exchange_dealloc(PyObject *self) {
    Exchange *x = (Exchange *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(x->state);
    Py_CLEAR(x->waiter);
    Py_CLEAR(x->on_cancel);
    if (x->holds_body) {
        PyBuffer_Release(&x->body);
    }
    Py_CLEAR(x->runner);
    PyMem_Free(x->copy);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* ---- getters ---------------------------------------------------------------- */

static int gone(const Exchange *x) {
    if (x->slot != NULL) {
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError, "the exchange is over and its request was not kept");
    return 1;
}

static PyObject *bytes_of(const Exchange *x, covet_span span) {
    if ((uint32_t)span.off + span.len > x->slot->head_len) {
        return PyBytes_FromStringAndSize("", 0);
    }
    return PyBytes_FromStringAndSize((const char *)x->data + span.off, span.len);
}

static PyObject *text_of(const Exchange *x, covet_span span) {
    return PyUnicode_DecodeLatin1((const char *)x->data + span.off, span.len, NULL);
}

#define GETTER(name) static PyObject *get_##name(PyObject *self, void *unused)
#define SELF                            \
    Exchange *x = (Exchange *)self;     \
    (void)unused;                       \
    if (gone(x)) {                      \
        return NULL;                    \
    }

GETTER(route) { SELF return PyLong_FromUnsignedLong(x->slot->route); }
GETTER(verdict) { SELF return PyLong_FromLong(x->slot->verdict); }
GETTER(method) {
    SELF
    if (x->slot->method > 0 && x->slot->method < sizeof methods / sizeof *methods) {
        return PyUnicode_FromString(methods[x->slot->method]);
    }
    return text_of(x, x->slot->verb);
}
GETTER(scheme) { SELF return PyUnicode_FromString(x->slot->request_flags & COVET_R_TLS ? "https" : "http"); }
GETTER(http_version) {
    SELF
    static const char *const later[] = {"", "2", "3"};
    return x->slot->proto == 0 ? PyUnicode_FromFormat("1.%d", x->slot->minor)
                               : PyUnicode_FromString(later[x->slot->proto % 3]);
}
GETTER(target) { SELF return bytes_of(x, x->slot->target); }
GETTER(raw_path) { SELF return bytes_of(x, x->slot->path); }
GETTER(query_string) { SELF return bytes_of(x, x->slot->query); }
GETTER(host) { SELF return text_of(x, x->slot->host); }
GETTER(path) {
    SELF
    return decode_text(x->data + x->slot->path.off, x->slot->path.len, 0);
}
GETTER(client) {
    SELF
    char text[INET6_ADDRSTRLEN];
    if (x->slot->request_flags & COVET_R_UNIX) {
        Py_RETURN_NONE;
    }
    int family = x->slot->request_flags & COVET_R_IPV6 ? AF_INET6 : AF_INET;
    if (inet_ntop(family, x->slot->peer, text, sizeof text) == NULL) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(si)", text, (int)x->slot->peer_port);
}
GETTER(server) {
    SELF
    PyObject *host = text_of(x, x->slot->host);
    return host == NULL ? NULL : Py_BuildValue("(Ni)", host, (int)x->slot->local_port);
}
GETTER(content_length) { SELF return PyLong_FromLongLong(x->slot->content_length); }
GETTER(num_params) { SELF return PyLong_FromLong(x->slot->num_params); }
GETTER(cancelled) { SELF return PyBool_FromLong(is_cancelled(x)); }
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
    state = state == NULL ? Py_None : state;
    Py_INCREF(state);
    return state;
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

static uint8_t lower(uint8_t b) { return b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b; }

static PyObject *exchange_header(PyObject *self, PyObject *name) {
    Exchange *x = (Exchange *)self;
    char *want;
    Py_ssize_t len;
    if (gone(x) || PyBytes_AsStringAndSize(name, &want, &len) < 0) {
        return NULL;
    }
    const covet_field *fields = (const covet_field *)(x->data + x->slot->fields_off);
    for (int i = 0; i < x->slot->num_fields; i++) {
        if (fields[i].name.len != len) {
            continue;
        }
        const uint8_t *have = x->data + fields[i].name.off;
        Py_ssize_t k = 0;
        while (k < len && lower(have[k]) == (uint8_t)want[k]) {
            k++;
        }
        if (k == len) {
            return bytes_of(x, fields[i].value);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *exchange_headers(PyObject *self, PyObject *unused) {
    SELF
    const covet_field *fields = (const covet_field *)(x->data + x->slot->fields_off);
    PyObject *list = PyList_New(x->slot->num_fields);
    for (int i = 0; list != NULL && i < x->slot->num_fields; i++) {
        PyObject *name = bytes_of(x, fields[i].name), *value = bytes_of(x, fields[i].value);
        PyObject *pair = name != NULL && value != NULL ? PyTuple_Pack(2, name, value) : NULL;
        if (name != NULL) {
            char *text = PyBytes_AsString(name); /* not shared with anybody yet */
            for (Py_ssize_t k = 0; k < PyBytes_Size(name); k++) {
                text[k] = (char)lower((uint8_t)text[k]);
            }
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
        if (pair == NULL || PyList_SetItem(list, i, pair) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* ---- the request body --------------------------------------------------------- */

static PyObject *exchange_body_whole(PyObject *self, PyObject *unused) {
    SELF
    const covet_slot *s = x->slot;
    if (s->request_flags & COVET_R_BODY_WHOLE) {
        return PyBytes_FromStringAndSize((const char *)x->data + s->body_off, s->body_len);
    }
    if (!(s->request_flags & COVET_R_BODY)) {
        return PyBytes_FromStringAndSize("", 0);
    }
    Py_RETURN_NONE;
}

static PyObject *broken_body(Exchange *x, uint32_t flags) {
    Types *types = x->runner->types;
    if (flags & COVET_E_TOO_LARGE) {
        PyErr_SetString(types->too_large, "the request body is larger than the server allows");
    } else {
        PyErr_SetString(types->broken, "the request body ended before it was complete");
    }
    return NULL;
}

/* From here on malloc maps memory anew for each bytes object, which costs more than it saves. */
#define READ_AT_MOST (96 * 1024)

/* The pieces that have come, as one: a fast client costs fewer turns of the event loop. */
static PyObject *take_pieces(Exchange *x, covet_slot *s) {
    covet_port *port = &x->runner->port;
    const uint8_t *from[COVET_RING];
    size_t len[COVET_RING], total = 0;
    uint32_t head = s->in.head, n = __atomic_load_n(&s->in.tail, __ATOMIC_SEQ_CST) - head;
    if (n > COVET_RING) {
        n = 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        covet_piece piece = s->in.piece[(head + i) % COVET_RING];
        uint32_t room = covet_port_block_size(port, piece.block);
        from[i] = covet_port_bytes(port, piece.block);
        len[i] = piece.len < room ? piece.len : room;
        if (i > 0 && total + len[i] > READ_AT_MOST) {
            n = i;
            break;
        }
        total += len[i];
    }
    PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)total);
    if (data == NULL) {
        return NULL;
    }
    char *to = PyBytes_AsString(data);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(to, from[i], len[i]);
        to += len[i];
        covet_port_drop_body(port, s, x->id);
    }
    runner_flush(x->runner);
    return data;
}

static PyObject *exchange_read(PyObject *self, PyObject *unused) {
    SELF
    if (x->live == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the exchange is over: its body cannot be read any more");
        return NULL;
    }
    covet_slot *s = x->live;
    if (s->request_flags & COVET_R_BODY_WHOLE) {
        PyObject *body = exchange_body_whole(self, NULL);
        s->request_flags &= (uint8_t)~(COVET_R_BODY_WHOLE | COVET_R_BODY);
        if (body == NULL || PyBytes_Size(body) > 0) {
            return body;
        }
        Py_DECREF(body);
    }
    if (!(s->request_flags & COVET_R_BODY)) {
        return PyBytes_FromStringAndSize("", 0);
    }
    uint32_t flags = __atomic_load_n(&s->engine_flags, __ATOMIC_SEQ_CST);
    if (covet_port_peek_body(&x->runner->port, s) != NULL) {
        return take_pieces(x, s);
    }
    if (flags & COVET_E_BODY_BROKEN) {
        return broken_body(x, flags);
    }
    if (flags & COVET_E_BODY_END) {
        return PyBytes_FromStringAndSize("", 0);
    }
    if (s->request_flags & COVET_R_EXPECT && !x->told_continue) {
        x->told_continue = 1;
        covet_port_tell(&x->runner->port, s, x->id, COVET_W_CONTINUE);
        runner_flush(x->runner);
    }
    Py_RETURN_NONE;
}

static PyObject *replace(PyObject **place, PyObject *callback) {
    PyObject *old = *place;
    *place = callback == Py_None ? NULL : callback;
    Py_XINCREF(*place);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *exchange_wait(PyObject *self, PyObject *callback) {
    Exchange *x = (Exchange *)self;
    if (x->live == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the exchange is over: there will be no news of it");
        return NULL;
    }
    return replace(&x->waiter, callback);
}

static PyObject *exchange_on_cancel(PyObject *self, PyObject *callback) {
    Exchange *x = (Exchange *)self;
    if (x->live == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *none = replace(&x->on_cancel, callback);
    if (is_cancelled(x)) {
        call_once(&x->on_cancel);
    }
    return none;
}

static PyMethodDef exchange_methods[] = {
    {"path_str", exchange_path_str, METH_O, NULL},
    {"path_int", exchange_path_int, METH_O, NULL},
    {"path_float", exchange_path_float, METH_O, NULL},
    {"query_str", exchange_query_str, METH_VARARGS, NULL},
    {"query_int", exchange_query_int, METH_VARARGS, NULL},
    {"query_float", exchange_query_float, METH_VARARGS, NULL},
    {"query_bool", exchange_query_bool, METH_VARARGS, NULL},
    {"query_items", exchange_query_items, METH_NOARGS, NULL},
    {"header", exchange_header, METH_O, NULL},
    {"headers", exchange_headers, METH_NOARGS, NULL},
    {"body_whole", exchange_body_whole, METH_NOARGS, NULL},
    {"read", exchange_read, METH_NOARGS, NULL},
    {"wait", exchange_wait, METH_O, NULL},
    {"on_cancel", exchange_on_cancel, METH_O, NULL},
    {"respond", exchange_respond, METH_VARARGS, NULL},
    {"start", exchange_start, METH_VARARGS, NULL},
    {"send", exchange_send, METH_O, NULL},
    {"finish", exchange_finish, METH_NOARGS, NULL},
    {"abort", exchange_abort, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

#define FIELD(name) {#name, get_##name, NULL, NULL, NULL}

static PyGetSetDef exchange_getset[] = {
    FIELD(route),        FIELD(verdict), FIELD(method),         FIELD(scheme),     FIELD(http_version),
    FIELD(target),       FIELD(path),    FIELD(raw_path),       FIELD(host),       FIELD(query_string),
    FIELD(client),       FIELD(server),  FIELD(content_length), FIELD(num_params), FIELD(cancelled),
    FIELD(started),      FIELD(done),    {"state", get_state, set_state, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot exchange_slots[] = {
    {Py_tp_dealloc, exchange_dealloc},
    {Py_tp_methods, exchange_methods},
    {Py_tp_getset, exchange_getset},
    {0, NULL},
};

PyType_Spec exchange_spec = {
    .name = "covet._worker.Exchange",
    .basicsize = sizeof(Exchange),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = exchange_slots,
};
