// Named sets as one value: what the aggregates over many sets gather, and what overlap, upset and flow give.
//
//   header (24 bytes) | entries | text | names | padding | images of the sets, each padded to 8 bytes
//
// Entries ascend by side, then by the bytes of the name, and no two are equal: sets of one name are united.
// So equal collections have equal bytes, in whatever order their sets came. The collections of at_least have
// no names; their sets ascend by size and bytes, and a set that came twice is there twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/expression.hpp"
#include "core/idset/set_builder.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

enum class CollectionKind : std::uint8_t {
    kNamed = 1,       // of overlap and upset
    kFlow = 2,        // two sides: 0 is before, 1 is after
    kExpression = 3,  // side 0: the sets of an expression; side 1: some other names, with empty sets
    kAtLeast = 4,     // sets without names
};

// The start of an image. The first four bytes are the server's; nothing here reads or writes them.
struct CollectionHeader {
    std::uint32_t server_word;
    std::uint8_t magic;
    std::uint8_t version;
    CollectionKind kind;
    std::uint8_t zero;
    std::uint32_t count;
    std::uint32_t text_size;  // of the expression; otherwise 0
    std::int64_t k;           // of at_least; otherwise 0
};
static_assert(sizeof(CollectionHeader) == 24);

struct CollectionEntry {
    std::uint32_t name_end;  // in the names; the name starts where the one before ends
    std::uint32_t side;
    std::uint32_t image_at;    // in the images
    std::uint32_t image_size;  // without padding
};
static_assert(sizeof(CollectionEntry) == 16);

// What all sets of a collection must agree on.
struct CollectionTerms {
    CollectionKind kind = CollectionKind::kNamed;
    std::string_view text;  // of the expression
    std::int64_t k = 0;
};

// Raises kInvalidArgument unless rows of the one may join rows of the other.
void require_same_terms(const CollectionTerms& a, const CollectionTerms& b);

// Raises kInvalidArgument unless it is a collection of this kind.
void require_kind(const CollectionTerms& terms, CollectionKind kind);

// The dictionary of many sets together; sets that do not go together raise kInvalidArgument.
std::uint32_t dictionary_of(std::span<const SetView> sets);

// Reads an image in place; it must be aligned to 8 bytes and outlive the view.
class CollectionView {
  public:
    // Constant time; sizes that do not fit raise kCorrupted, here or where an entry is read.
    explicit CollectionView(std::span<const std::byte> image);

    CollectionTerms terms() const;
    std::uint32_t count() const { return header().count; }
    std::uint32_t side(std::uint32_t number) const { return entry(number).side; }
    std::string_view name(std::uint32_t number) const;
    SetView set(std::uint32_t number) const;

    // Checks an external image, of which everything but the server's word counts: anything but what
    // Collection writes raises kBadBinary. Encodings of names are the caller's business.
    static void validate(std::span<const std::byte> image, CharacterLength length, MemoryResource* memory,
                         Interrupt& interrupt);

  private:
    const CollectionHeader& header() const {
        return *reinterpret_cast<const CollectionHeader*>(image_.data());
    }
    const CollectionEntry& entry(std::uint32_t number) const {
        return reinterpret_cast<const CollectionEntry*>(image_.data() + sizeof(CollectionHeader))[number];
    }
    std::uint64_t text_at() const {
        return sizeof(CollectionHeader) + std::uint64_t{count()} * sizeof(CollectionEntry);
    }
    std::uint64_t names_at() const { return text_at() + header().text_size; }

    std::span<const std::byte> image_;
    std::uint64_t images_at_;
};

// Gathers sets in any order.
class Collection {
  public:
    // How many names without a set are kept, and how long they may be.
    static constexpr std::size_t kMentions = 8;
    static constexpr std::size_t kLongestMention = 63;

    Collection(MemoryResource* memory, const CollectionTerms& terms);
    ~Collection();
    Collection(const Collection&) = delete;
    Collection& operator=(const Collection&) = delete;

    CollectionTerms terms() const { return {kind_, {text_.data(), text_.size()}, k_}; }

    // Adds a copy of the set. Its dictionary must go with those of the others (see combined_dictionary).
    // Linear in the set.
    void add(std::uint32_t side, std::string_view name, const SetView& set, Interrupt& interrupt);

    // Keeps a name without its set, to be shown in an error: the first few in the order of names.
    void mention(std::string_view name);

    // The terms must be the same.
    void merge(const Collection& other, Interrupt& interrupt);
    void merge(const CollectionView& other, Interrupt& interrupt);

    // Unites the sets of each name and brings them into order. What follows is as in a CollectionView and
    // holds until something is added.
    void finish(Interrupt& interrupt);
    std::uint32_t count() const { return static_cast<std::uint32_t>(order_.size() + mentions_.size()); }
    std::uint32_t side(std::uint32_t number) const;
    std::string_view name(std::uint32_t number) const;
    SetView set(std::uint32_t number) const;

    // The image, as a pair of calls: finishes and gives its size, at most kMaxImageBytes, else kTooBig; then
    // the image itself, in that many bytes.
    std::uint64_t image_size(Interrupt& interrupt);
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};

    struct Entry {
        char* name;
        std::uint64_t name_size;
        std::uint32_t side;
        std::uint32_t image_size;
        std::byte* image;  // of the first set that came, or of what was united last
        SetBuilder* more;  // that one and all that came later, if any did
    };
    struct Mention {
        std::uint8_t size;
        char letters[kLongestMention];
        std::string_view text() const { return {letters, size}; }
    };

    static SetView view_of(const Entry& entry) { return SetView({entry.image, entry.image_size}); }
    static std::string_view name_of(const Entry& entry) { return {entry.name, entry.name_size}; }
    std::byte* copy_bytes(const void* bytes, std::uint64_t size);
    void free_bytes(void* bytes, std::uint64_t size);
    void drop_builder(Entry& entry);
    void add_entry(std::uint32_t side, std::string_view name, std::span<const std::byte> image);
    void extend(Entry& entry, const SetView& set, Interrupt& interrupt);
    void unite(Entry& entry, Interrupt& interrupt);
    std::size_t find_slot(std::uint32_t side, std::string_view name) const;
    void grow_slots();
    bool precedes(const Entry& a, const Entry& b) const;
    std::uint64_t names_size() const;

    MemoryResource* memory_;
    CollectionKind kind_;
    Vector<char> text_;
    std::int64_t k_;
    SetSummary dictionary_;  // of all sets, as one
    Vector<Entry> entries_;
    Vector<std::uint32_t> slots_;  // of entries, by the hash of side and name; a power of two or none
    Vector<Mention> mentions_;     // ascending
    Vector<std::uint32_t> order_;  // entries, once finished
    bool finished_ = true;
};

}  // namespace seg::core::idset
