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
#define COVET_PIECE 262144u     /* bytes that one block carries at most */
#define COVET_LEAST_PIECE 4096u

/* Numbers of exchange.MediaType. */
enum { MEDIA_NONE = 0, MEDIA_JSON = 1, MEDIA_TEXT = 2 };

typedef struct Runner Runner;
typedef struct Driver Driver;

/* One request and its response; see core.pyi. */
typedef struct {
    PyObject_HEAD
    Runner *runner;      /* NULL once the exchange is over */
    const covet_slot *slot;
    covet_slot *live;    /* the same slot while it may be written; NULL afterwards */
    const uint8_t *data; /* head, fields, params, inline body */
    covet_id id;
    uint8_t *copy; /* owns slot and data after the end */
    PyObject *state;
    PyObject *waiter;
    PyObject *on_cancel;
    Py_buffer body; /* a response body that goes out in pieces */
    Py_ssize_t body_at;
    char holds_body;
    char started;
    char done;      /* the response is complete, as far as Python is concerned */
    char concluded; /* the handler chain has ended: DONE may be told */
    char plain;
    char told_continue;
    int status;
} Exchange;

/* The coroutine-like object inside a lane's task. */
struct Driver {
    PyObject_HEAD
    Runner *runner;
    PyObject *task;    /* until the lane is used up */
    PyObject *context; /* until the lane is used up */
    PyObject *gate;    /* the future that a parked task waits for */
    PyObject *coro;    /* the handler's coroutine, once it has yielded */
    PyObject *pending; /* what it yielded in its first step */
    Exchange *exchange;
    Py_ssize_t base_refs;
    char touched;
    char closing;
    char answering; /* coro is a render or fail coroutine, not the handler's */
};

typedef struct {
    PyObject *call;
    int status;
    int plain;
} Call;

struct Runner {
    PyObject_HEAD
    covet_port port;
    char attached;
    char serving;
    char draining;    /* inside drain: one publish for the batch */
    char flush_due;   /* a publish is scheduled on the event loop */
    char retry_due;
    Exchange **live;  /* by slot index; owned */
    uint32_t slots;
    uint64_t in_flight;
    Call *calls;
    Py_ssize_t num_calls;
    PyObject *loop, *encode, *render, *fail;
    PyObject *make_lane, *enter_task, *leave_task, *base_context, *iscoroutine_type;
    PyObject *step_method, *flush_method, *retry_method, *drain_method;
    Driver *lane;
    covet_id batch[COVET_BATCH];
    uint32_t batch_at, batch_len;
    struct Types *types;
};

/* The module's types and objects; one for each binding, never static. */
typedef struct Types {
    PyTypeObject *exchange, *driver, *runner;
    PyObject *bad, *broken, *too_large;
} Types;

/* exchange.c */
extern PyType_Spec exchange_spec;
Exchange *exchange_new(Runner *runner, covet_id id, covet_slot *slot);
void exchange_settle(Exchange *x);   /* tells DONE if the exchange is over */
void exchange_news(Exchange *x);     /* acts on a notice */
void exchange_detach(Exchange *x);

/* params.c */
PyObject *exchange_path_str(PyObject *self, PyObject *index);
PyObject *exchange_path_int(PyObject *self, PyObject *index);
PyObject *exchange_path_float(PyObject *self, PyObject *index);
PyObject *exchange_query_str(PyObject *self, PyObject *args);
PyObject *exchange_query_int(PyObject *self, PyObject *args);
PyObject *exchange_query_float(PyObject *self, PyObject *args);
PyObject *exchange_query_bool(PyObject *self, PyObject *args);
PyObject *exchange_query_items(PyObject *self, PyObject *unused);
PyObject *decode_text(const uint8_t *text, size_t len, int plus);

/* respond.c */
PyObject *exchange_respond(PyObject *self, PyObject *args);
PyObject *exchange_start(PyObject *self, PyObject *args);
PyObject *exchange_send(PyObject *self, PyObject *data);
PyObject *exchange_finish(PyObject *self, PyObject *unused);
PyObject *exchange_abort(PyObject *self, PyObject *unused);
int exchange_write(Exchange *x, int status, int media, const uint8_t *fields, Py_ssize_t fields_len, PyObject *body);
int exchange_push_kept(Exchange *x); /* 1 all out, 0 waits */
PyObject *pack_fields(PyObject *module, PyObject *fields);

/* driver.c */
extern PyType_Spec driver_spec;
Driver *driver_new(Runner *runner);
void driver_adopt(Driver *lane, Exchange *x, PyObject *coro, PyObject *yielded, int answering);
void driver_discard(Driver *lane);

/* runner.c */
extern PyType_Spec runner_spec;
void runner_flush(Runner *runner); /* publishes soon */
void runner_retry(Runner *runner); /* tries kept bodies again in a few milliseconds */
/* What follows the end of a coroutine: a new coroutine to drive, or NULL. */
PyObject *runner_next(Runner *runner, Exchange *x, PyObject *result, int answering);
void runner_conclude(Runner *runner, Exchange *x);
int runner_fatal(void); /* the current exception must end the event loop */

#endif
