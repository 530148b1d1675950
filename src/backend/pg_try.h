/* The project's only setjmp. In C, so that no C++ frame ever contains one. */
#ifndef PGSEG_PG_TRY_H
#define PGSEG_PG_TRY_H

struct ErrorData;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Runs fn(arg). Returns NULL, or a copy of the error that it raised, in the memory context that was current
 * at the call; the error state is flushed, so the caller must raise the error again (see backend/guard.hpp).
 */
struct ErrorData* pgseg_pg_try(void (*fn)(void*), void* arg) __attribute__((visibility("hidden")));

#ifdef __cplusplus
}
#endif

#endif
