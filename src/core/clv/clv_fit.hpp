// Fitting a customer value model to what the aggregate has gathered.
#pragma once

#include "core/clv/clv_model.hpp"
#include "core/clv/clv_state.hpp"

namespace seg::core::clv {

// Maximum likelihood. Histories and values are put into an order of their own and equal ones collapsed, so
// the result does not depend on how they arrived. Errc::kBadData, with the reason, where the data do not
// determine the parameters. The state must have a history.
ClvModel fit_clv(const ClvState& state, MemoryResource* memory, Interrupt& interrupt);

// What fit_clv allocates at the most.
Bill price_clv(const ClvState& state);

}  // namespace seg::core::clv
