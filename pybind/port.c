#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOAD(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define LOAD_RELAXED(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define LOAD_ORDERED(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define STORE_ORDERED(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define SWAP(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define CAS(p, old, new) __atomic_compare_exchange_n((p), (old), (new), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* ---- attach and detach ------------------------------------------------------ */

static int is_power(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

/* Whether `count` things of `size` bytes at `offset` lie inside the channel. */
static int fits(const covet_port *port, uint64_t offset, uint64_t count, uint64_t size) {
    uint64_t bytes;
    return offset % 8 == 0 && !__builtin_mul_overflow(count, size, &bytes) && offset <= port->total_bytes &&
           bytes <= port->total_bytes - offset;
}

static int counts_are_sound(const covet_port *port, const covet_header *h) {
    return h->magic == COVET_MAGIC && h->version == COVET_VERSION && h->header_bytes == sizeof(covet_header) &&
           h->total_bytes <= port->total_bytes && h->workers <= COVET_MAX_WORKERS && h->loops <= COVET_MAX_LOOPS &&
           is_power(h->inbox_cells) && is_power(h->notice_cells) && is_power(h->outbox_cells) &&
           (uint64_t)h->slots_per_loop * h->loops == h->slots && h->outbox_cells >= h->slots_per_loop &&
           h->notice_cells / 2 >= h->slots;
}

static int parts_fit(const covet_port *port, const covet_header *h) {
    uint64_t pairs = (uint64_t)h->loops * h->workers;
    return fits(port, h->worker_records, h->workers, sizeof(covet_worker)) &&
           fits(port, h->loop_records, h->loops, sizeof(covet_loop)) &&
           fits(port, h->inboxes, (uint64_t)h->workers * h->inbox_cells, sizeof(covet_cell)) &&
           fits(port, h->notices, (uint64_t)h->workers * h->notice_cells, sizeof(covet_cell)) &&
           fits(port, h->outboxes, pairs * h->outbox_cells, sizeof(covet_id)) &&
           fits(port, h->outbox_marks, pairs, sizeof(covet_marks)) &&
           fits(port, h->slot_base, h->slots, sizeof(covet_slot));
}

static int adopt_classes(covet_port *port, const covet_header *h) {
    for (int i = 0; i < COVET_CLASSES; i++) {
        const covet_class *from = &h->classes[i];
        if (!is_power(from->block_bytes) || from->count > COVET_BLOCK_INDEX_MASK ||
            !fits(port, from->blocks, from->count, from->block_bytes) ||
            !fits(port, from->links, from->count, sizeof(covet_link))) {
            return 0;
        }
        port->classes[i] = (covet_port_class){
            .shared = &port->header->classes[i],
            .links = (covet_link *)(port->base + from->links),
            .blocks = port->base + from->blocks,
            .block_bytes = from->block_bytes,
            .count = from->count,
        };
    }
    return 1;
}

static covet_port_queue inbox_of(const covet_port *port, uint32_t worker) {
    return (covet_port_queue){
        .cells = port->inboxes + (uint64_t)worker * port->inbox_cells,
        .mask = port->inbox_cells - 1u,
        .head = &port->records[worker].inbox_head,
        .tail = &port->records[worker].inbox_tail,
    };
}

static void adopt_queues(covet_port *port, const covet_header *h) {
    port->inboxes = (covet_cell *)(port->base + h->inboxes);
    port->inbox_cells = h->inbox_cells;
    covet_cell *notices = (covet_cell *)(port->base + h->notices);
    port->inbox = inbox_of(port, port->worker);
    port->notices = (covet_port_queue){
        .cells = notices + (uint64_t)port->worker * h->notice_cells,
        .mask = h->notice_cells - 1u,
        .head = &port->self->notice_head,
        .tail = &port->self->notice_tail,
    };
}

static void adopt_loops(covet_port *port, const covet_header *h) {
    port->outbox_mask = h->outbox_cells - 1u;
    for (uint32_t i = 0; i < port->loops; i++) {
        uint64_t pair = (uint64_t)i * h->workers + port->worker;
        covet_port_loop *loop = &port->loop[i];
        loop->outbox = (covet_id *)(port->base + h->outboxes) + pair * h->outbox_cells;
        loop->marks = (covet_marks *)(port->base + h->outbox_marks) + pair;
        loop->record = (covet_loop *)(port->base + h->loop_records) + i;
        loop->tail = loop->published = LOAD(&loop->marks->tail);
    }
}

/* Takes the layout from one copy of the header: what is checked is what is used. */
static int adopt(covet_port *port, uint32_t worker, uint32_t loops) {
    covet_header h;
    memcpy(&h, port->base, sizeof h);
    if (!counts_are_sound(port, &h) || worker >= h.workers || loops != h.loops || !parts_fit(port, &h) ||
        !adopt_classes(port, &h)) {
        return -EPROTO;
    }
    port->worker = worker;
    port->loops = loops;
    port->slots = h.slots;
    port->all_slots = (covet_slot *)(port->base + h.slot_base);
    port->workers = h.workers;
    port->records = (covet_worker *)(port->base + h.worker_records);
    port->self = port->records + worker;
    adopt_queues(port, &h);
    adopt_loops(port, &h);
    return 0;
}

static int duplicate(int fd, int *to) {
    *to = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return *to < 0 ? -errno : 0;
}

static int duplicate_doorbells(covet_port *port, int doorbell, const int *loop_doorbells) {
    int status = duplicate(doorbell, &port->doorbell);
    for (uint32_t i = 0; status == 0 && i < port->loops; i++) {
        status = duplicate(loop_doorbells[i], &port->loop[i].doorbell);
    }
    return status;
}

int covet_port_attach(covet_port *port, int memfd, uint32_t worker, int doorbell, const int *loop_doorbells,
                      uint32_t loops) {
    struct stat info;
    memset(port, 0, sizeof *port);
    port->doorbell = -1;
    for (int i = 0; i < COVET_MAX_LOOPS; i++) {
        port->loop[i].doorbell = -1;
    }
    if (fstat(memfd, &info) < 0) {
        return -errno;
    }
    if (info.st_size < (off_t)sizeof(covet_header)) {
        return -EPROTO;
    }
    void *base = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    port->base = base;
    port->total_bytes = (uint64_t)info.st_size;
    port->header = base;
    int status = adopt(port, worker, loops);
    if (status == 0) {
        status = duplicate_doorbells(port, doorbell, loop_doorbells);
    }
    if (status < 0) {
        port->self = NULL; /* the place was not taken */
        covet_port_detach(port);
        return status;
    }
    STORE(&port->self->pid, (uint32_t)getpid());
    STORE(&port->self->state, COVET_WORKER_READY);
    return 0;
}

static void close_if_open(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

void covet_port_detach(covet_port *port) {
    if (port->base == NULL) {
        return;
    }
    if (port->self != NULL) {
        STORE_ORDERED(&port->self->sleeping, 0);
        STORE(&port->self->state, COVET_WORKER_ABSENT);
    }
    close_if_open(port->doorbell);
    for (int i = 0; i < COVET_MAX_LOOPS; i++) {
        close_if_open(port->loop[i].doorbell);
    }
    munmap(port->base, (size_t)port->total_bytes);
    memset(port, 0, sizeof *port);
}

/* ---- queues --------------------------------------------------------------- */

static int pop(const covet_port_queue *q, covet_id *id) {
    uint64_t at = LOAD_RELAXED(q->head);
    for (;;) {
        covet_cell *cell = &q->cells[at & q->mask];
        int64_t lead = (int64_t)(LOAD(&cell->sequence) - (at + 1));
        if (lead < 0) {
            return 0;
        }
        if (lead > 0) {
            at = LOAD_RELAXED(q->head);
        } else if (__atomic_compare_exchange_n(q->head, &at, at + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            *id = cell->id;
            STORE(&cell->sequence, at + q->mask + 1);
            return 1;
        }
    }
}

static int empty(const covet_port_queue *q) {
    uint64_t at = LOAD_ORDERED(q->head);
    return (int64_t)(LOAD_ORDERED(&q->cells[at & q->mask].sequence) - (at + 1)) < 0;
}

/* The slot of an id, whoever works on it; NULL if the id is stale. */
static covet_slot *slot_of(const covet_port *port, covet_id id) {
    uint32_t index = (uint32_t)id;
    if (index >= port->slots) {
        return NULL;
    }
    covet_slot *slot = &port->all_slots[index];
    return LOAD(&slot->generation) == (uint32_t)(id >> 32) ? slot : NULL;
}

/* Every exchange begun may put one notice into the queue, so those that are
 * begun and those that wait together must not exceed its cells. */
static int may_begin(const covet_port *port) {
    const covet_port_queue *q = &port->notices;
    return LOAD_RELAXED(q->tail) - LOAD_RELAXED(q->head) <= q->mask + 1 - port->slots;
}

/* Whether the exchange is this worker's now. It comes before the first look at the flags and pieces: the engine
 * writes those, then looks at the claim. */
static uint32_t claim(const covet_port *port, covet_slot *slot, covet_id id) {
    uint64_t nobody = COVET_CLAIM(id >> 32, COVET_NO_WORKER);
    return CAS(&slot->claim, &nobody, COVET_CLAIM(id >> 32, port->worker)) ? 1 : 0;
}

uint32_t covet_port_take(covet_port *port, covet_id *ids, uint32_t max) {
    uint32_t n = 0;
    if (!may_begin(port)) {
        return 0;
    }
    while (n < max && pop(&port->inbox, &ids[n])) {
        covet_slot *slot = slot_of(port, ids[n]);
        if (slot != NULL) {
            n += claim(port, slot, ids[n]);
        }
    }
    if (n > 0) {
        STORE(&port->self->begun, port->self->begun + n);
    }
    return n;
}

/* Pops from the inbox of an awake worker that has the same routes. */
static int pop_from_others(const covet_port *port, covet_id *id) {
    for (uint32_t i = 1; i < port->workers; i++) {
        uint32_t number = (port->worker + i) % port->workers;
        covet_worker *other = &port->records[number];
        if (LOAD(&other->table) != LOAD(&port->self->table) || LOAD(&other->sleeping) != 0) {
            continue;
        }
        covet_port_queue q = inbox_of(port, number);
        if (pop(&q, id)) {
            return 1;
        }
    }
    return 0;
}

uint32_t covet_port_steal(covet_port *port, covet_id *id) {
    if (LOAD(&port->self->table) == 0 || LOAD(&port->self->state) != COVET_WORKER_READY || !may_begin(port)) {
        return 0;
    }
    while (pop_from_others(port, id)) {
        covet_slot *slot = slot_of(port, *id);
        if (slot != NULL && claim(port, slot, *id)) {
            STORE(&port->self->begun, port->self->begun + 1);
            return 1;
        }
    }
    return 0;
}

uint32_t covet_port_notices(covet_port *port, covet_id *ids, uint32_t max) {
    uint32_t n = 0;
    while (n < max && pop(&port->notices, &ids[n])) {
        covet_slot *slot = slot_of(port, ids[n]);
        uint32_t generation = (uint32_t)(ids[n] >> 32);
        if (slot != NULL && CAS(&slot->worker_noticed, &generation, 0)) {
            n++;
        }
    }
    return n;
}

int covet_port_sleep(covet_port *port) {
    STORE_ORDERED(&port->self->sleeping, 1);
    if (empty(&port->inbox) && empty(&port->notices)) {
        return 1;
    }
    STORE_ORDERED(&port->self->sleeping, 0);
    return 0;
}

static void ring(int doorbell) {
    uint64_t one = 1;
    /* A full counter means that the other side is being woken already. */
    ssize_t written = write(doorbell, &one, sizeof one);
    (void)written;
}

void covet_port_wake(covet_port *port) {
    uint64_t count;
    struct timespec now;
    STORE_ORDERED(&port->self->sleeping, 0);
    ssize_t got = read(port->doorbell, &count, sizeof count);
    (void)got; /* nothing to read: woken for another reason */
    clock_gettime(CLOCK_MONOTONIC, &now);
    STORE(&port->self->beat, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

void covet_port_again(covet_port *port) { ring(port->doorbell); }

covet_slot *covet_port_slot(const covet_port *port, covet_id id) {
    covet_slot *slot = slot_of(port, id);
    return slot != NULL && LOAD(&slot->claim) == COVET_CLAIM(id >> 32, port->worker) ? slot : NULL;
}

/* ---- blocks --------------------------------------------------------------- */

static const covet_port_class *class_of(const covet_port *port, covet_block block, uint32_t *index) {
    uint32_t class = block >> COVET_BLOCK_CLASS_SHIFT;
    *index = (block & COVET_BLOCK_INDEX_MASK) - 1;
    return class < COVET_CLASSES && *index < port->classes[class].count ? &port->classes[class] : NULL;
}

uint8_t *covet_port_bytes(const covet_port *port, covet_block block) {
    uint32_t index;
    const covet_port_class *class = class_of(port, block, &index);
    return class == NULL ? NULL : class->blocks + (uint64_t)index * class->block_bytes;
}

uint32_t covet_port_block_size(const covet_port *port, covet_block block) {
    uint32_t index;
    const covet_port_class *class = class_of(port, block, &index);
    return class == NULL ? 0 : class->block_bytes;
}

static int pop_list(const covet_port_class *class, uint64_t *head, uint32_t *index) {
    uint64_t old = LOAD(head);
    for (;;) {
        *index = (uint32_t)old - 1;
        if (*index >= class->count) { /* empty, or not a list any more */
            return 0;
        }
        uint64_t next = LOAD(&class->links[*index].next);
        if (CAS(head, &old, ((old >> 32) + 1) << 32 | next)) {
            return 1;
        }
    }
}

static int pop_bare(const covet_port_class *class, uint32_t *index) {
    if (!pop_list(class, &class->shared->bare_head, index)) {
        return 0;
    }
    __atomic_sub_fetch(&class->shared->bare, 1, __ATOMIC_RELAXED);
    return 1;
}

static int pop_fresh(const covet_port_class *class, uint32_t *index) {
    uint32_t fresh = LOAD(&class->shared->fresh);
    while (fresh < class->count) {
        if (CAS(&class->shared->fresh, &fresh, fresh + 1)) {
            *index = fresh;
            return 1;
        }
    }
    return 0;
}

covet_block covet_port_alloc(covet_port *port, uint32_t need, covet_id owner) {
    for (uint32_t i = 0; i < COVET_CLASSES; i++) {
        const covet_port_class *class = &port->classes[i];
        uint32_t index;
        if (need <= class->block_bytes && (pop_list(class, &class->shared->free_head, &index) ||
                                           pop_bare(class, &index) || pop_fresh(class, &index))) {
            __atomic_add_fetch(&class->shared->in_use, 1, __ATOMIC_RELAXED);
            STORE(&class->links[index].owner, owner);
            return i << COVET_BLOCK_CLASS_SHIFT | (index + 1);
        }
    }
    return 0;
}

int covet_port_free(covet_port *port, covet_block block, covet_id owner) {
    uint32_t index;
    const covet_port_class *class = class_of(port, block, &index);
    if (class == NULL || owner == 0) {
        return -1;
    }
    covet_link *link = &class->links[index];
    if (!CAS(&link->owner, &owner, 0)) {
        return -1;
    }
    __atomic_sub_fetch(&class->shared->in_use, 1, __ATOMIC_RELAXED);
    uint64_t old = LOAD(&class->shared->free_head), new;
    do {
        STORE(&link->next, (uint32_t)old);
        new = ((old >> 32) + 1) << 32 | (index + 1);
    } while (!CAS(&class->shared->free_head, &old, new));
    return 0;
}

/* ---- exchanges ------------------------------------------------------------ */

const uint8_t *covet_port_request(const covet_port *port, const covet_slot *slot) {
    return slot->request_block == 0 ? slot->request_room : covet_port_bytes(port, slot->request_block);
}

uint8_t *covet_port_response(covet_port *port, covet_slot *slot, covet_id id, uint32_t need) {
    if (need <= COVET_RESPONSE_ROOM) {
        return slot->response_room;
    }
    covet_block block = covet_port_alloc(port, need, id);
    slot->response_block = block;
    return block == 0 ? NULL : covet_port_bytes(port, block);
}

const covet_piece *covet_port_peek_body(const covet_port *port, const covet_slot *slot) {
    uint32_t head = slot->in.head;
    uint32_t waiting = LOAD_ORDERED(&slot->in.tail) - head;
    const covet_piece *piece = &slot->in.piece[head % COVET_RING];
    return waiting - 1 < COVET_RING && covet_port_bytes(port, piece->block) != NULL ? piece : NULL;
}

void covet_port_drop_body(covet_port *port, covet_slot *slot, covet_id id) {
    uint32_t head = slot->in.head;
    covet_block block = slot->in.piece[head % COVET_RING].block;
    STORE(&slot->in.head, head + 1);
    covet_port_free(port, block, id);
    covet_port_tell(port, slot, id, 0);
}

int covet_port_drop_message(covet_port *port, covet_slot *slot, covet_id id) {
    uint32_t head = slot->in.head;
    covet_block block = slot->in.piece[head % COVET_RING].block;
    STORE_ORDERED(&slot->in.head, head + 1); /* before the flag is read: the loop does it the other way round */
    covet_port_free(port, block, id);
    int waits = (LOAD_ORDERED(&slot->engine_flags) & COVET_E_WAITS) != 0;
    if (waits) {
        covet_port_tell(port, slot, id, 0);
    }
    return waits;
}

int covet_port_push_body(covet_port *port, covet_slot *slot, covet_id id, covet_block block, uint32_t len) {
    uint32_t tail = slot->out.tail;
    if (tail - LOAD_ORDERED(&slot->out.head) >= COVET_RING) {
        return 0;
    }
    slot->out.piece[tail % COVET_RING] = (covet_piece){.block = block, .len = len};
    STORE(&slot->out.tail, tail + 1);
    covet_port_tell(port, slot, id, 0);
    return 1;
}

void covet_port_tell(covet_port *port, covet_slot *slot, covet_id id, uint32_t flags) {
    uint32_t number = slot->loop;
    if ((flags & COVET_W_DONE) != 0) {
        STORE(&port->self->finished, port->self->finished + 1);
    }
    /* With DONE in flags this is the last touch: the loop may reuse the slot at once. */
    uint32_t before = __atomic_fetch_or(&slot->worker_flags, flags | COVET_W_NOTICED, __ATOMIC_SEQ_CST);
    if (number < port->loops && (before & COVET_W_NOTICED) == 0) {
        covet_port_loop *loop = &port->loop[number];
        loop->outbox[loop->tail++ & port->outbox_mask] = id;
    }
}

void covet_port_publish(covet_port *port) {
    for (uint32_t i = 0; i < port->loops; i++) {
        covet_port_loop *loop = &port->loop[i];
        if (loop->tail == loop->published) {
            continue;
        }
        loop->published = loop->tail;
        STORE_ORDERED(&loop->marks->tail, loop->tail);
        if (LOAD_ORDERED(&loop->record->sleeping) != 0 && SWAP(&loop->record->sleeping, 0) != 0) {
            ring(loop->doorbell);
        }
    }
}
