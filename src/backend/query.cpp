#include "backend/query.hpp"

#include "backend/call.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace seg::backend {
namespace {

struct RowReceiver {
    DestReceiver server;  // first, so that the server's pointer is ours
    TakeRow take;
    void* context;
};

bool receive(TupleTableSlot* slot, DestReceiver* self) {
    auto* receiver = reinterpret_cast<RowReceiver*>(self);
    guarded([=]() { receiver->take(receiver->context, slot); });
    return true;
}

void start(DestReceiver*, int, TupleDesc) {}
void stop(DestReceiver*) {}

constexpr int kMaxParameters = 4;

// The parameters in the server's form; in the current context.
ParamListInfo parameter_list(const QueryParameter* parameters, int count) {
    ParamListInfo list = makeParamList(count);
    for (int i = 0; i < count; ++i) {
        list->params[i].value = parameters[i].value;
        list->params[i].isnull = false;
        list->params[i].pflags = PARAM_FLAG_CONST;
        list->params[i].ptype = parameters[i].type;
    }
    return list;
}

}  // namespace

void run_query(const char* text, const QueryParameter* parameters, int count, TakeRow take, void* context) {
    RowReceiver receiver{};
    receiver.server.receiveSlot = receive;
    receiver.server.rStartup = start;
    receiver.server.rShutdown = stop;
    receiver.server.rDestroy = stop;
    receiver.server.mydest = DestNone;
    receiver.take = take;
    receiver.context = context;
    RowReceiver* destination = &receiver;
    call([=]() noexcept {
        SPI_connect();
        SPIExecuteOptions options{};
        options.params = parameter_list(parameters, count);
        options.read_only = true;
        options.must_return_tuples = true;
        options.dest = &destination->server;
        const int result = SPI_execute_extended(text, &options);
        if (result < 0)
            elog(ERROR, "query failed: %s", SPI_result_code_string(result));
        SPI_finish();
    });
}

}  // namespace seg::backend
