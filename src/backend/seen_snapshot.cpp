#include "backend/seen_snapshot.hpp"

#include <cstring>

extern "C" {
#include "access/xact.h"
#include "utils/snapmgr.h"
}

namespace seg::backend {
namespace {

std::size_t list_bytes(uint32 running, int32 subtransactions) {
    return (running + static_cast<std::size_t>(subtransactions)) * sizeof(TransactionId);
}

bool same_list(const TransactionId* a, const TransactionId* b, std::size_t count) {
    return count == 0 || std::memcmp(a, b, count * sizeof(TransactionId)) == 0;
}

}  // namespace

bool SeenSnapshot::is_current() const {
    if (!taken_ || !ActiveSnapshotSet())
        return false;
    const Snapshot now = GetActiveSnapshot();
    return user_ == GetUserId() && subtransaction_ == GetCurrentSubTransactionId() &&
           command_ == now->curcid && xmin_ == now->xmin && xmax_ == now->xmax &&
           suboverflowed_ == now->suboverflowed && running_ == now->xcnt &&
           running_subtransactions_ == now->subxcnt && same_list(transactions_, now->xip, running_) &&
           same_list(transactions_ + running_, now->subxip, static_cast<std::size_t>(now->subxcnt));
}

void SeenSnapshot::take(MemoryContext memory) {
    taken_ = false;
    if (!ActiveSnapshotSet())
        return;
    const Snapshot now = GetActiveSnapshot();
    transactions_ = call([=]() noexcept {
        return static_cast<TransactionId*>(
            MemoryContextAlloc(memory, list_bytes(now->xcnt, now->subxcnt) + sizeof(TransactionId)));
    });
    if (now->xcnt > 0)
        std::memcpy(transactions_, now->xip, now->xcnt * sizeof(TransactionId));
    if (now->subxcnt > 0)
        std::memcpy(transactions_ + now->xcnt, now->subxip,
                    static_cast<std::size_t>(now->subxcnt) * sizeof(TransactionId));
    user_ = GetUserId();
    subtransaction_ = GetCurrentSubTransactionId();
    command_ = now->curcid;
    xmin_ = now->xmin;
    xmax_ = now->xmax;
    suboverflowed_ = now->suboverflowed;
    running_ = now->xcnt;
    running_subtransactions_ = now->subxcnt;
    taken_ = true;
}

}  // namespace seg::backend
