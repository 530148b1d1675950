// Aggregates that gather rows under options and make a value of them at the end: a clustering, a scale, a
// model. The options are jsonb, the last argument of the transition function, which may be missing or NULL.
#pragma once

#include <cstring>

#include "backend/aggregate.hpp"
#include "backend/binary_type.hpp"

namespace seg::backend {

// A state that is kept must also have a text form, or its table could not be dumped: 54000 when it has none.
void check_printable(std::uint64_t image_size);

// Core offers options(), merge(other, interrupt), merge_body(body, interrupt), image_size(),
// write_image(image, interrupt), read_options(body, interrupt), which checks the whole body, and a
// constructor from a memory resource and options.
template <typename Core>
class Gathering {
  public:
    using Options = std::remove_cvref_t<decltype(std::declval<const Core&>().options())>;

    // The state, with the option bytes of the last row: they are parsed once, not once a row.
    class Aggregate : public Core {
      public:
        Aggregate(core::MemoryResource* memory, const Options& options)
            : Core(memory, options), seen_(memory) {}

        bool has_seen(std::span<const std::byte> options) const {
            return options.size() == seen_.size() &&
                   (options.empty() || std::memcmp(options.data(), seen_.data(), options.size()) == 0);
        }
        void remember(std::span<const std::byte> options) { seen_.assign(options.begin(), options.end()); }

      private:
        core::Vector<std::byte> seen_;
    };
    using State = ExpandedState<Aggregate>;

    static bool has_options(FunctionCallInfo fcinfo, int argument) {
        return PG_NARGS() > argument && !PG_ARGISNULL(argument);
    }

    // The state for a row. read() gives the row's options; same(state) says, without reading them, that what
    // is not in the jsonb has not changed; refuse(state) raises the error for options that are not those of
    // earlier rows.
    template <typename Read, typename Same, typename Refuse>
    static State* state_of_row(FunctionCallInfo fcinfo, const AggregateMemory& memory, int options_argument,
                               const Read& read, const Same& same, const Refuse& refuse) {
        const std::span<const std::byte> bytes = option_bytes(fcinfo, options_argument);
        if (PG_ARGISNULL(0)) {
            State* state = State::create(memory, read());
            state->state().remember(bytes);
            return state;
        }
        State* state = own_state(fcinfo, memory, 0);
        if (same(state->state()) && state->state().has_seen(bytes))
            return state;
        if (!(read() == state->state().options()))
            refuse(state->state());
        state->state().remember(bytes);
        return state;
    }

    // combine(state, state) -> state; the second one is only read
    static Datum combine(FunctionCallInfo fcinfo) {
        const AggregateMemory memory(fcinfo);
        if (PG_ARGISNULL(1)) {
            if (PG_ARGISNULL(0))
                PG_RETURN_NULL();
            PG_RETURN_DATUM(PG_GETARG_DATUM(0));
        }
        if (PG_ARGISNULL(0))
            PG_RETURN_DATUM(own_copy(fcinfo, memory, 1)->datum());
        State* state = own_state(fcinfo, memory, 0);
        ServerInterrupt interrupt;
        if (State* other = State::of(PG_GETARG_DATUM(1)))
            state->state().merge(other->state(), interrupt);
        else
            state->state().merge_body(body_of(detoasted(PG_GETARG_DATUM(1))), interrupt);
        PG_RETURN_DATUM(state->datum());
    }

    // final(state) -> what make(core) makes of it; the state, expanded or flat, is only read
    template <typename Make>
    static Datum final(FunctionCallInfo fcinfo, const Make& make) {
        if (PG_ARGISNULL(0))
            PG_RETURN_NULL();
        ServerInterrupt interrupt;
        if (State* state = State::of(PG_GETARG_DATUM(0)))
            return make_of(fcinfo, static_cast<Core&>(state->state()), make, interrupt);
        const std::span<const std::byte> body = body_of(detoasted(PG_GETARG_DATUM(0)));
        TemporaryContext context;
        Core state(&context.resource(), Core::read_options(body, interrupt));
        state.merge_body(body, interrupt);
        return make_of(fcinfo, state, make, interrupt);
    }

    // state_final(state) -> state, flat
    static Datum state_final(FunctionCallInfo fcinfo) {
        if (PG_ARGISNULL(0))
            PG_RETURN_NULL();
        if (State* state = State::of(PG_GETARG_DATUM(0))) {
            check_printable(state->state().image_size());
            PG_RETURN_POINTER(flat_copy(state->state()));
        }
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    }

    // A state that comes in, checked.
    static Datum decode(std::span<const std::byte> body) {
        ServerInterrupt interrupt;
        const Datum value = bytes_to_message(body);  // aligned, as the message need not be
        Core::read_options(body_of(detoasted(value)), interrupt);
        return value;
    }

  private:
    // A core that settles puts off work that it would do in any case; what it stands for stays the same.
    template <typename Make>
    static Datum make_of(FunctionCallInfo fcinfo, Core& core, const Make& make, ServerInterrupt& interrupt) {
        if constexpr (requires { core.settle(interrupt); })
            core.settle(interrupt);
        return make(fcinfo, static_cast<const Core&>(core));
    }

    static std::span<const std::byte> option_bytes(FunctionCallInfo fcinfo, int argument) {
        if (!has_options(fcinfo, argument))
            return {};
        return image_of(detoasted(PG_GETARG_DATUM(argument)));
    }

    // The state as this node's own object: the argument, or a new one holding its rows.
    static State* own_state(FunctionCallInfo fcinfo, const AggregateMemory& memory, int number) {
        if (State* state = State::of(PG_GETARG_DATUM(number)))
            return state;
        const std::span<const std::byte> body = body_of(detoasted(PG_GETARG_DATUM(number)));
        ServerInterrupt interrupt;
        State* state = State::create(memory, Core::read_options(body, interrupt));
        state->state().merge_body(body, interrupt);
        return state;
    }

    static State* own_copy(FunctionCallInfo fcinfo, const AggregateMemory& memory, int number) {
        State* other = State::of(PG_GETARG_DATUM(number));
        if (other == nullptr)
            return own_state(fcinfo, memory, number);
        State* state = State::create(memory, other->state().options());
        ServerInterrupt interrupt;
        state->state().merge(other->state(), interrupt);
        return state;
    }
};

}  // namespace seg::backend
