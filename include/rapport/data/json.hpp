#pragma once

#include <rapport/base/eigen.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace rapport {

/// A JSON value; objects keep the order of insertion. Numbers that are not finite are written as
/// null.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(double value) : value_(value) {}
  Json(int value) : value_(std::int64_t{value}) {}
  Json(std::int64_t value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(const std::vector<std::string>& values);
  /// A vector as an array of numbers, a matrix as an array of its rows.
  Json(const Eigen::VectorXd& values);
  Json(const Eigen::MatrixXd& values);

  /// An object from its members: Json::object({{"n", 3}, {"mean", 1.5}}).
  [[nodiscard]] static Json object(
      std::initializer_list<std::pair<std::string, Json>> members = {});
  [[nodiscard]] static Json array() { return Json(Array{}); }

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  [[nodiscard]] bool is_bool() const { return std::holds_alternative<bool>(value_); }
  [[nodiscard]] bool is_number() const;
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(value_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(value_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(value_); }

  /// The value; throws InvalidArgument if it is of another kind. `number` gives NaN for null.
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] double number() const;
  [[nodiscard]] const std::string& string() const;
  [[nodiscard]] const Array& items() const;
  [[nodiscard]] const Object& members() const;

  /// Appends to an array (a null becomes an empty array first).
  void push_back(Json value);
  /// Sets a member of an object (a null becomes an empty object first).
  void set(std::string key, Json value);
  /// The member, or nullptr.
  [[nodiscard]] const Json* find(std::string_view key) const;
  /// The member; throws InvalidArgument naming the key if it is absent.
  [[nodiscard]] const Json& at(std::string_view key) const;

  /// Text: numbers as the shortest decimals that read back to the same double, `indent` spaces a
  /// level, or one line for −1.
  [[nodiscard]] std::string dump(int indent = 2) const;

 private:
  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value_ =
      nullptr;
};

/// Parses JSON text. Throws DataError with line and column; `name` stands for the file. A key that
/// stands twice in one object and nesting deeper than 200 are refused.
[[nodiscard]] Json parse_json(std::string_view text, const std::string& name = "text");

}  // namespace rapport
