/* The engine's side of the channel for tests of the worker module: one thread
 * posts requests, takes answers and plays the client. */
#include "channel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    uint8_t *base;
    uint64_t total;
    covet_header *h;
    covet_worker *worker;
    covet_loop *loop;
    covet_cell *inbox, *notices;
    covet_id *outbox;
    covet_marks *marks;
    covet_slot *slots;
    uint8_t *used;
    int memory, worker_bell, loop_bell;
} engine;

/* One request; spans are offset and length in the head. */
typedef struct {
    uint32_t route;
    uint16_t verdict;
    uint8_t method, minor, flags, num_fields, num_params, proto;
    uint8_t peer[16];
    uint16_t peer_port, local_port, root_len;
    uint8_t local_family, local[16];
    int64_t content_length;
    uint16_t spans[10]; /* verb, target, path, query, host */
    const uint8_t *head;
    uint32_t head_len;
    const uint16_t *fields; /* four numbers each */
    const uint16_t *params; /* two numbers each */
    const uint8_t *body;
    uint32_t body_len;
} request;

static uint64_t place(uint64_t *at, uint64_t bytes) {
    uint64_t start = (*at + 4095) & ~4095ull;
    *at = start + bytes;
    return start;
}

static covet_cell *queue(engine *e, uint64_t offset, uint32_t cells) {
    covet_cell *q = (covet_cell *)(e->base + offset);
    for (uint32_t i = 0; i < cells; i++) {
        q[i].sequence = i;
    }
    return q;
}

static uint32_t power(uint32_t n) {
    uint32_t p = 2;
    while (p < n) {
        p *= 2;
    }
    return p;
}

engine *engine_new(uint32_t slots, const uint32_t *blocks) {
    static const uint32_t bytes[COVET_CLASSES] = {4096, 16384, 65536, 262144};
    engine *e = calloc(1, sizeof *e);
    covet_header h = {.magic = COVET_MAGIC, .version = COVET_VERSION, .header_bytes = sizeof h, .workers = 1, .loops = 1};
    uint64_t at = sizeof h;
    h.slots = h.slots_per_loop = slots;
    h.inbox_cells = h.outbox_cells = power(slots);
    h.notice_cells = power(2 * slots);
    h.worker_records = place(&at, sizeof(covet_worker));
    h.loop_records = place(&at, sizeof(covet_loop));
    h.inboxes = place(&at, h.inbox_cells * sizeof(covet_cell));
    h.notices = place(&at, h.notice_cells * sizeof(covet_cell));
    h.outboxes = place(&at, h.outbox_cells * sizeof(covet_id));
    h.outbox_marks = place(&at, sizeof(covet_marks));
    h.slot_base = place(&at, (uint64_t)slots * sizeof(covet_slot));
    for (int i = 0; i < COVET_CLASSES; i++) {
        h.classes[i].block_bytes = bytes[i];
        h.classes[i].count = blocks[i];
        h.classes[i].links = place(&at, (uint64_t)blocks[i] * sizeof(covet_link));
        h.classes[i].blocks = place(&at, (uint64_t)blocks[i] * bytes[i]);
    }
    h.total_bytes = e->total = (at + 4095) & ~4095ull;
    e->memory = memfd_create("channel", MFD_CLOEXEC);
    if (e->memory < 0 || ftruncate(e->memory, (off_t)e->total) < 0) {
        abort();
    }
    e->base = mmap(NULL, e->total, PROT_READ | PROT_WRITE, MAP_SHARED, e->memory, 0);
    e->h = (covet_header *)e->base;
    *e->h = h;
    e->worker = (covet_worker *)(e->base + h.worker_records);
    e->loop = (covet_loop *)(e->base + h.loop_records);
    e->inbox = queue(e, h.inboxes, h.inbox_cells);
    e->notices = queue(e, h.notices, h.notice_cells);
    e->outbox = (covet_id *)(e->base + h.outboxes);
    e->marks = (covet_marks *)(e->base + h.outbox_marks);
    e->slots = (covet_slot *)(e->base + h.slot_base);
    e->used = calloc(slots, 1);
    e->worker_bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    e->loop_bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    e->loop->sleeping = 1;
    return e;
}

void engine_free(engine *e) {
    munmap(e->base, e->total);
    close(e->memory);
    close(e->worker_bell);
    close(e->loop_bell);
    free(e->used);
    free(e);
}

int engine_fd(const engine *e, int which) {
    return which == 0 ? e->memory : which == 1 ? e->worker_bell : e->loop_bell;
}

static void push(covet_cell *q, uint64_t *tail, uint32_t cells, covet_id id) {
    uint64_t at = __atomic_fetch_add(tail, 1, __ATOMIC_SEQ_CST);
    covet_cell *cell = &q[at & (cells - 1)];
    if (__atomic_load_n(&cell->sequence, __ATOMIC_SEQ_CST) != at) {
        abort(); /* the test posted more than there is room for */
    }
    cell->id = id;
    __atomic_store_n(&cell->sequence, at + 1, __ATOMIC_SEQ_CST);
}

void engine_ring(engine *e) {
    uint64_t one = 1;
    if (__atomic_exchange_n(&e->worker->sleeping, 0, __ATOMIC_SEQ_CST) != 0 &&
        write(e->worker_bell, &one, sizeof one) < 0) {
        abort();
    }
}

static covet_slot *slot_of(const engine *e, covet_id id) { return &e->slots[(uint32_t)id]; }

static covet_block take_block(engine *e, uint32_t need, covet_id owner) {
    for (uint32_t c = 0; c < COVET_CLASSES; c++) {
        covet_class *k = &e->h->classes[c];
        covet_link *links = (covet_link *)(e->base + k->links);
        for (uint32_t i = 0; need <= k->block_bytes && i < k->count; i++) {
            if (i < k->fresh) {
                continue; /* in the free list, or somebody's */
            }
            k->fresh = i + 1;
            k->in_use++;
            links[i].owner = owner;
            return c << COVET_BLOCK_CLASS_SHIFT | (i + 1);
        }
    }
    return 0;
}

static uint8_t *bytes_of(const engine *e, covet_block b) {
    covet_class *k = &e->h->classes[b >> COVET_BLOCK_CLASS_SHIFT];
    return e->base + k->blocks + (uint64_t)((b & COVET_BLOCK_INDEX_MASK) - 1) * k->block_bytes;
}

static void free_block(engine *e, covet_block b) {
    if (b == 0) {
        return;
    }
    covet_class *k = &e->h->classes[b >> COVET_BLOCK_CLASS_SHIFT];
    covet_link *links = (covet_link *)(e->base + k->links);
    uint32_t i = (b & COVET_BLOCK_INDEX_MASK) - 1;
    if (links[i].owner == 0) {
        abort(); /* freed twice */
    }
    links[i].owner = 0;
    links[i].next = (uint32_t)k->free_head;
    k->free_head = ((k->free_head >> 32) + 1) << 32 | (i + 1);
    k->in_use--;
}

int64_t engine_blocks_in_use(const engine *e) {
    int64_t n = 0;
    for (int i = 0; i < COVET_CLASSES; i++) {
        n += e->h->classes[i].in_use;
    }
    return n;
}

static uint8_t *room_for(engine *e, covet_slot *s, covet_id id, uint32_t need) {
    if (need <= COVET_REQUEST_ROOM) {
        return s->request_room;
    }
    s->request_block = take_block(e, need, id);
    return s->request_block == 0 ? NULL : bytes_of(e, s->request_block);
}

covet_id engine_post(engine *e, const request *r) {
    uint32_t i = 0;
    while (i < e->h->slots && e->used[i]) {
        i++;
    }
    if (i == e->h->slots) {
        return 0;
    }
    e->used[i] = 1;
    covet_slot *s = &e->slots[i];
    uint32_t generation = s->generation + (s->generation == 0);
    memset(s, 0, offsetof(covet_slot, request_room));
    s->generation = generation;
    covet_id id = (covet_id)generation << 32 | i;
    s->claim = COVET_CLAIM(generation, COVET_NO_WORKER);
    s->route = r->route, s->verdict = r->verdict, s->method = r->method, s->minor = r->minor, s->proto = r->proto;
    s->request_flags = r->flags, s->num_fields = r->num_fields, s->num_params = r->num_params;
    s->content_length = r->content_length, s->peer_port = r->peer_port, s->local_port = r->local_port;
    memcpy(s->peer, r->peer, 16);
    s->local_family = r->local_family, s->root_len = r->root_len;
    memcpy(s->local, r->local, 16);
    memcpy(&s->verb, r->spans, sizeof r->spans);
    s->head_len = r->head_len;
    s->fields_off = (r->head_len + 7) & ~7u;
    s->params_off = s->fields_off + r->num_fields * (uint32_t)sizeof(covet_field);
    s->body_off = s->params_off + r->num_params * (uint32_t)sizeof(covet_span);
    s->body_len = r->body_len;
    uint8_t *room = room_for(e, s, id, s->body_off + r->body_len);
    if (room == NULL) {
        abort();
    }
    memcpy(room, r->head, r->head_len);
    memcpy(room + s->fields_off, r->fields, r->num_fields * sizeof(covet_field));
    memcpy(room + s->params_off, r->params, r->num_params * sizeof(covet_span));
    memcpy(room + s->body_off, r->body, r->body_len);
    push(e->inbox, &e->worker->inbox_tail, e->h->inbox_cells, id);
    return id;
}

/* The next id that the worker has told something about; 0 if there is none. */
covet_id engine_next(engine *e) {
    uint64_t head = e->marks->head;
    if (__atomic_load_n(&e->marks->tail, __ATOMIC_SEQ_CST) == head) {
        return 0;
    }
    covet_id id = e->outbox[head & (e->h->outbox_cells - 1)];
    e->marks->head = head + 1;
    __atomic_fetch_and(&slot_of(e, id)->worker_flags, ~COVET_W_NOTICED, __ATOMIC_SEQ_CST);
    return id;
}

uint32_t engine_worker_flags(const engine *e, covet_id id) {
    return __atomic_load_n(&slot_of(e, id)->worker_flags, __ATOMIC_SEQ_CST);
}

uint8_t engine_request_flags(const engine *e, covet_id id) { return slot_of(e, id)->request_flags; }

/* Status, media type, flags, length, and the sizes of fields and first body. */
const uint8_t *engine_head(const engine *e, covet_id id, int64_t *out) {
    const covet_slot *s = slot_of(e, id);
    out[0] = s->status, out[1] = s->media_type, out[2] = s->response_flags, out[3] = s->length;
    out[4] = s->response_fields, out[5] = s->response_body;
    return s->response_block == 0 ? s->response_room : bytes_of(e, s->response_block);
}

/* Takes the oldest piece of the response body: its size, or -1 if there is none. */
int64_t engine_take(engine *e, covet_id id, uint8_t *to) {
    covet_slot *s = slot_of(e, id);
    if (s->out.head == __atomic_load_n(&s->out.tail, __ATOMIC_SEQ_CST)) {
        return -1;
    }
    covet_piece p = s->out.piece[s->out.head % COVET_RING];
    memcpy(to, bytes_of(e, p.block), p.len);
    __atomic_store_n(&s->out.head, s->out.head + 1, __ATOMIC_SEQ_CST);
    free_block(e, p.block);
    return p.len;
}

/* Gives the worker a piece of the request body; 0 if the ring is full. */
int engine_give(engine *e, covet_id id, const uint8_t *bytes, uint32_t len) {
    covet_slot *s = slot_of(e, id);
    if (s->in.tail - __atomic_load_n(&s->in.head, __ATOMIC_SEQ_CST) >= COVET_RING) {
        return 0;
    }
    covet_block b = take_block(e, len, id);
    if (b == 0) {
        return 0;
    }
    memcpy(bytes_of(e, b), bytes, len);
    s->in.piece[s->in.tail % COVET_RING] = (covet_piece){b, len};
    __atomic_store_n(&s->in.tail, s->in.tail + 1, __ATOMIC_SEQ_CST);
    return 1;
}

void engine_raise(engine *e, covet_id id, uint32_t flags) {
    __atomic_fetch_or(&slot_of(e, id)->engine_flags, flags, __ATOMIC_SEQ_CST);
}

void engine_notify(engine *e, covet_id id) {
    covet_slot *s = slot_of(e, id);
    uint32_t generation = (uint32_t)(id >> 32);
    if ((uint32_t)__atomic_load_n(&s->claim, __ATOMIC_SEQ_CST) != COVET_NO_WORKER &&
        __atomic_exchange_n(&s->worker_noticed, generation, __ATOMIC_SEQ_CST) != generation) {
        push(e->notices, &e->worker->notice_tail, e->h->notice_cells, id);
    }
}

/* Frees what is left in the slot and makes its id stale. The room is spoilt,
 * so that a worker that still looks at it is found out. */
void engine_release(engine *e, covet_id id) {
    covet_slot *s = slot_of(e, id);
    if (s->generation != (uint32_t)(id >> 32) || (engine_worker_flags(e, id) & COVET_W_DONE) == 0) {
        abort();
    }
    free_block(e, s->request_block);
    free_block(e, s->response_block);
    for (; s->in.head != s->in.tail; s->in.head++) {
        free_block(e, s->in.piece[s->in.head % COVET_RING].block);
    }
    for (; s->out.head != s->out.tail; s->out.head++) {
        free_block(e, s->out.piece[s->out.head % COVET_RING].block);
    }
    memset(s->request_room, 0xA5, sizeof s->request_room);
    memset(s->response_room, 0xA5, sizeof s->response_room);
    s->generation++;
    e->used[(uint32_t)id] = 0;
}

uint64_t engine_begun(const engine *e) { return e->worker->begun; }
uint64_t engine_finished(const engine *e) { return e->worker->finished; }
uint32_t engine_worker_state(const engine *e) { return e->worker->state; }

/* Sets a figure by its name; 0 if there is none of that name. */
int engine_show(engine *e, const char *name, uint64_t value) {
#define WORD(record, member) {#member, &(record)->member, sizeof (record)->member}
    const struct {
        const char *name;
        void *at;
        size_t bytes;
    } figures[] = {
        WORD(e->h, started_at),     WORD(e->loop, connections), WORD(e->loop, accepted),  WORD(e->loop, requests),
        WORD(e->loop, in_flight),   WORD(e->loop, refused),     WORD(e->loop, held),      WORD(e->worker, state),
        WORD(e->worker, table),     WORD(e->worker, sleeping),  WORD(e->worker, begun),   WORD(e->worker, finished),
        WORD(e->worker, inbox_tail), WORD(e->worker, inbox_head), WORD(e->worker, blocked_since),
    };
#undef WORD
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        if (strcmp(figures[i].name, name) == 0) {
            memcpy(figures[i].at, &value, figures[i].bytes); /* of a small figure its low bytes: little-endian */
            return 1;
        }
    }
    return 0;
}
