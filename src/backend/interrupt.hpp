// The server's side of cancelling: a flag read per poll, and the server's own handling when something is
// pending.
#pragma once

#include "core/base/interrupt.hpp"

#include "backend/call.hpp"

namespace seg::backend {

class ServerInterrupt final : public core::Interrupt {
  public:
    void poll() override {
        if (INTERRUPTS_PENDING_CONDITION())
            call([]() noexcept { CHECK_FOR_INTERRUPTS(); });
    }
};

}  // namespace seg::backend
