#include "core/idset/collection.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>

#include "core/base/codec.hpp"
#include "core/base/random.hpp"
#include "core/idset/algebra.hpp"
#include "core/idset/set_image.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {
namespace {

constexpr std::uint8_t kCollectionMagic = 'C';
constexpr std::uint8_t kCollectionVersion = 1;
constexpr const char* kTypeName = "segment.idset_collection";
constexpr std::size_t kServerWord = sizeof(CollectionHeader::server_word);

// The empty set without a dictionary.
struct alignas(8) EmptyImage {
    Prefix prefix{0, kMagic, kVersion, Form::kFlat, 0};
};
constexpr EmptyImage kEmptyImage{};
std::span<const std::byte> empty_image() {
    return {reinterpret_cast<const std::byte*>(&kEmptyImage), sizeof kEmptyImage};
}

constexpr std::uint64_t padded(std::uint64_t size) {
    return (size + 7) / 8 * 8;
}

[[noreturn]] void corrupted(const char* what) {
    throw Error(Errc::kCorrupted, format("corrupted value of type %s: %s", kTypeName, what));
}

const char* maker_of(CollectionKind kind) {
    switch (kind) {
        case CollectionKind::kNamed:
            return "segment.overlap or segment.upset";
        case CollectionKind::kFlow:
            return "segment.flow";
        case CollectionKind::kExpression:
            return "segment.evaluate";
        case CollectionKind::kAtLeast:
            return "segment.at_least_agg";
    }
    return "nothing known";
}

// Takes another set's dictionary into a summary that stands for many sets.
void join_dictionary(SetSummary& all, const SetView& set) {
    const SetSummary one{set.cardinality(), 0, 0, set.dictionary(), 0};
    all.dictionary = combined_dictionary(all, one);
    if (one.cardinality != 0 || one.dictionary != 0)
        all.cardinality = 1;
}

std::strong_ordering compare_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
    if (a.size() != b.size())
        return a.size() <=> b.size();
    return std::memcmp(a.data(), b.data(), a.size()) <=> 0;
}

}  // namespace

void require_same_terms(const CollectionTerms& a, const CollectionTerms& b) {
    if (a.kind != b.kind)
        throw Error(Errc::kInvalidArgument, "collections of different aggregates cannot be merged",
                    format("One was made by %s, the other by %s.", maker_of(a.kind), maker_of(b.kind)));
    if (a.text != b.text)
        throw Error(Errc::kInvalidArgument, "expression must be the same in every row");
    if (a.k != b.k)
        throw Error(
            Errc::kInvalidArgument, "number of sets must be the same in every row",
            format("It is %lld in one row and %lld in another.", static_cast<long long>(std::min(a.k, b.k)),
                   static_cast<long long>(std::max(a.k, b.k))));
}

void require_kind(const CollectionTerms& terms, CollectionKind kind) {
    if (terms.kind != kind)
        throw Error(Errc::kInvalidArgument, format("the collection was not made by %s", maker_of(kind)),
                    format("It was made by %s.", maker_of(terms.kind)));
}

std::uint32_t dictionary_of(std::span<const SetView> sets) {
    SetSummary all;
    for (const SetView& set : sets)
        join_dictionary(all, set);
    return all.dictionary;
}

CollectionView::CollectionView(std::span<const std::byte> image) : image_(image) {
    if (image.size() < sizeof(CollectionHeader))
        corrupted("too short");
    if (header().magic != kCollectionMagic || header().version != kCollectionVersion)
        corrupted("unknown version");
    if (names_at() > image.size())
        corrupted("too short");
    const std::uint64_t names = count() == 0 ? 0 : entry(count() - 1).name_end;
    images_at_ = padded(names_at() + names);
    if (images_at_ > image.size())
        corrupted("too short");
}

CollectionTerms CollectionView::terms() const {
    return {header().kind,
            {reinterpret_cast<const char*>(image_.data() + text_at()), header().text_size},
            header().k};
}

std::string_view CollectionView::name(std::uint32_t number) const {
    const std::uint32_t begin = number == 0 ? 0 : entry(number - 1).name_end;
    const std::uint32_t end = entry(number).name_end;
    if (begin > end || names_at() + end > images_at_)
        corrupted("a name beyond the names");
    return {reinterpret_cast<const char*>(image_.data() + names_at() + begin), end - begin};
}

SetView CollectionView::set(std::uint32_t number) const {
    const CollectionEntry& at = entry(number);
    if (at.image_at % 8 != 0 || images_at_ + at.image_at + at.image_size > image_.size())
        corrupted("a set beyond the value");
    return SetView(image_.subspan(images_at_ + at.image_at, at.image_size));
}

namespace {

// Checks what a view relies on, then what makes the form unique.
class CollectionCheck {
  public:
    CollectionCheck(std::span<const std::byte> image, CharacterLength length, MemoryResource* memory,
                    Interrupt& interrupt)
        : image_(image), reader_({}, kTypeName), length_(length), memory_(memory), interrupt_(interrupt) {}

    void run() {
        require(image_.size() >= sizeof(CollectionHeader), "too short");
        header_ = reinterpret_cast<const CollectionHeader*>(image_.data());
        check_header();
        check_layout();
        view_.emplace(image_);
        check_terms();
        check_order();
        SetSummary all;
        for (std::uint32_t i = 0; i < header_->count; ++i) {
            SetView::validate(image_of(i), memory_, interrupt_);
            join_dictionary(all, view_->set(i));
            check_side(i);
        }
    }

  private:
    void require(bool condition, const char* what) const { reader_.require(condition, what); }

    void check_header() const {
        require(header_->magic == kCollectionMagic, "not a collection of sets");
        require(header_->version == kCollectionVersion, "unknown version");
        require(header_->kind >= CollectionKind::kNamed && header_->kind <= CollectionKind::kAtLeast,
                "unknown kind");
        require(header_->zero == 0, "reserved byte is not zero");
    }

    void check_layout() {
        const std::uint64_t entries = std::uint64_t{header_->count} * sizeof(CollectionEntry);
        std::uint64_t at = sizeof(CollectionHeader) + entries + header_->text_size;
        require(at <= image_.size(), "too short");
        entries_ = reinterpret_cast<const CollectionEntry*>(header_ + 1);
        std::uint32_t name_end = 0;
        for (std::uint32_t i = 0; i < header_->count; ++i) {
            require(entries_[i].name_end >= name_end, "names out of order");
            name_end = entries_[i].name_end;
        }
        at += name_end;
        check_padding(at);
        images_ = padded(at);
        at = images_;
        for (std::uint32_t i = 0; i < header_->count; ++i) {
            require(entries_[i].image_at == at - images_, "sets out of order");
            require(entries_[i].image_size >= sizeof(Prefix), "a set is too short");
            at += entries_[i].image_size;
            check_padding(at);
            at = padded(at);
            std::uint32_t word = 0;
            std::memcpy(&word, image_of(i).data(), sizeof word);
            require(word == 0, "reserved bytes are not zero");
        }
        require(at == image_.size(), "wrong size");
    }

    void check_padding(std::uint64_t at) const {
        require(padded(at) <= image_.size(), "too short");
        for (; at % 8 != 0; ++at)
            require(image_[at] == std::byte{0}, "padding is not zero");
    }

    void check_terms() {
        const CollectionTerms terms = view_->terms();
        const bool expression = terms.kind == CollectionKind::kExpression;
        const bool at_least = terms.kind == CollectionKind::kAtLeast;
        require(expression || terms.text.empty(), "unexpected text");
        require(at_least ? terms.k >= 1 && terms.k <= INT32_MAX : terms.k == 0, "wrong number of sets");
        if (!expression)
            return;
        try {
            expression_.emplace(terms.text, length_, memory_, interrupt_);
        } catch (const Error& error) {
            require(error.code() != Errc::kSyntax, "wrong expression");
            throw;
        }
    }

    std::span<const std::byte> image_of(std::uint32_t number) const {
        return image_.subspan(images_ + entries_[number].image_at, entries_[number].image_size);
    }

    void check_order() const {
        for (std::uint32_t i = 1; i < header_->count; ++i) {
            if (header_->kind == CollectionKind::kAtLeast) {
                require(compare_bytes(image_of(i - 1), image_of(i)) <= 0, "sets out of order");
                continue;
            }
            const std::uint32_t before = entries_[i - 1].side;
            const std::uint32_t side = entries_[i].side;
            require(before < side || (before == side && view_->name(i - 1) < view_->name(i)),
                    "names out of order");
        }
    }

    void check_side(std::uint32_t number) {
        const std::uint32_t side = entries_[number].side;
        const std::string_view name = view_->name(number);
        switch (header_->kind) {
            case CollectionKind::kNamed:
                return require(side == 0, "unknown side");
            case CollectionKind::kFlow:
                return require(side <= 1, "unknown side");
            case CollectionKind::kAtLeast:
                return require(side == 0 && name.empty(), "unexpected name");
            case CollectionKind::kExpression:
                require(side <= 1 && expression_->find(name).has_value() == (side == 0), "unexpected name");
                if (side == 1)
                    require(++mentions_ <= Collection::kMentions &&
                                name.size() <= Collection::kLongestMention &&
                                compare_bytes(image_of(number), empty_image()) == 0,
                            "unexpected name");
        }
    }

    std::span<const std::byte> image_;
    const Reader reader_;
    CharacterLength length_;
    MemoryResource* memory_;
    Interrupt& interrupt_;
    const CollectionHeader* header_ = nullptr;
    const CollectionEntry* entries_ = nullptr;
    std::uint64_t images_ = 0;
    std::size_t mentions_ = 0;
    std::optional<CollectionView> view_;
    std::optional<Expression> expression_;
};

}  // namespace

void CollectionView::validate(std::span<const std::byte> image, CharacterLength length,
                              MemoryResource* memory, Interrupt& interrupt) {
    try {
        CollectionCheck(image, length, memory, interrupt).run();
    } catch (const Error& error) {
        // Dictionaries that do not go together are a fault of the value here.
        if (error.code() == Errc::kInvalidArgument || error.code() == Errc::kCorrupted)
            Reader({}, kTypeName).fail("malformed");
        throw;
    }
}

Collection::Collection(MemoryResource* memory, const CollectionTerms& terms)
    : memory_(memory),
      kind_(terms.kind),
      text_(terms.text.begin(), terms.text.end(), Allocator<char>(memory)),
      k_(terms.k),
      entries_(memory),
      slots_(memory),
      mentions_(memory),
      order_(memory) {}

Collection::~Collection() {
    for (Entry& entry : entries_) {
        free_bytes(entry.name, entry.name_size);
        free_bytes(entry.image, entry.image_size);
        drop_builder(entry);
    }
}

std::byte* Collection::copy_bytes(const void* bytes, std::uint64_t size) {
    if (size == 0)
        return nullptr;
    auto* copy = static_cast<std::byte*>(memory_->allocate(padded(size), 8));
    std::memcpy(copy, bytes, size);
    return copy;
}

void Collection::free_bytes(void* bytes, std::uint64_t size) {
    if (bytes != nullptr)
        memory_->deallocate(bytes, padded(size), 8);
}

void Collection::drop_builder(Entry& entry) {
    if (entry.more == nullptr)
        return;
    entry.more->~SetBuilder();
    memory_->deallocate(entry.more, sizeof(SetBuilder), alignof(SetBuilder));
    entry.more = nullptr;
}

std::size_t Collection::find_slot(std::uint32_t side, std::string_view name) const {
    const std::uint64_t hash = hash_bytes(std::as_bytes(std::span(name.data(), name.size())));
    std::size_t slot = mix64(hash + side) & (slots_.size() - 1);
    for (; slots_[slot] != kNone; slot = (slot + 1) & (slots_.size() - 1)) {
        const Entry& entry = entries_[slots_[slot]];
        if (entry.side == side && name_of(entry) == name)
            break;
    }
    return slot;
}

void Collection::grow_slots() {
    Vector<std::uint32_t> larger(std::max<std::size_t>(16, 2 * slots_.size()), kNone,
                                 Allocator<std::uint32_t>(memory_));
    slots_.swap(larger);
    for (std::uint32_t i = 0; i < entries_.size(); ++i)
        slots_[find_slot(entries_[i].side, name_of(entries_[i]))] = i;
}

void Collection::add(std::uint32_t side, std::string_view name, const SetView& set, Interrupt& interrupt) {
    SetSummary dictionary = dictionary_;
    join_dictionary(dictionary, set);
    if (kind_ == CollectionKind::kAtLeast) {
        add_entry(0, {}, set.image());
    } else {
        if (2 * (entries_.size() + 1) > slots_.size())
            grow_slots();
        const std::size_t slot = find_slot(side, name);
        if (slots_[slot] != kNone) {
            extend(entries_[slots_[slot]], set, interrupt);
        } else {
            add_entry(side, name, set.image());
            slots_[slot] = static_cast<std::uint32_t>(entries_.size() - 1);
        }
    }
    dictionary_ = dictionary;
    finished_ = false;
}

void Collection::add_entry(std::uint32_t side, std::string_view name, std::span<const std::byte> image) {
    entries_.push_back({nullptr, 0, side, 0, nullptr, nullptr});
    Entry& entry = entries_.back();
    try {
        entry.name = reinterpret_cast<char*>(copy_bytes(name.data(), name.size()));
        entry.name_size = name.size();
        entry.image = copy_bytes(image.data(), image.size());
        entry.image_size = static_cast<std::uint32_t>(image.size());
    } catch (...) {
        free_bytes(entry.name, name.size());
        entries_.pop_back();
        throw;
    }
    std::memset(entry.image, 0, kServerWord);
}

// A set that is there already, as when rows are a cross product, costs a comparison.
void Collection::extend(Entry& entry, const SetView& set, Interrupt& interrupt) {
    const SetView first = view_of(entry);
    if (first.dictionary() == set.dictionary() && compare_bytes(first.contents(), set.contents()) == 0)
        return;
    if (entry.more == nullptr) {
        void* const place = memory_->allocate(sizeof(SetBuilder), alignof(SetBuilder));
        entry.more = new (place) SetBuilder(memory_);
        entry.more->add_set(first, interrupt);
    }
    entry.more->add_set(set, interrupt);
}

void Collection::unite(Entry& entry, Interrupt& interrupt) {
    if (entry.more == nullptr)
        return;
    const std::uint64_t size = entry.more->image_size(interrupt);
    auto* const image = static_cast<std::byte*>(memory_->allocate(padded(size), 8));
    std::memset(image, 0, kServerWord);
    entry.more->write_image({image, size}, interrupt);
    free_bytes(entry.image, entry.image_size);
    entry.image = image;
    entry.image_size = static_cast<std::uint32_t>(size);
    drop_builder(entry);
}

void Collection::mention(std::string_view name) {
    if (name.size() > kLongestMention)
        return;
    const auto at = std::lower_bound(mentions_.begin(), mentions_.end(), name,
                                     [](const Mention& a, std::string_view b) { return a.text() < b; });
    if (at != mentions_.end() && at->text() == name)
        return;
    if (mentions_.size() == kMentions) {
        if (at == mentions_.end())
            return;
        mentions_.pop_back();
    }
    Mention mention{static_cast<std::uint8_t>(name.size()), {}};
    std::copy(name.begin(), name.end(), mention.letters);
    mentions_.insert(at, mention);
}

void Collection::merge(const Collection& other, Interrupt& interrupt) {
    require_same_terms(terms(), other.terms());
    const std::size_t count = other.entries_.size();
    for (std::size_t i = 0; i < count; ++i) {
        const Entry& entry = other.entries_[i];
        if (entry.more == nullptr) {
            add(entry.side, name_of(entry), view_of(entry), interrupt);
            continue;
        }
        SetWriter writer(memory_, entry.more->dictionary());
        entry.more->write(writer, interrupt);
        const SetImage image(writer, memory_);
        add(entry.side, name_of(entry), image.view(), interrupt);
    }
    for (const Mention& one : other.mentions_)
        mention(one.text());
}

void Collection::merge(const CollectionView& other, Interrupt& interrupt) {
    require_same_terms(terms(), other.terms());
    for (std::uint32_t i = 0; i < other.count(); ++i) {
        if (kind_ == CollectionKind::kExpression && other.side(i) == 1)
            mention(other.name(i));
        else
            add(other.side(i), other.name(i), other.set(i), interrupt);
    }
}

bool Collection::precedes(const Entry& a, const Entry& b) const {
    if (kind_ == CollectionKind::kAtLeast)
        return compare_bytes(view_of(a).image(), view_of(b).image()) < 0;
    return a.side != b.side ? a.side < b.side : name_of(a) < name_of(b);
}

void Collection::finish(Interrupt& interrupt) {
    if (finished_)
        return;
    WorkMeter meter(interrupt);
    for (Entry& entry : entries_) {
        unite(entry, interrupt);
        meter.done(8);
    }
    order_.resize(entries_.size());
    for (std::uint32_t i = 0; i < order_.size(); ++i)
        order_[i] = i;
    std::sort(order_.begin(), order_.end(), [this, &meter](std::uint32_t a, std::uint32_t b) {
        meter.done(8);
        return precedes(entries_[a], entries_[b]);
    });
    finished_ = true;
}

std::uint32_t Collection::side(std::uint32_t number) const {
    return number < order_.size() ? entries_[order_[number]].side : 1;
}

std::string_view Collection::name(std::uint32_t number) const {
    return number < order_.size() ? name_of(entries_[order_[number]])
                                  : mentions_[number - order_.size()].text();
}

SetView Collection::set(std::uint32_t number) const {
    return number < order_.size() ? view_of(entries_[order_[number]]) : SetView(empty_image());
}

std::uint64_t Collection::names_size() const {
    std::uint64_t size = 0;
    for (std::uint32_t i = 0; i < count(); ++i)
        size += name(i).size();
    return size;
}

std::uint64_t Collection::image_size(Interrupt& interrupt) {
    finish(interrupt);
    const std::uint64_t entries = std::uint64_t{count()} * sizeof(CollectionEntry);
    std::uint64_t size = padded(sizeof(CollectionHeader) + entries + text_.size() + names_size());
    for (std::uint32_t i = 0; i < count(); ++i)
        size += padded(set(i).image().size());
    if (size > kMaxImageBytes)
        throw Error(Errc::kTooBig, "the collection of sets would be larger than 1 GB",
                    format("It would take %llu MB.", static_cast<unsigned long long>(size >> 20)),
                    "Use fewer sets at a time, or a part of the ids, for example one bucket of a table "
                    "(segment, bucket, members).");
    return size;
}

void Collection::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    auto& header = *reinterpret_cast<CollectionHeader*>(image.data());
    header.magic = kCollectionMagic;
    header.version = kCollectionVersion;
    header.kind = kind_;
    header.zero = 0;
    header.count = count();
    header.text_size = static_cast<std::uint32_t>(text_.size());
    header.k = k_;
    auto* const entries = reinterpret_cast<CollectionEntry*>(image.data() + sizeof(CollectionHeader));
    std::byte* const text = reinterpret_cast<std::byte*>(entries + count());
    if (!text_.empty())
        std::memcpy(text, text_.data(), text_.size());
    std::byte* const names = text + text_.size();
    const std::uint64_t names_bytes = names_size();
    const auto names_at = static_cast<std::uint64_t>(names - image.data());
    std::byte* const images = image.data() + padded(names_at + names_bytes);
    std::fill(names + names_bytes, images, std::byte{0});

    std::uint32_t name_at = 0;
    std::uint32_t image_at = 0;
    for (std::uint32_t i = 0; i < count(); ++i) {
        const std::string_view letters = name(i);
        if (!letters.empty())
            std::memcpy(names + name_at, letters.data(), letters.size());
        name_at += static_cast<std::uint32_t>(letters.size());
        const std::span<const std::byte> bytes = set(i).image();
        entries[i] = {name_at, side(i), image_at, static_cast<std::uint32_t>(bytes.size())};
        std::memcpy(images + image_at, bytes.data(), bytes.size());
        std::fill(images + image_at + bytes.size(), images + image_at + padded(bytes.size()), std::byte{0});
        image_at += static_cast<std::uint32_t>(padded(bytes.size()));
        meter.done(16 + bytes.size() / 8);
    }
}

}  // namespace seg::core::idset
