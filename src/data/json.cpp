#include <rapport/base/error.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/data/json.hpp>

#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace rapport {
namespace {

constexpr int deepest = 200;

template <class T>
const T& expect(const auto& value, const char* kind) {
  if (const T* held = std::get_if<T>(&value)) return *held;
  throw InvalidArgument(std::string("Json: the value is not ") + kind);
}

void write(const Json& value, int indent, int depth, std::string& out);

void new_line(int indent, int depth, std::string& out) {
  if (indent < 0) return;
  out += '\n';
  out.append(static_cast<std::size_t>(indent * depth), ' ');
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool is_flat(const Json::Array& items) {
  for (const Json& item : items)
    if (item.is_array() || item.is_object()) return false;
  return true;
}

void write_array(const Json::Array& items, int indent, int depth, std::string& out) {
  const int inner = is_flat(items) ? -1 : indent;  // vectors of numbers stay on one line
  out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += inner < 0 && indent >= 0 ? ", " : ",";
    new_line(inner, depth + 1, out);
    write(items[i], indent, depth + 1, out);
  }
  if (!items.empty()) new_line(inner, depth, out);
  out += ']';
}

void write_object(const Json::Object& members, int indent, int depth, std::string& out) {
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += ',';
    new_line(indent, depth + 1, out);
    out += quoted(members[i].first);
    out += indent < 0 ? ":" : ": ";
    write(members[i].second, indent, depth + 1, out);
  }
  if (!members.empty()) new_line(indent, depth, out);
  out += '}';
}

void write(const Json& value, int indent, int depth, std::string& out) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.boolean() ? "true" : "false";
  } else if (value.is_number()) {
    const double number = value.number();
    // "-0" would be read back as the integer 0.
    const bool negative_zero = number == 0 && std::signbit(number);
    out += !std::isfinite(number) ? "null" : (negative_zero ? "-0.0" : shortest_decimal(number));
  } else if (value.is_string()) {
    out += quoted(value.string());
  } else if (value.is_array()) {
    write_array(value.items(), indent, depth, out);
  } else {
    write_object(value.members(), indent, depth, out);
  }
}

Json from_nlohmann(const nlohmann::ordered_json& node) {
  using Kind = nlohmann::ordered_json::value_t;
  switch (node.type()) {
    case Kind::boolean:
      return {node.get<bool>()};
    case Kind::number_integer:
      return {node.get<std::int64_t>()};
    case Kind::number_unsigned:
      if (node.get<std::uint64_t>() >
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return {node.get<double>()};
      return {node.get<std::int64_t>()};
    case Kind::number_float:
      return {node.get<double>()};
    case Kind::string:
      return {node.get<std::string>()};
    case Kind::array: {
      Json::Array items;
      for (const auto& item : node) items.push_back(from_nlohmann(item));
      return {std::move(items)};
    }
    case Kind::object: {
      Json object = Json::object();
      for (const auto& [key, member] : node.items()) object.set(key, from_nlohmann(member));
      return object;
    }
    case Kind::null:
    case Kind::binary:
    case Kind::discarded:
      break;
  }
  return {};
}

/// Refuses what a tree builder would take silently or die of: a key twice in one object, and deep
/// nesting.
class Guard {
 public:
  explicit Guard(const std::string& name) : name_(name) {}
  bool operator()(int depth, nlohmann::ordered_json::parse_event_t event,
                  nlohmann::ordered_json& parsed) {
    using Event = nlohmann::ordered_json::parse_event_t;
    if (depth > deepest) throw DataError("JSON is nested deeper than 200 levels", name_);
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key) {
      auto key = parsed.get<std::string>();
      for (const std::string& seen : keys_.back())
        if (seen == key)
          throw DataError("the key \"" + key + "\" stands twice in one object; keep one", name_);
      keys_.back().push_back(std::move(key));
    }
    return true;
  }

 private:
  std::string name_;
  std::vector<std::vector<std::string>> keys_;
};

}  // namespace

Json::Json(const std::vector<std::string>& values) : value_(Array(values.begin(), values.end())) {}

Json::Json(const Eigen::VectorXd& values) : value_(Array(values.begin(), values.end())) {}

Json::Json(const Eigen::MatrixXd& values) {
  Array rows;
  for (Index i = 0; i < values.rows(); ++i) rows.emplace_back(Eigen::VectorXd(values.row(i)));
  value_ = std::move(rows);
}

Json Json::object(std::initializer_list<std::pair<std::string, Json>> members) {
  Json object;
  object.value_ = Object(members);
  return object;
}

bool Json::is_number() const {
  return std::holds_alternative<double>(value_) || std::holds_alternative<std::int64_t>(value_);
}

bool Json::boolean() const { return expect<bool>(value_, "true or false"); }

double Json::number() const {
  if (is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (const auto* integer = std::get_if<std::int64_t>(&value_))
    return static_cast<double>(*integer);
  return expect<double>(value_, "a number");
}

const std::string& Json::string() const { return expect<std::string>(value_, "a string"); }
const Json::Array& Json::items() const { return expect<Array>(value_, "an array"); }
const Json::Object& Json::members() const { return expect<Object>(value_, "an object"); }

void Json::push_back(Json value) {
  if (is_null()) value_ = Array{};
  if (!is_array()) throw InvalidArgument("Json: push_back needs an array");
  std::get<Array>(value_).push_back(std::move(value));
}

void Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object{};
  if (!is_object()) throw InvalidArgument("Json: set needs an object");
  auto& members = std::get<Object>(value_);
  for (auto& [name, held] : members) {
    if (name != key) continue;
    held = std::move(value);
    return;
  }
  members.emplace_back(std::move(key), std::move(value));
}

const Json* Json::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const auto& [name, value] : std::get<Object>(value_))
    if (name == key) return &value;
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  if (const Json* member = find(key)) return *member;
  throw InvalidArgument("Json: there is no member \"" + std::string(key) + "\"");
}

std::string Json::dump(int indent) const {
  std::string out;
  write(*this, indent, 0, out);
  return out;
}

Json parse_json(std::string_view text, const std::string& name) {
  try {
    return from_nlohmann(nlohmann::ordered_json::parse(text.begin(), text.end(), Guard(name)));
  } catch (const nlohmann::json::out_of_range&) {
    throw DataError("a number outside the range of double precision", name);
  } catch (const nlohmann::json::parse_error& error) {
    Index line = 1;
    Index column = 1;
    const std::size_t end = std::min(error.byte > 0 ? error.byte - 1 : 0, text.size());
    for (std::size_t i = 0; i < end; ++i) {
      ++column;
      if (text[i] == '\n') {
        ++line;
        column = 1;
      }
    }
    throw DataError("not valid JSON here; check quotes, commas and brackets", name, line, column);
  }
}

}  // namespace rapport
