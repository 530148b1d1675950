#ifndef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

#include "postgres.h"

#include "backend/pg_try.h"
#include "fmgr.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

ErrorData* pgseg_pg_try(void (*fn)(void*), void* arg) {
    MemoryContext context = CurrentMemoryContext;
    ErrorData* volatile error = NULL;

    PG_TRY();
    { fn(arg); }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
    }
    PG_END_TRY();
    return error;
}
