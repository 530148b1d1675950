// segment.preparation from its JSON form.
#pragma once

#include "core/preparation/preparation.hpp"

#include "backend/json.hpp"

namespace seg::functions {

// A preparation that has been read. Its texts are the reader's.
class JsonPreparation {
  public:
    explicit JsonPreparation(core::MemoryResource* memory) : columns_(memory), levels_(memory) {}

    // To be given to image_size() and write_preparation(); the image is still to be validated.
    core::preparation::PreparationParts parts() const {
        return {rows_, {columns_.data(), columns_.size()}, {levels_.data(), levels_.size()}};
    }

  private:
    friend JsonPreparation read_preparation(backend::JsonReader& json, core::MemoryResource* memory);

    void read_level(backend::JsonReader& json);
    void read_column(backend::JsonReader& json);
    bool read_value_member(backend::JsonReader& json, std::string_view key);
    bool read_category_member(backend::JsonReader& json, std::string_view key);

    std::int64_t rows_ = 0;
    core::Vector<core::preparation::Column> columns_;
    core::Vector<core::preparation::Level> levels_;
};

// Errc::kInvalidArgument for what has another form.
JsonPreparation read_preparation(backend::JsonReader& json, core::MemoryResource* memory);

// Texts that came in as bytes must be valid in the database's encoding; Errc::kBadBinary otherwise.
void check_encoding(std::string_view text, const char* type);
void check_encoding(const core::preparation::PreparationView& preparation);

}  // namespace seg::functions
