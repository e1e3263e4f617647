/* The one function that Python calls through cffi. */
#ifndef COVET_BINDING_H
#define COVET_BINDING_H

#include <stdint.h>

/* Fills the dict at that address (id() of it) with the native types and
 * functions. 0, or -1 after reporting the exception. */
int covet_bind(uintptr_t dict);

#endif
