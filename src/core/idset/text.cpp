#include "core/idset/text.hpp"

#include <charconv>
#include <cstring>

#include "core/idset/id_cursor.hpp"
#include "core/idset/stretch_writer.hpp"

namespace seg::core::idset {
namespace {

// Room for the longest number, "-9223372036854775808".
constexpr std::size_t kLongestNumber = 20;
constexpr std::string_view kSpaces = " \t\n\r\v\f";

char* put_number(char* at, std::int64_t value) {
    return std::to_chars(at, at + kLongestNumber, value).ptr;
}

char* put_stretch(char* at, const Stretch& stretch) {
    at = put_number(at, stretch.lowest);
    if (stretch.lowest == stretch.highest)
        return at;
    *at++ = stretch.highest == stretch.lowest + 1 ? ',' : '-';
    return put_number(at, stretch.highest);
}

class TextReader {
  public:
    explicit TextReader(std::string_view text) : text_(text) {}

    void skip_spaces() {
        while (!text_.empty() && kSpaces.find(text_.front()) != std::string_view::npos)
            text_.remove_prefix(1);
    }
    bool take(char wanted) {
        skip_spaces();
        if (text_.empty() || text_.front() != wanted)
            return false;
        text_.remove_prefix(1);
        return true;
    }
    bool done() {
        skip_spaces();
        return text_.empty();
    }
    template <typename Number>
    Number number() {
        skip_spaces();
        Number value = 0;
        const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
        if (error == std::errc::result_out_of_range)
            throw Error(Errc::kOutOfRange, format("value \"%.*s\" is out of range for an id",
                                                  static_cast<int>(end - text_.data()), text_.data()));
        if (error != std::errc())
            fail();
        text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
        return value;
    }
    [[noreturn]] void fail() const {
        throw Error(Errc::kBadText,
                    text_.empty()
                        ? "malformed segment.idset: the text ends too early"
                        : format("malformed segment.idset: unexpected text at \"%.*s\"",
                                 static_cast<int>(std::min<std::size_t>(text_.size(), 20)), text_.data()),
                    "", "Write ids and ranges in braces, as in {1,5-9,12}.");
    }

  private:
    std::string_view text_;
};

}  // namespace

std::uint64_t text_size(const SetView& set, Interrupt& interrupt) {
    char buffer[2 * kLongestNumber + 1];
    std::uint64_t size = 2;
    std::uint64_t stretches = 0;
    for_each_stretch(set, interrupt, [&](const Stretch& stretch) {
        size += static_cast<std::uint64_t>(put_stretch(buffer, stretch) - buffer);
        ++stretches;
    });
    size += stretches > 1 ? stretches - 1 : 0;
    if (set.dictionary() != 0)
        size += 1 + static_cast<std::uint64_t>(put_number(buffer, set.dictionary()) - buffer);
    return size;
}

void write_text(const SetView& set, std::span<char> out, Interrupt& interrupt) {
    char buffer[2 * kLongestNumber + 1];
    char* at = out.data();
    *at++ = '{';
    const auto put = [&](char* end) {
        std::memcpy(at, buffer, static_cast<std::size_t>(end - buffer));
        at += end - buffer;
    };
    for_each_stretch(set, interrupt, [&](const Stretch& stretch) {
        if (at != out.data() + 1)
            *at++ = ',';
        put(put_stretch(buffer, stretch));
    });
    *at++ = '}';
    if (set.dictionary() != 0) {
        *at++ = '@';
        put(put_number(buffer, set.dictionary()));
    }
}

namespace {

// Calls take(stretch) for each id or range, until it returns false; then there is no result. Else the number
// of the dictionary, or 0.
template <typename Take>
std::optional<std::uint32_t> read_stretches(std::string_view text, Interrupt& interrupt, const Take& take) {
    TextReader reader(text);
    if (!reader.take('{'))
        reader.fail();
    WorkMeter meter(interrupt);
    if (!reader.take('}')) {
        do {
            const auto lowest = reader.number<std::int64_t>();
            const auto highest = reader.take('-') ? reader.number<std::int64_t>() : lowest;
            if (lowest > highest)
                throw Error(Errc::kBadText,
                            format("malformed segment.idset: range %lld-%lld ends before it starts",
                                   static_cast<long long>(lowest), static_cast<long long>(highest)));
            if (!take(Stretch{lowest, highest}))
                return std::nullopt;
            meter.done(1);
        } while (reader.take(','));
        if (!reader.take('}'))
            reader.fail();
    }
    std::uint32_t dictionary = 0;
    if (reader.take('@')) {
        dictionary = reader.number<std::uint32_t>();
        if (dictionary == 0)
            throw Error(Errc::kBadText, "malformed segment.idset: 0 is not the number of a dictionary");
    }
    if (!reader.done())
        reader.fail();
    return dictionary;
}

}  // namespace

std::uint32_t read_text(std::string_view text, SetBuilder& out, Interrupt& interrupt) {
    return *read_stretches(text, interrupt, [&](const Stretch& stretch) {
        if (stretch.lowest == stretch.highest)
            out.add(stretch.lowest, interrupt);
        else
            out.add_range(stretch.lowest, stretch.highest, interrupt);
        return true;
    });
}

std::optional<std::uint32_t> read_ascending_text(std::string_view text, SetWriter& out,
                                                 MemoryResource* memory, Interrupt& interrupt) {
    StretchWriter stretches(out, memory);
    const auto dictionary =
        read_stretches(text, interrupt, [&](const Stretch& stretch) { return stretches.add(stretch); });
    if (dictionary)
        stretches.finish();
    return dictionary;
}

}  // namespace seg::core::idset
