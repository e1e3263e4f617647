/* The piece of an exchange that is being filled: what is written in one turn of the event loop shares it. */
#include "worker.h"

int ring_is_full(const covet_slot *s) {
    return s->out.tail - __atomic_load_n(&s->out.head, __ATOMIC_SEQ_CST) >= COVET_RING;
}

int piece_open(Exchange *x, size_t need) {
    covet_port *port = &x->runner->port;
    uint32_t size = need < COVET_PIECE ? (uint32_t)need : COVET_PIECE;
    if (ring_is_full(x->live)) {
        return 0;
    }
    while ((x->open = covet_port_alloc(port, size, x->id)) == 0 && size > COVET_LEAST_PIECE) {
        size = size / 4 < COVET_LEAST_PIECE ? COVET_LEAST_PIECE : size / 4;
    }
    if (x->open == 0) {
        runner_starve(x);
        return 0;
    }
    x->open_len = 0;
    x->open_size = covet_port_block_size(port, x->open);
    return 1;
}

void piece_flush(Exchange *x) {
    if (x->open == 0 || x->live == NULL) {
        return;
    }
    covet_port_push_body(&x->runner->port, x->live, x->id, x->open, x->open_len);
    x->open = 0;
}

void piece_flush_later(Exchange *x) {
    Runner *r = x->runner;
    if (!x->listed) {
        x->listed = 1;
        Py_INCREF((PyObject *)x);
        x->next_open = r->open_list;
        r->open_list = x;
    }
    runner_flush(r);
}

/* Any exception is kept, as no reference here is an object's last but for exchanges that are over. */
void pieces_flush(Runner *r) {
    while (r->open_list != NULL) {
        Exchange *x = r->open_list;
        r->open_list = x->next_open;
        x->listed = 0;
        piece_flush(x);
        Py_DECREF((PyObject *)x);
    }
}
