// Whether a query would still see what it saw: for values that a function keeps from call to call.
#pragma once

#include "backend/call.hpp"

namespace seg::backend {

// What decides which rows a query sees: the active snapshot, the command, the subtransaction, which may have
// been rolled back since, and the user. Zeros before the first take(). Plain data in a memory context.
class SeenSnapshot {
  public:
    // Whether a query now would see what one at take() saw. No call into the server that could fail.
    bool is_current() const;

    // Remembers this moment; lists go to the memory.
    void take(MemoryContext memory);

  private:
    bool taken_;
    Oid user_;
    SubTransactionId subtransaction_;
    CommandId command_;
    TransactionId xmin_;
    TransactionId xmax_;
    bool suboverflowed_;
    uint32 running_;
    int32 running_subtransactions_;
    TransactionId* transactions_;
};

}  // namespace seg::backend
