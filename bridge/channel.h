/* The shared memory between the engine and its workers: its one definition.
 *
 * A memfd holds, in this order: the header, the worker records, the loop
 * records, the inboxes, the notice queues, the outboxes, the exchange slots
 * and the block classes. Both sides map it wherever they like, so it holds
 * offsets and generation-checked ids, never an address.
 *
 * Who writes what is said beside each field: E the engine, W the worker that
 * has begun the exchange, A either side, atomically.
 *
 * Life of an exchange
 *   1. The loop takes a free slot, fills the request part, pushes its id to
 *      an inbox and rings the worker's doorbell if the worker sleeps.
 *   2. A worker pops the id, claims the exchange and owns the response part.
 *      An id may be in two inboxes after a death: only one claim succeeds.
 *   3. Request body: the loop appends blocks to `in`; the worker takes and
 *      frees them. A full ring is the flow control: the loop stops reading.
 *   4. Response: either whole (COVET_W_HEAD|COVET_W_END|COVET_W_DONE, once) or
 *      a head and then blocks through `out`; a full ring is the credit.
 *   5. COVET_W_DONE is the worker's last touch. Only then does the loop free
 *      what is left in the slot, raise the generation and reuse it.
 *
 * A WebSocket is an exchange too. A head with status 101 accepts it; then the
 * pieces of both rings hold records (covet_record) with messages, until the
 * engine has raised COVET_E_BODY_END, with the reason in `close_code`, or the
 * worker has sent a record of kind COVET_CLOSE and COVET_W_END. What a worker
 * sends arrives until COVET_E_CANCELLED; when the handler knows that no message
 * follows, so that it has answered those before, it raises COVET_W_TOLD.
 */
#ifndef COVET_CHANNEL_H
#define COVET_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#define COVET_MAGIC 0x31544556304f4331ull
#define COVET_VERSION 4u
#define COVET_LINE 64
#define COVET_MAX_WORKERS 128
#define COVET_MAX_LOOPS 32
#define COVET_CLASSES 4
#define COVET_NO_WORKER 0xffffffffu
#define COVET_THE_ENGINE 0xfffffffeu /* holds the claim of an exchange while it looks for another worker */

#define COVET_SLOT_BYTES 4096
#define COVET_REQUEST_ROOM 1536  /* bytes of request data inside a slot */
#define COVET_RESPONSE_ROOM 2048 /* bytes of response data inside a slot */
#define COVET_RING 8             /* blocks on their way in each direction of one exchange */
#define COVET_MAX_PARAMS 16
#define COVET_CLOSE_REASON 123 /* bytes that a WebSocket's close frame has for a reason */

#define COVET_CLAIM(generation, worker) ((uint64_t)(generation) << 32 | (uint32_t)(worker))

/* generation << 32 | index of the slot */
typedef uint64_t covet_id;
/* class << 29 | index of the block + 1; 0 is no block */
typedef uint32_t covet_block;

#define COVET_BLOCK_CLASS_SHIFT 29
#define COVET_BLOCK_INDEX_MASK ((1u << COVET_BLOCK_CLASS_SHIFT) - 1)

/* ---- header ------------------------------------------------------------- */

enum covet_engine_state {
    COVET_ENGINE_STARTING = 0,
    COVET_ENGINE_RUNNING = 1,
    COVET_ENGINE_DRAINING = 2,
    COVET_ENGINE_STOPPED = 3,
};

typedef struct {
    uint64_t free_head; /* A  tag << 32 | index + 1 of the first free block */
    uint8_t pad[COVET_LINE - 8];
    uint32_t block_bytes; /* E  a power of two */
    uint32_t count;       /* E */
    uint64_t blocks;      /* E  offset of block 0 */
    uint64_t links;       /* E  offset of covet_link[count] */
    int64_t in_use;       /* A  blocks that somebody holds */
    uint32_t fresh;       /* A  blocks from here on have never been used: taken when both lists are empty */
    uint32_t bare;        /* A  how many blocks are in the bare list */
    uint64_t bare_head;   /* A  like free_head, for free blocks whose memory the system has back */
    uint8_t pad2[COVET_LINE - 48];
} covet_class;

typedef struct {
    covet_id owner; /* A  the exchange that holds the block; 0 = free. Freeing compares it: no double free. */
    uint32_t next;  /* A  index + 1 of the next free block */
    uint32_t reserved;
} covet_link;

typedef struct {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t total_bytes;
    uint32_t workers;
    uint32_t loops;
    uint32_t inbox_cells;   /* power of two */
    uint32_t notice_cells;  /* power of two, >= 2 * slots; a worker takes no request while more than
                             * notice_cells - slots are in use, so a notice always finds a place */
    uint32_t outbox_cells;  /* power of two, >= slots_per_loop: a slot is not reused while its id is in an outbox */
    uint32_t slots;         /* slots_per_loop * loops; loop L has [L*n, (L+1)*n) */
    uint32_t slots_per_loop;
    uint32_t reserved;
    uint64_t worker_records; /* offset of covet_worker[workers] */
    uint64_t loop_records;   /* offset of covet_loop[loops] */
    uint64_t inboxes;        /* offset of covet_cell[workers][inbox_cells] */
    uint64_t notices;        /* offset of covet_cell[workers][notice_cells] */
    uint64_t outboxes;       /* offset of covet_id[loops][workers][outbox_cells] */
    uint64_t outbox_marks;   /* offset of covet_marks[loops][workers] */
    uint64_t slot_base;      /* offset of covet_slot[slots] */
    uint32_t engine_state;   /* A */
    uint32_t engine_pid;     /* E */
    uint64_t started_at;     /* E  nanoseconds of CLOCK_MONOTONIC; 0 before the engine runs */
    covet_class classes[COVET_CLASSES];
} covet_header;

/* ---- queues ------------------------------------------------------------- */

/* One cell of a bounded many-producer many-consumer queue (D. Vyukov,
 * "Bounded MPMC queue", 1024cores.net). */
typedef struct {
    uint64_t sequence; /* A */
    covet_id id;       /* written by the producer that owns the cell */
} covet_cell;

/* Positions of a single-producer single-consumer outbox. */
typedef struct {
    uint64_t tail; /* W */
    uint8_t pad[COVET_LINE - 8];
    uint64_t head; /* E */
    uint8_t pad2[COVET_LINE - 8];
} covet_marks;

/* ---- worker and loop records -------------------------------------------- */

enum covet_worker_state {
    COVET_WORKER_ABSENT = 0,
    COVET_WORKER_READY = 1,
    COVET_WORKER_DRAINING = 2,
    COVET_WORKER_DEAD = 3,
};

typedef struct {
    uint32_t sleeping; /* A  1 = ring the doorbell after a push */
    uint32_t state;    /* A  covet_worker_state */
    uint32_t pid;      /* W */
    uint32_t table;    /* E  the routes that the worker has; it takes requests of others with the same. 0: of none */
    uint64_t begun;    /* W  requests taken since attach */
    uint64_t finished; /* W  exchanges done since attach */
    uint64_t beat;     /* W  nanoseconds of CLOCK_MONOTONIC when the event loop last drained */
    uint64_t blocked_since; /* E  nanoseconds of CLOCK_MONOTONIC; 0 = its event loop is not blocked */
    covet_id control;       /* E  an exchange without a request, for records of no exchange; 0 = none */
    uint8_t pad[COVET_LINE - 56];
    uint64_t inbox_tail; /* A  enqueue position */
    uint8_t pad1[COVET_LINE - 8];
    uint64_t inbox_head; /* A  dequeue position */
    uint8_t pad2[COVET_LINE - 8];
    uint64_t notice_tail; /* A */
    uint8_t pad3[COVET_LINE - 8];
    uint64_t notice_head; /* A */
    uint8_t pad4[COVET_LINE - 8];
} covet_worker;

typedef struct {
    uint32_t sleeping; /* A  1 = ring the loop's doorbell after a publish */
    uint32_t reserved;
    uint8_t pad[COVET_LINE - 8];
    uint64_t connections; /* E  open now */
    uint64_t accepted;    /* E  since start */
    uint64_t requests;    /* E  heads parsed since start */
    uint64_t in_flight;   /* E  exchanges given to workers and not done */
    uint64_t refused;     /* E  answered with 503 for want of room */
    uint64_t held;        /* E  requests that wait but are in no worker's inbox */
    uint8_t pad2[COVET_LINE - 48];
} covet_loop;

/* ---- exchange slots ----------------------------------------------------- */

typedef struct {
    uint16_t off, len; /* into the request head */
} covet_span;

typedef struct {
    covet_span name, value;
} covet_field;

typedef struct {
    covet_block block;
    uint32_t len; /* bytes used, from the start of the block */
} covet_piece;

/* What the pieces of a WebSocket's rings begin with, again and again; `len`
 * bytes follow. No record goes on in the next piece; a message may go on in
 * the next record. Not aligned. */
typedef struct {
    uint32_t len;
    uint8_t kind;   /* covet_record_kind */
    uint8_t more;   /* the next record goes on with the same message */
    uint16_t topic; /* of what follows, so many bytes at the start are a topic's name */
} covet_record;

enum covet_record_kind {
    COVET_TEXT = 1, /* both ways */
    COVET_BINARY = 2,
    COVET_CLOSE = 3, /* the rest: W. Two bytes of status code in network order, and a reason */
    COVET_SUBSCRIBE = 4,
    COVET_UNSUBSCRIBE = 5,
    COVET_PUBLISH_TEXT = 6,
    COVET_PUBLISH_BINARY = 7,
};

/* covet_piece.len of a piece of `out` whose block holds a covet_file, of which one is sent in an exchange. */
#define COVET_FILE_PIECE 0x80000000u

/* A part of a file that a worker has open, and keeps open until the engine has looked at it. */
typedef struct {
    uint64_t offset, length;
    uint32_t descriptor; /* the worker's */
    uint32_t reserved;
} covet_file;

/* Bounded single-producer single-consumer ring of blocks. */
typedef struct {
    uint32_t tail; /* producer */
    uint32_t head; /* consumer */
    covet_piece piece[COVET_RING];
} covet_pieces;

/* covet_slot.engine_flags: set by the engine, read by the worker. */
#define COVET_E_CANCELLED 1u /* the client has gone, or the request's time is over: no answer is wanted */
#define COVET_E_BODY_END 2u  /* nothing follows what is in `in` */
#define COVET_E_BODY_BROKEN 4u /* the body ended early or badly; BODY_END is set too */
#define COVET_E_TOO_LARGE 8u /* the body passed the limit; BODY_BROKEN and BODY_END are set too */
#define COVET_E_HALF_CLOSED 16u /* the client sends nothing more and has probably gone: tell who asks, but answer */

#define COVET_E_FILE_TAKEN 64u /* the file in `out` is open in the engine: the worker may close its own */
#define COVET_E_FILE_REFUSED 128u /* it could not be opened, or not be sent as it is: the worker sends the bytes */
#define COVET_E_WAITS 32u /* the loop has more for `in` than there is room for: tell it when some is taken */

/* covet_slot.worker_flags: set by the worker, read by the engine. */
#define COVET_W_HEAD 1u  /* status, type, fields are filled */
#define COVET_W_END 2u   /* the response body is complete */
#define COVET_W_DONE 4u  /* the worker will not touch the slot again */
#define COVET_W_ABORT 8u /* the response cannot be completed: close the connection */
#define COVET_W_CONTINUE 16u /* the handler reads the body: send 100 Continue */
#define COVET_W_TOLD 32u     /* the handler of a WebSocket knows of COVET_E_BODY_END */
/* The id is in the outbox. It shares the word with the other flags so that the
 * worker's last touch, raising DONE and noticing the loop, is one instruction. */
#define COVET_W_NOTICED 0x80000000u

/* covet_slot.request_flags, written once before the push. */
#define COVET_R_TLS 1u
#define COVET_R_BODY 2u       /* a body follows or is inline */
#define COVET_R_BODY_WHOLE 4u /* the whole body is inline at body_off */
#define COVET_R_ESCAPED 8u    /* the path has percent-encoded octets */
#define COVET_R_HAS_QUERY 16u
#define COVET_R_IPV6 32u
#define COVET_R_UNIX 64u
#define COVET_R_EXPECT 128u   /* the client waits for 100 Continue */

/* covet_slot.kind */
#define COVET_KIND_HTTP 0u
#define COVET_KIND_SOCKET 1u  /* a WebSocket */
#define COVET_KIND_CONTROL 2u /* covet_worker.control: nobody asked for it, nobody answers it */

/* covet_slot.response_flags: exchange.ResponseFlags. */
#define COVET_P_NO_BODY 1u
#define COVET_P_CLOSE 2u
#define COVET_P_OWN_DATE 4u
#define COVET_P_OWN_SERVER 8u
#define COVET_P_OWN_LENGTH 16u

/* covet_slot.route for requests that no route matched but the app wants. */
#define COVET_ROUTE_NONE 0u

typedef struct {
    /* request part: E before the push, read-only afterwards */
    uint32_t generation; /* E  raised at each reuse; read by A */
    uint32_t loop;
    uint32_t route;  /* the matched route's number; COVET_ROUTE_NONE with `verdict` set */
    uint16_t verdict; /* 0, or the status that the router found (404, 405) */
    uint8_t method;  /* exchange.Method */
    uint8_t proto;   /* exchange.Proto */
    uint8_t minor;
    uint8_t num_params;
    uint8_t num_fields;
    uint8_t request_flags;
    covet_block request_block; /* 0: data in request_room, else in this block */
    uint32_t head_len;   /* data: head bytes at 0 … */
    uint32_t fields_off; /* … covet_field[num_fields] … */
    uint32_t params_off; /* … covet_span[num_params] … */
    uint32_t body_off;   /* … and an inline body */
    uint32_t body_len;
    int64_t content_length; /* -1: unknown */
    covet_span verb, target, path, query, host;
    uint8_t peer[16]; /* IPv4 in the first 4 bytes */
    uint16_t peer_port;
    uint16_t local_port;
    uint32_t connection;            /* for the engine alone */
    uint32_t connection_generation; /* for the engine alone */
    uint32_t sequence;              /* for the engine alone: place in the connection's pipeline */
    uint32_t inbox;                 /* for the engine alone: the worker it was posted to; COVET_NO_WORKER before */
    uint8_t kind; /* COVET_KIND_* */
    uint8_t local_family; /* of `local`: 4 or 6; 0 is a Unix socket */
    uint16_t root_len;    /* octets before `path` that are the application's root path, and were taken off */
    uint8_t pad[128 - 116];

    /* line(s) that the engine writes while the worker works */
    uint32_t engine_flags;   /* E, atomic or */
    uint32_t worker_noticed; /* A  the generation whose id is in the notice queue, so that a stale notice clears nothing */
    covet_pieces in;         /* E tail, W head */
    uint8_t local[16];       /* E before the push: the address that the client connected to; IPv4 in the first 4 bytes */
    uint8_t pad1[128 - 96];

    /* line(s) that the worker writes */
    uint64_t claim;        /* A  generation << 32 | the worker that has begun it; COVET_NO_WORKER before */
    uint32_t worker_flags; /* A  COVET_W_*, atomic or and and */
    uint16_t status;
    uint8_t media_type; /* exchange.MediaType */
    uint8_t response_flags;
    int64_t length;       /* response body bytes; -1 = until END */
    covet_block response_block; /* 0: fields and body in response_room, else in this block */
    uint32_t response_fields;   /* bytes of packed fields at 0 … */
    uint32_t response_body;     /* … and bytes of body behind them */
    uint32_t reserved;
    covet_pieces out; /* W tail, E head */
    uint8_t pad2[128 - 112];

    uint8_t request_room[COVET_REQUEST_ROOM];
    uint8_t response_room[COVET_RESPONSE_ROOM];
    uint16_t close_code; /* E, before COVET_E_BODY_END: why a WebSocket ended; 1005 and 1006 as in RFC 6455, 7.1.5 */
    uint8_t close_len;
    uint8_t close_reason[COVET_CLOSE_REASON];
    uint8_t rest[COVET_SLOT_BYTES - 384 - COVET_REQUEST_ROOM - COVET_RESPONSE_ROOM - 3 - COVET_CLOSE_REASON];
} covet_slot;

/* ---- the layout, asserted (bridge/layout.go asserts the same) ------------ */

#define COVET_ASSERT(cond, name) typedef char covet_assert_##name[(cond) ? 1 : -1]

COVET_ASSERT(sizeof(covet_class) == 2 * COVET_LINE, class_bytes);
COVET_ASSERT(sizeof(covet_link) == 16, link_bytes);
COVET_ASSERT(sizeof(covet_cell) == 16, cell_bytes);
COVET_ASSERT(sizeof(covet_file) == 24, file_bytes);
COVET_ASSERT(sizeof(covet_marks) == 2 * COVET_LINE, marks_bytes);
COVET_ASSERT(sizeof(covet_worker) == 5 * COVET_LINE, worker_bytes);
COVET_ASSERT(sizeof(covet_loop) == 2 * COVET_LINE, loop_bytes);
COVET_ASSERT(offsetof(covet_header, classes) % COVET_LINE == 0, classes_line);
COVET_ASSERT(sizeof(covet_record) == 8, record_bytes);
COVET_ASSERT(sizeof(covet_slot) == COVET_SLOT_BYTES, slot_bytes);
COVET_ASSERT(offsetof(covet_slot, engine_flags) == 128, engine_line);
COVET_ASSERT(offsetof(covet_slot, claim) == 256, worker_line);
COVET_ASSERT(offsetof(covet_slot, status) == 268, status);
COVET_ASSERT(offsetof(covet_slot, request_room) == 384, request_room);
COVET_ASSERT(offsetof(covet_slot, response_room) == 384 + COVET_REQUEST_ROOM, response_room);

#endif
