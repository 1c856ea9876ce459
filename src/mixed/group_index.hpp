#pragma once

#include <rapport/data/table.hpp>
#include <rapport/mixed/formula.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

/// Not installed: the groups of rows that come in pieces.
namespace rapport::detail {

/// Numbers the distinct keys from 0 in the order in which they come; four to eight bytes a key
/// beside the key itself.
template <class Key>
class KeyIndex {
 public:
  std::int32_t find_or_add(const Key& key);
  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }
  /// Frees what only finding needs.
  void close() { table_ = std::vector<std::int32_t>(); }

 private:
  void grow();

  std::vector<Key> keys_;
  std::vector<std::int32_t> table_;  ///< open addressing, −1 empty; a power of two
};

/// The levels of a grouping factor, or of a combination of several.
class GroupIndex {
 public:
  explicit GroupIndex(FormulaTerm group);

  /// The number of each row's group, −1 where it is missing.
  [[nodiscard]] std::vector<std::int32_t> numbers(const Table& rows);
  /// The number here of each group of another index.
  [[nodiscard]] std::vector<std::int32_t> absorb(const GroupIndex& other);
  [[nodiscard]] Index size() const;
  [[nodiscard]] const FormulaTerm& group() const { return group_; }
  /// Where each group stands in the order of levels, and their names in that order. To be called
  /// last: groups can no longer be found.
  struct Order {
    std::vector<std::int32_t> place;
    std::vector<std::string> names;
  };
  [[nodiscard]] Order take_order();

 private:
  struct Single {
    std::string name;
    KeyIndex<double> numbers;
    KeyIndex<std::string> texts;
    bool numeric = true;

    [[nodiscard]] std::vector<std::int32_t> codes(const Table& rows);
    [[nodiscard]] Order take_order();
  };

  FormulaTerm group_;
  std::vector<Single> singles_;
  /// Combinations of the first k + 2 factors: of the number of the first k + 1 and that of the
  /// next.
  std::vector<KeyIndex<std::uint64_t>> pairs_;
};

}  // namespace rapport::detail
