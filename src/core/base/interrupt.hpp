// How long loops stay cancellable: core counts its work and asks the host every so often.
#pragma once

#include <cstdint>

namespace seg::core {

// The host's answer to "may I go on?". poll() returns to continue and throws to stop.
class Interrupt {
  public:
    virtual void poll() = 0;

  protected:
    ~Interrupt() = default;
};

// For callers that cannot be interrupted: tests and benchmarks.
class NoInterrupt final : public Interrupt {
  public:
    void poll() override {}
};

// Polls by work done, not by iteration. One unit is about a distance evaluation or a row.
class WorkMeter {
  public:
    static constexpr std::uint64_t kUnitsPerPoll = 65536;

    explicit WorkMeter(Interrupt& interrupt) : interrupt_(interrupt) {}

    void done(std::uint64_t units) {
        if (units < left_) {
            left_ -= units;
            return;
        }
        left_ = kUnitsPerPoll;
        interrupt_.poll();
    }

  private:
    Interrupt& interrupt_;
    std::uint64_t left_ = kUnitsPerPoll;
};

}  // namespace seg::core
