/* Drains a worker's inbox and drives its handlers. */
#include "worker.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>

#define BUDGET 512 /* requests taken in one turn of the event loop */

int runner_fatal(void) {
    return PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit) ||
           PyErr_ExceptionMatches(PyExc_GeneratorExit);
}

/* The exception that is set, with its traceback, as an object of its own. */
static PyObject *caught(void) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL && value != NULL) {
        PyException_SetTraceback(value, trace);
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
}

static int is_coroutine(Runner *r, PyObject *o) { return (PyObject *)Py_TYPE(o) == r->iscoroutine_type; }

static void plain_failure(Exchange *x) {
    static const char text[] = "Internal Server Error";
    if (x->started || x->done || x->live == NULL) {
        return; /* runner_conclude cuts it short */
    }
    PyObject *body = PyBytes_FromStringAndSize(text, sizeof text - 1);
    if (body == NULL || exchange_write(x, 500, MEDIA_TEXT, NULL, 0, body) < 0) {
        PyErr_WriteUnraisable((PyObject *)x);
    }
    Py_XDECREF(body);
}

/* Passes the exception that is set on to `fail`. */
static PyObject *failed(Runner *r, Exchange *x, int answering) {
    PyObject *error = caught();
    if (error == NULL) {
        plain_failure(x);
        return NULL;
    }
    PyObject *next = NULL;
    if (answering < 2) {
        next = PyObject_CallFunctionObjArgs(r->fail, (PyObject *)x, error, NULL);
    } else {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    Py_DECREF(error);
    if (next == NULL) {
        if (runner_fatal()) {
            plain_failure(x);
            return NULL;
        }
        PyErr_WriteUnraisable(r->fail);
        plain_failure(x);
        return NULL;
    }
    if (is_coroutine(r, next)) {
        return next;
    }
    Py_DECREF(next);
    return NULL;
}

/* Answers with a handler's result. */
static PyObject *answer(Runner *r, Exchange *x, PyObject *result) {
    if (x->plain && (PyDict_CheckExact(result) || PyList_CheckExact(result))) {
        PyObject *body = PyObject_CallFunctionObjArgs(r->encode, result, NULL);
        if (body != NULL) {
            int written = exchange_write(x, x->status, MEDIA_JSON, NULL, 0, body);
            Py_DECREF(body);
            if (written >= 0) {
                return NULL;
            }
        }
        return failed(r, x, 0);
    }
    PyObject *next = PyObject_CallFunctionObjArgs(r->render, (PyObject *)x, result, NULL);
    if (next == NULL) {
        return runner_fatal() ? NULL : failed(r, x, 0);
    }
    if (is_coroutine(r, next)) {
        return next;
    }
    Py_DECREF(next);
    return NULL;
}

PyObject *runner_next(Runner *r, Exchange *x, PyObject *result, int answering) {
    if (x == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (result == NULL) {
        return failed(r, x, answering + x->started);
    }
    if (answering || x->done || x->started) {
        return NULL;
    }
    return answer(r, x, result);
}

void runner_conclude(Runner *r, Exchange *x) {
    (void)r;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (!x->done && x->live != NULL) {
        if (x->started || x->live->engine_flags & COVET_E_CANCELLED) {
            PyObject *none = exchange_abort((PyObject *)x, NULL);
            Py_XDECREF(none);
        } else {
            plain_failure(x);
        }
    }
    x->concluded = 1;
    exchange_settle(x);
    PyErr_Restore(type, value, trace);
}

/* ---- lanes ------------------------------------------------------------------ */

static int lane_is_new(Runner *r, Driver *lane) {
    if (lane->touched || Py_REFCNT(lane->task) != lane->base_refs) {
        return 0;
    }
    int same = PyObject_RichCompareBool(lane->context, r->base_context, Py_EQ);
    if (same < 0) {
        PyErr_Clear();
    }
    return same == 1;
}

static void drop_lane(Runner *r) {
    Driver *lane = r->lane;
    r->lane = NULL;
    if (lane != NULL) {
        driver_discard(lane);
        Py_DECREF((PyObject *)lane);
    }
}

/* Drives `thing`, a coroutine or a result, until it yields or has ended.
 * Returns 0 if the lane is still new, 1 if it is used up, -1 on a fatal error. */
static int drive(Runner *r, Exchange *x, PyObject *thing) {
    int answering = 0, status = 0;
    PyObject *out = NULL;
    while (thing != NULL) {
        if (is_coroutine(r, thing)) {
            PySendResult sent = PyIter_Send(thing, Py_None, &out);
            if (sent == PYGEN_NEXT) {
                Driver *lane = r->lane;
                r->lane = NULL;
                driver_adopt(lane, x, thing, out, answering);
                Py_DECREF((PyObject *)lane);
                return 1;
            }
            Py_DECREF(thing);
            if (sent == PYGEN_ERROR && runner_fatal()) {
                status = -1;
                break;
            }
        } else {
            out = thing;
        }
        thing = runner_next(r, x, out, answering);
        Py_CLEAR(out);
        answering = 1;
        if (thing == NULL && PyErr_Occurred()) {
            status = -1;
        }
    }
    runner_conclude(r, x);
    return status;
}

/* Begins one request. */
static int begin(Runner *r, covet_id id) {
    covet_slot *slot = covet_port_slot(&r->port, id);
    if (slot == NULL) {
        return 0;
    }
    Exchange *x = exchange_new(r, id, slot);
    if (x == NULL) {
        covet_port_tell(&r->port, slot, id, COVET_W_ABORT | COVET_W_DONE);
        PyErr_WriteUnraisable((PyObject *)r);
        return 0;
    }
    int status = 0;
    uint32_t route = slot->route;
    if (__atomic_load_n(&slot->engine_flags, __ATOMIC_SEQ_CST) & COVET_E_CANCELLED) {
        runner_conclude(r, x);
    } else if (route >= (uint32_t)r->num_calls || r->calls[route].call == NULL) {
        plain_failure(x);
        runner_conclude(r, x);
    } else {
        x->status = r->calls[route].status;
        x->plain = (char)r->calls[route].plain;
        PyObject *thing = PyObject_CallFunctionObjArgs(r->calls[route].call, (PyObject *)x, NULL);
        if (thing == NULL) {
            if (runner_fatal()) {
                runner_conclude(r, x);
                Py_DECREF((PyObject *)x);
                return -1;
            }
            thing = failed(r, x, 0);
            if (thing == NULL) {
                runner_conclude(r, x);
                Py_DECREF((PyObject *)x);
                return PyErr_Occurred() ? -1 : 0;
            }
        }
        status = drive(r, x, thing);
    }
    Py_DECREF((PyObject *)x);
    return status;
}

/* Runs inside the lane's context: begins requests of the batch until the lane
 * is used up. */
static PyObject *runner_step(PyObject *self, PyObject *unused) {
    Runner *r = (Runner *)self;
    (void)unused;
    while (r->batch_at < r->batch_len) {
        int status = begin(r, r->batch[r->batch_at++]);
        if (status < 0) {
            return NULL;
        }
        if (status > 0) {
            break;
        }
        if (!lane_is_new(r, r->lane)) {
            drop_lane(r);
            break;
        }
    }
    Py_RETURN_NONE;
}

static int run_in_lane(Runner *r) {
    if (r->lane == NULL) {
        r->lane = driver_new(r);
        if (r->lane == NULL) {
            return -1;
        }
    }
    if (r->lane->touched || r->lane->closing) {
        drop_lane(r);
        return 0;
    }
    PyObject *task = r->lane->task;
    PyObject *context = r->lane->context;
    Py_INCREF(task);
    Py_INCREF(context);
    PyObject *entered = PyObject_CallFunctionObjArgs(r->enter_task, r->loop, task, NULL);
    PyObject *result = NULL;
    if (entered != NULL) {
        r->lane->base_refs = Py_REFCNT(task);
        result = PyObject_CallMethod(context, "run", "O", r->step_method);
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        PyObject *left = PyObject_CallFunctionObjArgs(r->leave_task, r->loop, task, NULL);
        if (left == NULL) {
            PyErr_WriteUnraisable(task);
        }
        Py_XDECREF(left);
        PyErr_Restore(type, value, trace);
    }
    Py_XDECREF(entered);
    Py_DECREF(task);
    Py_DECREF(context);
    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    return 0;
}

/* ---- the event loop's side -------------------------------------------------- */

static void take_notices(Runner *r) {
    covet_id ids[COVET_BATCH];
    uint32_t n;
    do {
        n = covet_port_notices(&r->port, ids, COVET_BATCH);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t index = (uint32_t)ids[i];
            Exchange *x = index < r->slots ? r->live[index] : NULL;
            if (x != NULL && x->id == ids[i]) {
                Py_INCREF((PyObject *)x);
                exchange_news(x);
                Py_DECREF((PyObject *)x);
            }
        }
    } while (n == COVET_BATCH);
}

static PyObject *runner_drain(PyObject *self, PyObject *unused) {
    Runner *r = (Runner *)self;
    (void)unused;
    if (!r->serving) {
        Py_RETURN_NONE;
    }
    covet_port_wake(&r->port);
    r->draining = 1;
    int failed_hard = 0;
    uint32_t begun = 0;
    while (!failed_hard && r->serving) {
        take_notices(r);
        if (r->batch_at == r->batch_len) {
            r->batch_at = 0;
            r->batch_len = covet_port_take(&r->port, r->batch, COVET_BATCH);
            begun += r->batch_len;
        }
        if (r->batch_len == 0) {
            covet_port_publish(&r->port);
            if (covet_port_sleep(&r->port)) {
                break;
            }
            continue;
        }
        while (r->batch_at < r->batch_len && !failed_hard && r->serving) {
            failed_hard = run_in_lane(r) < 0;
        }
        if (r->serving) {
            covet_port_publish(&r->port);
        }
        if (begun >= BUDGET && r->serving) {
            covet_port_again(&r->port);
            break;
        }
    }
    r->draining = 0;
    if (failed_hard) {
        if (r->serving) {
            covet_port_again(&r->port);
        }
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *runner_do_flush(PyObject *self, PyObject *unused) {
    Runner *r = (Runner *)self;
    (void)unused;
    r->flush_due = 0;
    if (r->attached) {
        covet_port_publish(&r->port);
    }
    Py_RETURN_NONE;
}

void runner_flush(Runner *r) {
    if (r->draining || r->flush_due || !r->attached) {
        return;
    }
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *handle = r->serving ? PyObject_CallMethod(r->loop, "call_soon", "O", r->flush_method) : NULL;
    if (handle != NULL) {
        r->flush_due = 1;
        Py_DECREF(handle);
    } else { /* the event loop is closed: nobody else will */
        PyErr_Clear();
        covet_port_publish(&r->port);
    }
    PyErr_Restore(type, value, trace);
}

static PyObject *runner_do_retry(PyObject *self, PyObject *unused) {
    Runner *r = (Runner *)self;
    (void)unused;
    r->retry_due = 0;
    for (uint32_t i = 0; r->attached && i < r->slots; i++) {
        Exchange *x = r->live[i];
        if (x != NULL) {
            Py_INCREF((PyObject *)x);
            exchange_news(x);
            Py_DECREF((PyObject *)x);
        }
    }
    Py_RETURN_NONE;
}

void runner_retry(Runner *r) {
    if (r->retry_due || !r->serving) {
        return;
    }
    PyObject *handle = PyObject_CallMethod(r->loop, "call_later", "dO", 0.005, r->retry_method);
    if (handle == NULL) {
        PyErr_WriteUnraisable(r->loop);
        return;
    }
    r->retry_due = 1;
    Py_DECREF(handle);
}

/* ---- the type --------------------------------------------------------------- */

static int runner_init(PyObject *self, PyObject *args, PyObject *kwargs) {
    Runner *r = (Runner *)self;
    static char *names[] = {"memfd", "worker", "doorbell", "loop_doorbells", NULL};
    int memfd, doorbell, fds[COVET_MAX_LOOPS];
    unsigned int worker;
    PyObject *bells;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iIiO", names, &memfd, &worker, &doorbell, &bells)) {
        return -1;
    }
    Py_ssize_t n = PySequence_Size(bells);
    if (n < 0 || n > COVET_MAX_LOOPS || r->attached) {
        PyErr_SetString(PyExc_ValueError, "loop_doorbells must hold 1 to 32 descriptors");
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(bells, i);
        fds[i] = item == NULL ? -1 : (int)PyLong_AsLong(item);
        Py_XDECREF(item);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    int status = covet_port_attach(&r->port, memfd, worker, doorbell, fds, (uint32_t)n);
    if (status < 0) {
        PyErr_Format(PyExc_OSError, "cannot attach to the engine's channel: %s",
                     status == -EPROTO ? "it has another version or layout" : strerror(-status));
        return -1;
    }
    r->slots = r->port.header->slots;
    r->live = PyMem_Calloc(r->slots, sizeof *r->live);
    if (r->live == NULL) {
        covet_port_detach(&r->port);
        PyErr_NoMemory();
        return -1;
    }
    r->attached = 1;
    return 0;
}

static int read_calls(Runner *r, PyObject *calls) {
    r->num_calls = PySequence_Size(calls);
    if (r->num_calls < 0) {
        r->num_calls = 0;
        return -1;
    }
    r->calls = PyMem_Calloc((size_t)r->num_calls + 1, sizeof *r->calls);
    if (r->calls == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < r->num_calls; i++) {
        PyObject *item = PySequence_GetItem(calls, i);
        int good = item == Py_None || (item != NULL && PyArg_ParseTuple(item, "Oip", &r->calls[i].call,
                                                                         &r->calls[i].status, &r->calls[i].plain));
        Py_XINCREF(r->calls[i].call);
        Py_XDECREF(item);
        if (!good) {
            return -1;
        }
    }
    return 0;
}

static PyObject *imported(const char *module, const char *name) {
    PyObject *m = PyImport_ImportModule(module);
    PyObject *found = m == NULL ? NULL : PyObject_GetAttrString(m, name);
    Py_XDECREF(m);
    return found;
}

static int find_helpers(Runner *r) {
    PyObject *self = (PyObject *)r;
    PyObject *copy = imported("contextvars", "copy_context");
    r->make_lane = imported("covet.lane", "make_lane");
    r->enter_task = imported("asyncio.tasks", "_enter_task");
    r->leave_task = imported("asyncio.tasks", "_leave_task");
    r->iscoroutine_type = imported("types", "CoroutineType");
    r->base_context = copy == NULL ? NULL : PyObject_CallObject(copy, NULL);
    Py_XDECREF(copy);
    r->step_method = PyObject_GetAttrString(self, "_step");
    r->flush_method = PyObject_GetAttrString(self, "_flush");
    r->retry_method = PyObject_GetAttrString(self, "_retry");
    r->drain_method = PyObject_GetAttrString(self, "_drain");
    return r->make_lane && r->enter_task && r->leave_task && r->iscoroutine_type && r->base_context &&
           r->step_method && r->flush_method && r->retry_method && r->drain_method;
}

static PyObject *runner_serve(PyObject *self, PyObject *args, PyObject *kwargs) {
    Runner *r = (Runner *)self;
    static char *names[] = {"calls", "loop", "encode", "render", "fail", NULL};
    PyObject *calls, *loop, *encode, *render, *fail;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O$OOOO", names, &calls, &loop, &encode, &render, &fail)) {
        return NULL;
    }
    if (!r->attached || r->serving || r->calls != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this runner has served before, or is closed");
        return NULL;
    }
    if (read_calls(r, calls) < 0 || !find_helpers(r)) {
        return NULL;
    }
    Py_INCREF(loop);
    Py_INCREF(encode);
    Py_INCREF(render);
    Py_INCREF(fail);
    r->loop = loop, r->encode = encode, r->render = render, r->fail = fail;
    PyObject *done = PyObject_CallMethod(loop, "add_reader", "iO", r->port.doorbell, r->drain_method);
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    r->serving = 1;
#ifdef __GLIBC__
    malloc_trim(0); /* importing the application has left holes */
#endif
    covet_port_again(&r->port); /* what came before is looked at in the first turn */
    Py_RETURN_NONE;
}

static PyObject *runner_close(PyObject *self, PyObject *unused) {
    Runner *r = (Runner *)self;
    (void)unused;
    if (r->serving) {
        r->serving = 0;
        PyObject *done = PyObject_CallMethod(r->loop, "remove_reader", "i", r->port.doorbell);
        if (done == NULL) {
            PyErr_Clear(); /* the event loop is closed already */
        }
        Py_XDECREF(done);
    }
    drop_lane(r);
    for (uint32_t i = 0; r->attached && i < r->slots; i++) {
        Exchange *x = r->live[i];
        if (x != NULL) {
            Py_INCREF((PyObject *)x);
            x->concluded = 1;
            if (!x->done || x->holds_body) {
                PyObject *none = exchange_abort((PyObject *)x, NULL);
                Py_XDECREF(none);
            }
            exchange_settle(x);
            Py_DECREF((PyObject *)x);
        }
    }
    if (r->attached) {
        r->attached = 0;
        covet_port_publish(&r->port);
        covet_port_detach(&r->port);
    }
    Py_RETURN_NONE;
}

static PyObject *runner_in_flight(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(((Runner *)self)->in_flight);
}

static int runner_traverse(PyObject *self, visitproc visit, void *arg) {
    Runner *r = (Runner *)self;
    Py_VISIT(Py_TYPE(self));
    for (Py_ssize_t i = 0; i < r->num_calls; i++) {
        Py_VISIT(r->calls[i].call);
    }
    Py_VISIT(r->loop);
    Py_VISIT(r->encode);
    Py_VISIT(r->render);
    Py_VISIT(r->fail);
    Py_VISIT(r->base_context);
    Py_VISIT(r->step_method);
    Py_VISIT(r->flush_method);
    Py_VISIT(r->retry_method);
    Py_VISIT(r->drain_method);
    Py_VISIT((PyObject *)r->lane);
    return 0;
}

static int runner_clear(PyObject *self) {
    Runner *r = (Runner *)self;
    for (Py_ssize_t i = 0; i < r->num_calls; i++) {
        Py_CLEAR(r->calls[i].call);
    }
    Py_CLEAR(r->lane);
    Py_CLEAR(r->loop);
    Py_CLEAR(r->encode);
    Py_CLEAR(r->render);
    Py_CLEAR(r->fail);
    Py_CLEAR(r->make_lane);
    Py_CLEAR(r->enter_task);
    Py_CLEAR(r->leave_task);
    Py_CLEAR(r->iscoroutine_type);
    Py_CLEAR(r->base_context);
    Py_CLEAR(r->step_method);
    Py_CLEAR(r->flush_method);
    Py_CLEAR(r->retry_method);
    Py_CLEAR(r->drain_method);
    return 0;
}

static void runner_dealloc(PyObject *self) {
    Runner *r = (Runner *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject *none = runner_close(self, NULL);
    Py_XDECREF(none);
    runner_clear(self);
    PyMem_Free(r->calls);
    PyMem_Free(r->live);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef runner_methods[] = {
    {"serve", (PyCFunction)(void (*)(void))runner_serve, METH_VARARGS | METH_KEYWORDS, NULL},
    {"close", runner_close, METH_NOARGS, NULL},
    {"_drain", runner_drain, METH_NOARGS, NULL},
    {"_step", runner_step, METH_NOARGS, NULL},
    {"_flush", runner_do_flush, METH_NOARGS, NULL},
    {"_retry", runner_do_retry, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef runner_getset[] = {{"in_flight", runner_in_flight, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot runner_slots[] = {
    {Py_tp_init, runner_init},         {Py_tp_dealloc, runner_dealloc}, {Py_tp_traverse, runner_traverse},
    {Py_tp_clear, runner_clear},       {Py_tp_methods, runner_methods}, {Py_tp_getset, runner_getset},
    {0, NULL},
};

PyType_Spec runner_spec = {
    .name = "covet._worker.Runner",
    .basicsize = sizeof(Runner),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = runner_slots,
};
