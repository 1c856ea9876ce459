#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rapport {

/// The names of a factor's levels; immutable, and copies share them: a model of a million patients
/// and its fits have them once.
class LevelNames {
 public:
  LevelNames() = default;
  LevelNames(std::vector<std::string> names)
      : names_(std::make_shared<const std::vector<std::string>>(std::move(names))) {}

  operator const std::vector<std::string>&() const { return list(); }
  [[nodiscard]] const std::vector<std::string>& list() const {
    static const std::vector<std::string> none;
    return names_ ? *names_ : none;
  }
  [[nodiscard]] std::size_t size() const { return list().size(); }
  [[nodiscard]] bool empty() const { return list().empty(); }
  [[nodiscard]] const std::string& operator[](std::size_t level) const { return list()[level]; }
  [[nodiscard]] auto begin() const { return list().begin(); }
  [[nodiscard]] auto end() const { return list().end(); }
  friend bool operator==(const LevelNames& a, const LevelNames& b) { return a.list() == b.list(); }

 private:
  std::shared_ptr<const std::vector<std::string>> names_;
};

}  // namespace rapport
