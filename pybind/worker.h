/* What the files of the native worker module share. */
#ifndef COVET_WORKER_H
#define COVET_WORKER_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include "port.h"

#define COVET_BATCH 64
#define COVET_PIECE 262144u /* bytes that one block of a body carries at most */
#define COVET_LEAST_PIECE 4096u
#define COVET_SHARED_PIECE 65536u /* bytes of a piece for more than one write of a turn */
#define COVET_RECORD_HEADER sizeof(covet_record)
/* What the packed fields of a response may have together, in bytes. */
#define COVET_MAX_FIELDS (60 * 1024)

/* Numbers of exchange.MediaType and exchange.Method. */
enum { MEDIA_NONE = 0, MEDIA_JSON = 1, MEDIA_TEXT = 2 };
/* Members of an ASGI scope that are getters of an exchange; field names that are kept, and how long they may be. */
enum { SCOPE_FIELDS = 8, KNOWN_NAMES = 256, KNOWN_BYTES = 32 };
enum { METHOD_OTHER = 0, METHOD_HEAD = 2, NUM_METHODS = 10 };

/* Whose coroutine is driven for an exchange. */
enum { STAGE_HANDLER = 0, STAGE_RENDER = 1, STAGE_FAIL = 2 };

typedef struct Runner Runner;
typedef struct Exchange Exchange;
typedef struct Arrival Arrival;

/* A response body that goes out in pieces. */
typedef struct {
    Py_buffer view;
    Py_ssize_t at;
} Kept;

/* A WebSocket's record that is not yet written as a whole. */
typedef struct Waiting {
    struct Waiting *next;
    PyObject *owner; /* of the bytes */
    const uint8_t *bytes;
    size_t len, at;
    uint16_t topic;
    uint8_t kind;
} Waiting;

/* One request and its response; see core.pyi. No member points into the
 * channel once `live` is NULL. */
struct Exchange {
    PyObject_HEAD
    Runner *runner;
    const covet_slot *slot; /* to be read: the channel's, or the copy; NULL when it is over and was not copied */
    covet_slot *live;       /* to be written; NULL when the exchange is over */
    const uint8_t *data;    /* head, fields, params, inline body */
    covet_id id;
    uint8_t *copy; /* owns slot and data after the end */
    PyObject *state;
    PyObject *waiter;
    Arrival *arrivals; /* what tasks wait for; owned */
    PyObject *on_cancel;
    Kept *kept;
    Exchange *next_starved;
    uint32_t unsaid; /* COVET_W_* to be told when the first step ends */
    int status;
    char plain;
    char started;
    char done;      /* the response is complete, as far as Python is concerned */
    char concluded; /* the chain of coroutines has ended, or needs the channel no more: DONE may be told */
    char left;      /* concluded while the chain goes on */
    char starved;
    char news; /* there was news while nobody waited */
    char told_continue;
    char took_whole;
    char file_sent;
    char listed;       /* has written in this turn of the event loop: on the runner's list */
    covet_block open;  /* the piece that is being filled; 0 is none */
    uint32_t open_len, open_size;
    Exchange *next_open;
    /* WebSockets, and the runner's control exchange */
    char accepted;
    char told;         /* the handler knows that no message follows */
    uint32_t taken;    /* bytes of the oldest incoming piece that have been read */
    uint8_t *part;     /* what has come of a message */
    size_t part_len, part_size;
    size_t waiting_bytes;
    Waiting *first_waiting, *last_waiting;
};

/* The coroutine-like object inside a lane's task. */
typedef struct {
    PyObject_HEAD
    Runner *runner;
    PyObject *task;    /* until the lane is used up */
    PyObject *run;     /* context.run, until the lane is used up */
    PyObject *context; /* until the lane is used up */
    PyObject *gate;    /* what the parked task waits for */
    PyObject *coro;    /* the handler's, render's or fail's coroutine */
    PyObject *pending; /* what it yielded in its first step */
    PyObject *error;   /* to be thrown at the next step */
    Exchange *exchange;
    void **weak_list;
    void *weak_refs;
    Py_ssize_t task_refs, context_refs;
    char stage;
    char parked;
    char stepping; /* the lane's task is current */
    char running;  /* the coroutine runs, driven by its task */
    char touched;
    char closing;
} Driver;

typedef struct {
    PyObject *call;
    int status;
    int plain;
    int slow; /* how many more calls are taken for slow, since one was */
} Call;

/* The module's types and objects; one for each binding, never static. */
typedef struct {
    PyTypeObject *exchange, *driver, *arrival;
    PyObject *run_name; /* "run" */
    PyObject *bad, *broken, *too_large;
    PyObject *methods[NUM_METHODS];
    struct {
        PyObject *key;
        getter get;
    } scope[SCOPE_FIELDS];
    PyObject *headers_key;
    PyObject *names[KNOWN_NAMES];
} Types;

struct Runner {
    PyObject_HEAD
    covet_port port;
    PyObject *capsule; /* owns *types */
    Types *types;
    char attached;
    char serving;
    char draining;  /* in drain: one publish for the batch */
    char flush_due; /* a publish is scheduled on the event loop */
    char retry_due;
    char base_is_empty; /* no variable is set in base_context */
    char time_is_up; /* the event loop's other callbacks have waited long enough */
    int64_t turn_began; /* by the coarse clock, in nanoseconds */
    int64_t clock;      /* its last reading */
    int64_t tick;       /* by how much it moves */
    Exchange **live; /* by slot index; owned */
    Exchange *starved;
    Exchange *open_list;
    uint64_t in_flight;
    uint64_t left; /* exchanges that were left, while their coroutines go on */
    Call *calls;
    Py_ssize_t num_calls;
    PyObject *loop, *encode, *render, *fail;
    PyObject *make_lane, *make_gate, *enter_task, *leave_task, *base_context, *coroutine_type, *cancelled_error;
    PyObject *fatal; /* an exception that the next turn raises */
    PyObject *step_method, *flush_method, *retry_method, *drain_method, *call_soon;
    Py_ssize_t weak_offset; /* of a task's list of weak references */
    Driver *lane;
    Exchange *stepping; /* whose first step runs */
    covet_id next;  /* a request that is claimed and not yet begun; 0 is none */
    uint32_t begun; /* requests of this turn of the event loop */
};

/* exchange.c */
extern PyType_Spec exchange_spec;
Exchange *exchange_new(Runner *runner, covet_id id, covet_slot *slot);
void exchange_settle(Exchange *x); /* tells DONE if the exchange is over; the caller holds a reference */
void exchange_news(Exchange *x);   /* acts on a notice; the caller holds a reference */
int exchange_readable(const Exchange *x); /* else an exception is set */
int exchange_told_to_stop(const Exchange *x); /* the client has gone, or seems to have gone */
int exchange_lost(const Exchange *x);     /* no answer is wanted any more */
void exchange_detach(Exchange *x);
void exchange_leave(Exchange *x, covet_slot *slot);

/* request.c */
extern PyGetSetDef exchange_getset[];
PyObject *exchange_header(PyObject *self, PyObject *name);
PyObject *exchange_headers(PyObject *self, PyObject *unused);
PyObject *exchange_body_whole(PyObject *self, PyObject *unused);
PyObject *exchange_read(PyObject *self, PyObject *unused);

/* params.c */
PyObject *exchange_path_str(PyObject *self, PyObject *index);
PyObject *exchange_path_int(PyObject *self, PyObject *index);
PyObject *exchange_path_float(PyObject *self, PyObject *index);
PyObject *exchange_query_str(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *exchange_query_int(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *exchange_query_float(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *exchange_query_bool(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *exchange_query_items(PyObject *self, PyObject *unused);
PyObject *decode_text(const uint8_t *text, size_t len, int plus);

/* fields.c */
PyObject *pack_fields(PyObject *module, PyObject *fields);
int field_check(PyObject *name, PyObject *value);
int fields_flags(const uint8_t *packed, size_t len, uint8_t *flags); /* 0, or -1 if they are malformed */

/* asgi.c */
int scope_fields_init(Types *t); /* 1, or 0 with an exception */
void scope_fields_clear(Types *t);
PyObject *exchange_scope(PyObject *self, PyObject *template);
PyObject *known_name(Types *t, const char *name, size_t len);
PyObject *pack_head(PyObject *module, PyObject *fields);

/* respond.c */
PyObject *exchange_respond(PyObject *self, PyObject *args);
PyObject *exchange_start(PyObject *self, PyObject *args);
PyObject *exchange_send(PyObject *self, PyObject *data);
PyObject *exchange_send_file(PyObject *self, PyObject *args);
PyObject *exchange_finish(PyObject *self, PyObject *unused);
PyObject *exchange_abort(PyObject *self, PyObject *unused);
PyObject *exchange_leave_early(PyObject *self, PyObject *unused);
int exchange_write(Exchange *x, int status, int media, const uint8_t *fields, Py_ssize_t fields_len, PyObject *body);
void exchange_cut(Exchange *x);      /* gives the response up */
int exchange_push_kept(Exchange *x); /* 1 all out, 0 waits */
void exchange_drop_kept(Exchange *x);
void exchange_say(Exchange *x, uint32_t flags); /* tells now, and what was left unsaid */
/* Writes the head of a response. 0: an exception is set. */
int exchange_head(Exchange *x, int status, int media, const uint8_t *fields, size_t len, int64_t length);

/* plain.c */
PyObject *encoder(PyObject *module, PyObject *both);

/* arrival.c */
extern PyType_Spec arrival_spec;
PyObject *arrival_new(Runner *r, Arrival **list, int come); /* on the list, unless it has come */
void arrivals_come(Arrival **list);      /* their tasks go on at once; no task may be current */
void arrivals_come_soon(Arrival **list); /* at the event loop's next turn */
void arrivals_drop(Arrival **list);

/* pieces.c */
int ring_is_full(const covet_slot *s);
int piece_open(Exchange *x, size_t need); /* for that many bytes, or as many as there is room for; 0 for none */
void piece_flush(Exchange *x);            /* hands the open piece over */
void piece_flush_later(Exchange *x);      /* with the next publish */
void pieces_flush(Runner *runner);        /* hands all open pieces over */

/* socket.c */
PyObject *exchange_accept(PyObject *self, PyObject *fields);
PyObject *exchange_push(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *exchange_subscribe(PyObject *self, PyObject *topic);
PyObject *exchange_unsubscribe(PyObject *self, PyObject *topic);
PyObject *exchange_close(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *runner_publish_message(PyObject *self, PyObject *const *args, Py_ssize_t count);
void socket_close(Exchange *x, uint16_t code, const char *reason, size_t len);
void socket_push_waiting(Exchange *x); /* writes what waits for room */
void socket_drop_waiting(Exchange *x);
void socket_tell_told(Exchange *x);    /* the handler knows that no message follows */

/* messages.c */
PyObject *exchange_message(PyObject *self, PyObject *unused);
void socket_drop_part(Exchange *x); /* gives up what has come of a message */

/* outcome.c: from the end of a coroutine to the response */
PyObject *outcome(Runner *runner, Exchange *x, PyObject *result, char *stage);
void conclude(Exchange *x);
int is_coroutine(const Runner *runner, PyObject *object);
PyObject *caught(void); /* the current exception, which is current no more */

/* driver.c */
extern PyType_Spec driver_spec;

/* lane.c */
Driver *driver_new(Runner *runner);
void driver_note(Driver *lane);   /* how it is when new */
int driver_is_new(Driver *lane);
void driver_adopt(Driver *lane, Exchange *x, PyObject *yielded, char stage);
void driver_discard(Driver *lane);
void driver_forget_lane(Driver *lane);

/* drain.c */
PyObject *runner_drain(PyObject *self, PyObject *unused);
PyObject *runner_step(PyObject *self, PyObject *unused);
void runner_drop_next(Runner *r);
void runner_drop_lane(Runner *runner);

/* figures.c */
PyObject *runner_figures(PyObject *self, PyObject *unused);
PyObject *runner_workers(PyObject *self, PyObject *unused);

/* runner.c */
extern PyType_Spec runner_spec;
void runner_flush(Runner *runner); /* publishes soon */
void runner_tell(Runner *runner);  /* publishes now */
void runner_complain(Runner *runner, PyObject *about); /* of the current exception, which nobody takes */
void runner_starve(Exchange *x);   /* news in a few milliseconds, for want of blocks */

#endif
