#pragma once

/// The version of the library; CMake reads it from here.
#define RAPPORT_VERSION_MAJOR 0
#define RAPPORT_VERSION_MINOR 1
#define RAPPORT_VERSION_PATCH 0

namespace rapport {

/// "MAJOR.MINOR.PATCH", as the program prints it and writes it into every JSON result.
inline constexpr char version[] = "0.1.0";

}  // namespace rapport
