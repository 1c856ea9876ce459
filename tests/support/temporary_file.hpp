#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

namespace rapport::testing_support {

/// The path of a file, or folder, that no other test uses and that is gone when the object is.
class TemporaryFile {
 public:
  /// A path that ends in `name`, where nothing is yet.
  explicit TemporaryFile(const std::string& name) : path_(unused(name)) {}
  TemporaryFile(const std::string& name, const std::string& content) : path_(unused(name)) {
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::filesystem::remove_all(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  static std::string unused(const std::string& name) {
    static std::atomic<int> count = 0;
    const std::string number = std::to_string(getpid()) + "_" + std::to_string(++count);
    return (std::filesystem::temp_directory_path() / ("rapport_" + number + "_" + name)).string();
  }

  std::string path_;
};

}  // namespace rapport::testing_support
