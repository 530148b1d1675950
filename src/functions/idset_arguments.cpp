#include "functions/idset_arguments.hpp"

#include "core/idset/gathering.hpp"

#include "backend/aggregate.hpp"

extern "C" {
#include "access/detoast.h"
}

namespace seg::functions {

using core::idset::Form;
using core::idset::Gathering;
using core::idset::SetSummary;
using core::idset::SetView;

SetSummary SetArgument::summary() const {
    auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(datum_));
    if (whole_ != nullptr || !(VARATT_IS_EXTERNAL_ONDISK(value) || VARATT_IS_4B_C(value)))
        return view().summary();
    struct Start {
        struct varlena* slice;
        Size size;
    };
    const Start start = backend::call([value]() noexcept {
        return Start{pg_detoast_datum_slice(value, 0, core::idset::kSummaryBytes),
                     toast_raw_datum_size(PointerGetDatum(value))};
    });
    return SetView::summarize(backend::image_of(start.slice), start.size);
}

std::span<const std::byte> SetArgument::image() const {
    if (whole_ == nullptr)
        whole_ = backend::detoasted(datum_);
    return backend::image_of(whole_);
}

SetView SetArgument::view() const {
    return SetView(image());
}

Form SetArgument::form() const {
    return SetView::form(image());
}

std::span<const std::int64_t> SetArgument::gathered() const {
    const auto bytes = image();
    const Gathering gathering({const_cast<std::byte*>(bytes.data()), bytes.size()});
    return gathering.ids();
}

void SetArgument::add_to(core::idset::SetBuilder& builder, core::Interrupt& interrupt) const {
    if (form() != Form::kGathering)
        return builder.add_set(view(), interrupt);
    const std::span<const std::int64_t> ids = gathered();
    builder.join({static_cast<std::int64_t>(ids.size()), 0, 0, 0, 0});
    for (const std::int64_t id : ids)
        builder.add(id, interrupt);
}

Datum set_datum(core::idset::SetWriter& writer) {
    struct varlena* value = backend::new_varlena(writer.image_size());
    writer.write_image(backend::image_of(value));
    return PointerGetDatum(value);
}

}  // namespace seg::functions
